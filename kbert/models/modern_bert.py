"""ModernBERT: an encoder for long rows, whose layers see the whole row or a window by turns.

    token embeddings -> layer x num_hidden_layers -> norm -> (every token's vector, the pooled row)

Shapes: B batch, L length, D hidden, N heads, H head size.
Source: Warner et al. 2024, "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder".
"""

import inspect
import math
from collections.abc import Sequence
from typing import Any

import keras

from kbert.errors import KbertError, counted, shown, whole_number
from kbert.layers.initializers import sub_seed
from kbert.layers.layer_norm import LayerNorm
from kbert.layers.modern_layer import ModernLayer, TokenEmbeddings
from kbert.layers.pooling import Pooler
from kbert.models.arguments import checked
from kbert.models.encoder import Encoder
from kbert.sizes.layer_types import FULL, SLIDING, alternating


@keras.saving.register_keras_serializable("kbert")
class ModernBert(Encoder):
    """ModernBERT's encoder.

    Args:
        vocab_size: how many tokens there are; the tokenizer may have fewer, not more.
        hidden_size: D; `num_attention_heads` must divide it, and a head have an even size.
        num_hidden_layers: how many layers.
        num_attention_heads: N.
        intermediate_size: width within the feed-forward networks, behind their gate; 1.5 D in base.
        hidden_dropout_prob: dropout of the embeddings, of attention's output and within the
            feed-forward networks, in [0, 1).
        attention_probs_dropout_prob: dropout of attention weights, in [0, 1).
        max_position_embeddings: the longest L, special tokens included. No weight depends on it.
        initializer_range: standard deviation of the starting weights; that of the projections back
            to the row is this / sqrt(2 `num_hidden_layers`).
        layer_norm_eps: added to variances.
        add_pooling_layer: whether there is a pooler; a model that only looks at tokens needs none.
        classifier_pooling: what the pooler takes of a row: the "mean" of its tokens, or "cls", the
            first.
        hidden_act: the activation within the feed-forward networks and the heads; a name of
            `kbert/layers/activations.py`.
        layer_types: "full_attention" or "sliding_attention" for each layer; None means that every
            third sees the whole row, the first among them.
        local_attention: how many positions a layer with a window sees, half of them on either side
            of each.
        global_rope_theta: how slowly positions turn in layers that see the whole row.
        local_rope_theta: the same in layers with a window.
        remat: as for `Bert`.
        weights: as for `Bert`.
        heads_per_layer: as for `Bert`.
        intermediate_sizes: as for `Bert`.
        seed: as for `Bert`.
        name: the model's name.
        dtype: a dtype policy's name.

    Attributes:
        tokenizer: a `kbert.Tokenizer`, or None; saved with the model.
        max_length: the longest L, in tokens, special tokens included.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> import numpy as np
        >>> bert = ModernBert(vocab_size=100, hidden_size=8, num_hidden_layers=3,
        ...                   num_attention_heads=2, intermediate_size=12)
        >>> outputs = bert({"input_ids": np.array([[2, 5, 3]])})
        >>> tuple(outputs["last_hidden_state"].shape), tuple(outputs["pooler_output"].shape)
        ((1, 3, 8), (1, 8))
    """

    architecture = "modernbert"
    has_biases = False
    token_heads_transform = True

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_dropout_prob: float = 0.0,
        attention_probs_dropout_prob: float = 0.0,
        max_position_embeddings: int = 8192,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-5,
        add_pooling_layer: bool = True,
        classifier_pooling: str = "mean",
        hidden_act: str = "gelu",
        layer_types: Sequence[str] | None = None,
        local_attention: int = 128,
        global_rope_theta: float = 160_000.0,
        local_rope_theta: float = 10_000.0,
        remat: bool = False,
        weights: str = "float32",
        heads_per_layer: Sequence[int] | None = None,
        intermediate_sizes: Sequence[int] | None = None,
        seed: int = 0,
        name: str = "modern_bert",
        dtype: str | None = None,
    ):
        given = locals()  # at the start of a function: its arguments
        arguments = checked({each: given[each] for each in _ARGUMENTS})
        arguments |= _checked(arguments)
        super().__init__(
            arguments, max_length=max_position_embeddings, num_segments=0, name=name, dtype=dtype
        )
        seed, policy = arguments["seed"], self.dtype_policy.name
        self.embeddings = TokenEmbeddings(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            dropout=hidden_dropout_prob,
            layer_norm_eps=layer_norm_eps,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "embeddings"),
            dtype=policy,
            name="embeddings",
        )
        self.encoder_layers = [
            ModernLayer(
                num_attention_heads=heads,
                intermediate_size=width,
                dropout=hidden_dropout_prob,
                attention_dropout=attention_probs_dropout_prob,
                layer_norm_eps=layer_norm_eps,
                initializer_range=initializer_range,
                output_range=self.output_range,
                seed=sub_seed(seed, f"encoder_layer_{index}"),
                hidden_act=hidden_act,
                attention_window=None if kind == FULL else local_attention // 2,
                attention_norm=index > 0,
                rope_theta=global_rope_theta if kind == FULL else local_rope_theta,
                head_size=hidden_size // num_attention_heads,
                dtype=policy,
                name=f"encoder_layer_{index}",
            )
            for index, (kind, (heads, width)) in enumerate(
                zip(arguments["layer_types"], self._per_layer(num_hidden_layers), strict=True)
            )
        ]
        self.final_norm = LayerNorm(
            epsilon=layer_norm_eps, center=False, dtype=policy, name="final_norm"
        )
        if add_pooling_layer:
            self.pooler = Pooler(
                initializer_range=self.output_range,
                seed=sub_seed(seed, "pooler"),
                activation=hidden_act,
                pooling=classifier_pooling,
                use_bias=False,
                layer_norm_eps=layer_norm_eps,
                dtype=policy,
                name="pooler",
            )
        self.build((None, None))

    @property
    def output_range(self) -> float:
        """That of all projections back to the row, and of the dense layer that begins a head."""
        settings = self._arguments
        return settings["initializer_range"] / math.sqrt(2 * settings["num_hidden_layers"])

    @property
    def label_range(self) -> float:
        """D^-0.5: labels' scores begin as large as the vectors' numbers."""
        return self.hidden_size**-0.5

    def _embed(self, inputs: dict[str, Any], tokens, training):
        """(B, L, D) of tokens."""
        length = tokens.shape[1]
        if length is not None and length > self.max_length:
            raise KbertError(
                f"a row of {length} tokens is longer than the model's {self.max_length} "
                "positions; pass max_length to the tokenizer"
            )
        return super()._embed(inputs, tokens, training)

    def _config(self) -> dict[str, Any]:
        return {**super()._config(), "layer_types": list(self._arguments["layer_types"])}


