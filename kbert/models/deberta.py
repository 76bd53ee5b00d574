"""DeBERTa-v2 and -v3: BERT's layers, with attention to how far away a token stands.

    token embeddings -> encoder layer x num_hidden_layers -> (every token's vector, pooled [CLS])
    table of distances -> each layer

There are no positions in the embeddings: attention alone knows where a token stands, and what a
token is can be told from it.

Shapes: B batch, L length, D hidden, N heads.
Source: He et al. 2020, "DeBERTa: Decoding-enhanced BERT with Disentangled Attention"; He et al.
2021, "DeBERTaV3".
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from kbert.errors import KbertError, whole_number
from kbert.layers.calling import run
from kbert.layers.disentangled import DisentangledSelfAttention, RelativePositions
from kbert.layers.encoder import EncoderLayer
from kbert.layers.initializers import sub_seed
from kbert.layers.modern_layer import TokenEmbeddings
from kbert.layers.pooling import Pooler
from kbert.models.arguments import checked
from kbert.models.encoder import Encoder


@keras.saving.register_keras_serializable("kbert")
class Deberta(Encoder):
    """The encoder of DeBERTa-v2 and -v3.

    The arguments are those of Hugging Face's DebertaV2Config, by name. Versions 2 and 3 differ in
    how they are pretrained; version 1, and the convolution of v2-xlarge, are others.

    Args:
        vocab_size: how many tokens there are; the tokenizer may have fewer, not more.
        hidden_size: D; `num_attention_heads` must divide it.
        num_hidden_layers: how many encoder layers.
        num_attention_heads: N.
        intermediate_size: width within the feed-forward networks.
        hidden_dropout_prob: dropout of the embeddings, of the table of distances in each layer,
            and of each layer's two outputs, in [0, 1).
        attention_probs_dropout_prob: dropout of attention weights, in [0, 1).
        max_position_embeddings: the longest L, special tokens included.
        position_buckets: into how many buckets distances fall on either side: up to half of them
            each has its own, and beyond they widen. 0 means one for each distance.
        max_relative_positions: how far away the last bucket begins; what is further away counts as
            that far. None means `max_position_embeddings`.
        norm_rel_ebd: "layer_norm", if the table of distances is layer-normalised, or "none".
        share_att_key: whether the table goes through the tokens' projections, or through its own.
        initializer_range: standard deviation of the starting weights.
        layer_norm_eps: added to variances.
        add_pooling_layer: whether there is a pooler; a model that only looks at tokens needs none.
        pooler_activation: "gelu", or another name of `kbert/layers/activations.py`.
        hidden_act: the activation within the feed-forward networks, by the same names.
        embedding_size: `hidden_size`, or None, which means it.
        remat: whether, in training, layers keep only their input; see `Bert`.
        weights: what matrices are stored as; see `Bert`.
        heads_per_layer: how many heads are left in each layer; see `Bert`.
        intermediate_sizes: how wide its feed-forward network is; see `Bert`.
        seed: of starting weights and dropout, a whole number from 0.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> import numpy as np
        >>> deberta = Deberta(vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...                   num_attention_heads=2, intermediate_size=32)
        >>> outputs = deberta({"input_ids": np.array([[2, 5, 3]])})
        >>> tuple(outputs["last_hidden_state"].shape), tuple(outputs["pooler_output"].shape)
        ((1, 3, 8), (1, 8))
    """

    architecture = "deberta"

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_dropout_prob: float = 0.1,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        position_buckets: int = 256,
        max_relative_positions: int | None = None,
        norm_rel_ebd: str = "layer_norm",
        share_att_key: bool = True,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-7,
        add_pooling_layer: bool = True,
        pooler_activation: str = "gelu",
        hidden_act: str = "gelu",
        embedding_size: int | None = None,
        remat: bool = False,
        weights: str = "float32",
        heads_per_layer: Sequence[int] | None = None,
        intermediate_sizes: Sequence[int] | None = None,
        seed: int = 0,
        name: str = "deberta",
        dtype: str | None = None,
    ):
        given = locals()  # at the start of a function: its arguments
        arguments = {each: given[each] for each in _ARGUMENTS}
        if embedding_size is None:
            arguments["embedding_size"] = hidden_size
        if max_relative_positions is None:
            arguments["max_relative_positions"] = max_position_embeddings
        arguments = checked(arguments)
        _check_distances(arguments)
        super().__init__(
            arguments,
            max_length=arguments["max_position_embeddings"],
            num_segments=0,
            name=name,
            dtype=dtype,
        )
        seed, policy = arguments["seed"], self.dtype_policy.name
        self.embeddings = TokenEmbeddings(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            dropout=hidden_dropout_prob,
            layer_norm_eps=layer_norm_eps,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "embeddings"),
            norm_bias=True,
            dtype=policy,
            name="embeddings",
        )
        self.relative_positions = RelativePositions(
            hidden_size,
            position_buckets,
            arguments["max_relative_positions"],
            layer_norm=norm_rel_ebd == "layer_norm",
            layer_norm_eps=layer_norm_eps,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "relative_positions"),
            dtype=policy,
            name="relative_positions",
        )

        def attention(seed: int, heads: int) -> DisentangledSelfAttention:
            return DisentangledSelfAttention(
                heads,
                attention_probs_dropout_prob,
                initializer_range,
                sub_seed(seed, "self_attention"),
                position_dropout=hidden_dropout_prob,
                share_att_key=share_att_key,
                head_size=hidden_size // num_attention_heads,
                dtype=policy,
                name="self_attention",
            )

        seeds = [sub_seed(seed, f"encoder_layer_{index}") for index in range(num_hidden_layers)]
        self.encoder_layers = [
            EncoderLayer(
                num_attention_heads=heads,
                intermediate_size=width,
                dropout=hidden_dropout_prob,
                layer_norm_eps=layer_norm_eps,
                initializer_range=initializer_range,
                seed=of_layer,
                hidden_act=hidden_act,
                self_attention=attention(of_layer, heads),
                dtype=policy,
                name=f"encoder_layer_{index}",
            )
            for index, (of_layer, (heads, width)) in enumerate(
                zip(seeds, self._per_layer(num_hidden_layers), strict=True)
            )
        ]
        if add_pooling_layer:
            self.pooler = Pooler(
                initializer_range=initializer_range,
                seed=sub_seed(seed, "pooler"),
                activation=pooler_activation,
                dtype=policy,
                name="pooler",
            )
        self.build((None, None))

    def _options_of_layers(self, inputs, hidden, training) -> list[dict[str, Any]]:
        relative = run(self.relative_positions, hidden, longest=self.max_length, training=training)
        return [{"relative": relative}] * len(self.encoder_layers)


# What `get_config` gives back; Keras keeps a model's name and dtype.
_ARGUMENTS = [
    each
    for each in inspect.signature(Deberta.__init__).parameters
    if each not in ("self", "name", "dtype")
]


def _check_distances(arguments: dict[str, Any]) -> None:
    """Raises KbertError if what attention is told of distances cannot be."""
    if arguments["embedding_size"] != arguments["hidden_size"]:
        raise KbertError(
            f"embedding_size of a Deberta is hidden_size, {arguments['hidden_size']}, not "
            f"{arguments['embedding_size']!r:.80}"
        )
    if arguments["norm_rel_ebd"] not in ("layer_norm", "none"):
        raise KbertError(
            f"norm_rel_ebd is 'layer_norm' or 'none', not {arguments['norm_rel_ebd']!r:.80}"
        )
    if not isinstance(arguments["share_att_key"], bool):
        raise KbertError(f"share_att_key is True or False, not {arguments['share_att_key']!r:.80}")
    buckets = whole_number("position_buckets", arguments["position_buckets"], 0)
    longest = whole_number("max_relative_positions", arguments["max_relative_positions"], 1)
    if buckets == 1 or buckets // 2 >= max(longest - 1, 1):
        raise KbertError(
            f"position_buckets is 0, or from 2 to twice max_relative_positions {longest} less 3, "
            f"not {buckets}"
        )
