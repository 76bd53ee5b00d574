"""BERT: ids in, a vector for every token and one for the whole row out.

    embeddings -> encoder layer x num_hidden_layers -> (every token's vector, pooled [CLS])

Shapes: B batch, L length, D hidden, N heads, H head size.
Source: Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers"; Lan et al.
2020, "ALBERT", for layers that share their weights.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError
from kbert.layers.calling import run
from kbert.layers.embeddings import Embeddings
from kbert.layers.encoder import EncoderLayer
from kbert.layers.initializers import sub_seed
from kbert.layers.pooling import Pooler
from kbert.models.arguments import checked
from kbert.models.encoder import Encoder


@keras.saving.register_keras_serializable("kbert")
class Bert(Encoder):
    """BERT's encoder, and that of the families which have its layer.

    The arguments are those of Hugging Face's BertConfig, by name. `kbert.SIZES` has the usual
    values of the four that make a size.

    Args:
        vocab_size: how many tokens there are; the tokenizer may have fewer, not more.
        hidden_size: D; `num_attention_heads` must divide it.
        num_hidden_layers: how many encoder layers.
        num_attention_heads: N.
        intermediate_size: width within the feed-forward networks; 4 D in BERT.
        hidden_dropout_prob: dropout of the embeddings and of each layer's two outputs, in [0, 1).
        attention_probs_dropout_prob: dropout of attention weights, in [0, 1).
        max_position_embeddings: rows of the position table; the longest L, special tokens
            included, is this less `position_offset`.
        type_vocab_size: how many segments; 0 where the model has none, as DistilBERT.
        initializer_range: standard deviation of the starting weights.
        layer_norm_eps: added to variances.
        add_pooling_layer: whether there is a pooler; a model that only looks at tokens needs none.
        pooler_activation: "tanh", or another name of `kbert/layers/activations.py`.
        hidden_act: the activation within the feed-forward networks, by the same names.
        embedding_size: width of the tables, if it is not `hidden_size` (ELECTRA's small models).
        position_offset: the row of the position table that the first token gets; in RoBERTa's
            family the id of padding + 1.
        attention_window: how many positions each position sees on either side of its own, for
            rows so long that all of them would cost too much; None means all. What is further
            away is reached through the layers, one window a layer. A list has one for each layer.
        global_attention: whether there are tokens that see all, and that all see beside their
            windows, with projections of their own (Longformer). Which they are, the input
            `global_positions` says; without it they are none, or [CLS] under a head that looks at
            the pooled row. It takes an `attention_window`.
        block_size: how many tokens a block has where attention is BigBird's, at a cost that grows
            with L: a token sees its block and the two beside it, and the first and the last, whose
            tokens see all. None means that it is not.
        num_random_blocks: how often, in BigBird's attention, the first block counts beside itself:
            transformers draws that many blocks in training, and takes the first one afterwards.
            Here it is so in training, too. Rows of up to 5 + 2 `num_random_blocks` blocks see all.
        num_hidden_groups: how many groups the layers are in, if those of a group share their
            weights (ALBERT; 1 there); None means that each has its own. What is saved are weights,
            and no time. With it the tables are always followed by a projection to `hidden_size`.
        inner_group_num: how many layers a group has, which are run in turn; then there are
            `num_hidden_layers` times as many in all. More than 1 takes `num_hidden_groups`.
        remat: whether, in training, layers keep only their input and are computed again in the
            backward pass: a third more arithmetic, and memory that hardly grows with the layers.
        weights: what the matrices of the layers and the token table are stored as: "float32",
            "int8" or "int4". The latter come from `kbert.quantize`; by themselves they are zeros.
        heads_per_layer: how many heads each layer has, where `kbert.prune_heads` left fewer than
            `num_attention_heads`; None means that all have those.
        intermediate_sizes: the width of each layer's feed-forward network, where
            `kbert.prune_neurons` left them unequal; None means `intermediate_size`.
        extra_size: F, if rows may have vectors of F numbers behind their L tokens (VisualBERT);
            None means that they may not. Inputs are then also `extra_embeddings` (B, K, F) and, if
            wanted, `extra_mask` (B, K), 0 for those that do not count, and `extra_positions`
            (B, K), rows of a position table of their own; without it all have the first, so that
            their order tells nothing. What the encoder gives has L + K in the place of L.
        seed: of starting weights and dropout, a whole number from 0; equal seeds start equal on
            every backend. Nothing is drawn from a global generator, so
            `keras.utils.set_random_seed` changes no number here: pass another seed.

    Attributes:
        tokenizer: a `kbert.Tokenizer`, or None; saved with the model.
        max_length: the longest L, in tokens, special tokens included.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> import numpy as np
        >>> bert = Bert(vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32)
        >>> outputs = bert({"input_ids": np.array([[2, 5, 3]])})
        >>> tuple(outputs["last_hidden_state"].shape), tuple(outputs["pooler_output"].shape)
        ((1, 3, 8), (1, 8))
    """

    architecture = "bert"

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
        type_vocab_size: int = 2,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-12,
        add_pooling_layer: bool = True,
        pooler_activation: str = "tanh",
        hidden_act: str = "gelu",
        embedding_size: int | None = None,
        position_offset: int = 0,
        attention_window: int | Sequence[int] | None = None,
        global_attention: bool = False,
        block_size: int | None = None,
        num_random_blocks: int = 3,
        num_hidden_groups: int | None = None,
        inner_group_num: int = 1,
        remat: bool = False,
        weights: str = "float32",
        heads_per_layer: Sequence[int] | None = None,
        intermediate_sizes: Sequence[int] | None = None,
        extra_size: int | None = None,
        seed: int = 0,
        name: str = "bert",
        dtype: str | None = None,
    ):
        given = locals()  # at the start of a function: its arguments
        arguments = {each: given[each] for each in _ARGUMENTS}
        arguments["embedding_size"] = hidden_size if embedding_size is None else embedding_size
        arguments = checked(arguments)
        groups = num_hidden_groups or num_hidden_layers
        if groups > num_hidden_layers:
            raise KbertError(
                f"num_hidden_groups {groups} is more than num_hidden_layers {num_hidden_layers}"
            )
        if num_hidden_groups is None and inner_group_num > 1:
            raise KbertError(
                f"inner_group_num {inner_group_num} takes num_hidden_groups, of which there is none"
            )
        if block_size is not None and attention_window is not None:
            raise KbertError(
                f"attention has blocks (block_size {block_size}) or a window (attention_window "
                f"{attention_window}), and not both"
            )
        if extra_size is not None and (attention_window or block_size) is not None:
            raise KbertError(
                "extra vectors are seen by all tokens: extra_size goes without attention_window "
                "and block_size"
            )
        if global_attention and attention_window is None:
            raise KbertError("global_attention takes an attention_window, of which there is none")
        windows = arguments["attention_window"]
        if not isinstance(windows, list):
            windows = [windows] * (groups * inner_group_num)
        if len(windows) != groups * inner_group_num:
            raise KbertError(
                f"attention_window is a number, or one for each of {groups * inner_group_num} "
                f"layers, not {windows!r:.80}"
            )
        if len(set(windows)) == 1:
            arguments["attention_window"] = windows[0]
        if position_offset >= max_position_embeddings:
            raise KbertError(
                f"position_offset {position_offset} leaves no row of the "
                f"{max_position_embeddings} position embeddings"
            )
        super().__init__(
            arguments,
            max_length=max_position_embeddings - position_offset,
            num_segments=type_vocab_size,
            name=name,
            dtype=dtype,
        )
        seed = arguments["seed"]

        policy = self.dtype_policy.name
        self.embeddings = Embeddings(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            max_position_embeddings=max_position_embeddings,
            type_vocab_size=type_vocab_size,
            dropout=hidden_dropout_prob,
            layer_norm_eps=layer_norm_eps,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "embeddings"),
            embedding_size=embedding_size,
            position_offset=position_offset,
            always_project=num_hidden_groups is not None,
            extra_size=extra_size,
            dtype=policy,
            name="embeddings",
        )
        self.encoder_layers = [
            EncoderLayer(
                num_attention_heads=heads,
                intermediate_size=width,
                dropout=hidden_dropout_prob,
                attention_dropout=attention_probs_dropout_prob,
                layer_norm_eps=layer_norm_eps,
                initializer_range=initializer_range,
                seed=sub_seed(seed, f"encoder_layer_{index}"),
                hidden_act=hidden_act,
                attention_window=windows[index],
                global_attention=global_attention,
                block_size=block_size,
                num_random_blocks=num_random_blocks,
                head_size=hidden_size // num_attention_heads,
                dtype=policy,
                name=f"encoder_layer_{index}",
            )
            for index, (heads, width) in enumerate(self._per_layer(groups * inner_group_num))
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

    @property
    def layers_in_order(self) -> list[Any]:
        """The layers as they are run: in ALBERT each group as often as it has its turn.

        Source: transformers, modeling_albert.py, `AlbertTransformer`.
        """
        groups, layers = self._arguments["num_hidden_groups"], self._arguments["num_hidden_layers"]
        if groups is None:
            return list(self.encoder_layers)
        inner = self._arguments["inner_group_num"]
        turns = [int(i / (layers / groups)) for i in range(layers)]  # each layer's group
        return [self.encoder_layers[turn * inner + j] for turn in turns for j in range(inner)]

    def _embed(self, inputs: dict[str, Any], tokens, training):
        """(B, L, D) of tokens; with extra vectors (B, L + K, D)."""
        return run(
            self.embeddings,
            tokens,
            inputs.get("token_type_ids"),
            inputs.get("extra_embeddings"),
            inputs.get("extra_positions"),
            training=training,
        )

    def _mask_with_extra(self, inputs: dict[str, Any], tokens, mask):
        """(B, L + K) for the layers, or None where all counts.

        Raises:
            KbertError: if the model takes no extra vectors, or others, or the mask is (B, L, L).
        """
        extra, size = inputs["extra_embeddings"], self._arguments["extra_size"]
        if size is None:
            super()._mask_with_extra(inputs, tokens, mask)
        if extra.shape[-1] != size:
            raise KbertError(
                f"extra_embeddings are vectors of the model's extra_size {size}, and these have "
                f"{extra.shape[-1]} numbers"
            )
        if mask is not None and len(mask.shape) == 3:
            raise KbertError(
                f"an attention_mask {tuple(mask.shape)} says nothing of extra_embeddings: with "
                "them it is (batch, length)"
            )
        of_extra = inputs.get("extra_mask")
        if mask is None and of_extra is None:
            return None
        parts = (mask, tokens), (of_extra, extra)
        return ops.concatenate(
            [
                ops.ones(ops.shape(of)[:2], "int32") if each is None else ops.cast(each, "int32")
                for each, of in parts
            ],
            axis=1,
        )

    def _options_of_layers(self, inputs, hidden, training) -> list[dict[str, Any]]:
        places = inputs.get("global_positions")
        if not self._arguments["global_attention"]:
            return super()._options_of_layers(inputs, hidden, training)
        if places is None and self.cls_is_global:
            given = inputs.get("inputs_embeds")
            rows = inputs["input_ids"] if given is None else given[..., 0]
            places = ops.zeros_like(rows[:, :1], dtype="int32")
        return [{"global_positions": places}] * len(self.layers_in_order)

    def _config(self) -> dict[str, Any]:
        config = super()._config()
        if config["extra_size"] is None:
            del config["extra_size"]
        if not config["global_attention"]:
            del config["global_attention"]
        if config["num_hidden_groups"] is None:
            del config["num_hidden_groups"], config["inner_group_num"]
        if config["block_size"] is None:
            del config["block_size"], config["num_random_blocks"]
        return config


# What `get_config` gives back; Keras keeps a model's name and dtype.
_ARGUMENTS = [
    each
    for each in inspect.signature(Bert.__init__).parameters
    if each not in ("self", "name", "dtype")
]