# What `get_config` gives back; Keras keeps a model's name and dtype.
_ARGUMENTS = [
    each
    for each in inspect.signature(ModernBert.__init__).parameters
    if each not in ("self", "name", "dtype")
]
POOLINGS = ("mean", "cls")


def _checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is ModernBERT's own among its arguments.

    Raises:
        KbertError: if one of them cannot be.
    """
    layers, types = arguments["num_hidden_layers"], arguments["layer_types"]
    types = alternating(layers) if types is None else types
    if not isinstance(types, Sequence) or not all(kind in (FULL, SLIDING) for kind in types):
        raise KbertError(f"layer_types are {FULL!r} and {SLIDING!r}, not {shown(types)}")
    if len(types) != layers:
        raise KbertError(
            f"layer_types names {counted(len(types), 'layer')}, and num_hidden_layers is {layers}"
        )
    head_size = arguments["hidden_size"] // arguments["num_attention_heads"]
    if head_size % 2:
        raise KbertError(f"a head's halves are turned against each other: {head_size} is not even")
    if arguments["classifier_pooling"] not in POOLINGS:
        raise KbertError(
            f"classifier_pooling is one of {', '.join(POOLINGS)}, not "
            f"{arguments['classifier_pooling']!r:.80}"
        )
    for name in ("global_rope_theta", "local_rope_theta"):
        theta = arguments[name]
        if isinstance(theta, bool) or not isinstance(theta, int | float) or not 1 < theta < 1e12:
            raise KbertError(f"{name} is a number above 1 and below 1e12, not {theta!r:.80}")
    window = whole_number("local_attention", arguments["local_attention"], 2)
    return {"layer_types": list(types), "local_attention": window}
