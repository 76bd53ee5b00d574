"""MobileBERT: as deep as BERT-large and narrow within its layers, for devices that have little.

    trigrams of narrow token embeddings -> layer x num_hidden_layers
                                        -> (every token's vector, pooled [CLS])

Shapes: B batch, L length, D hidden, S bottleneck, E embedding, N heads.
Source: Sun et al. 2020, "MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices".
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from kbert.errors import KbertError, whole_number
from kbert.layers.calling import run
from kbert.layers.initializers import sub_seed
from kbert.layers.mobile_layer import MobileLayer
from kbert.layers.pooling import Pooler
from kbert.layers.trigram_embeddings import TrigramEmbeddings
from kbert.models.arguments import checked
from kbert.models.encoder import Encoder


@keras.saving.register_keras_serializable("kbert")
class MobileBert(Encoder):
    """MobileBERT's encoder.

    The arguments are those of Hugging Face's MobileBertConfig, by name; there 24 layers, D 512, S
    and E 128, 4 heads, `intermediate_size` 512. It has the config's NoNorm, trigrams and
    bottlenecks in any case. The paper's was trained layer by layer to be like a teacher made for
    it; that is not here.

    NoNorm bounds nothing, so numbers may grow from layer to layer: in 16 bits take
    `mixed_bfloat16`, since float16 ends at 65,504.

    Args:
        vocab_size: how many tokens there are; the tokenizer may have fewer, not more.
        hidden_size: D, between layers.
        num_hidden_layers: how many layers.
        num_attention_heads: N; it must divide S.
        intermediate_size: width within each feed-forward network.
        hidden_dropout_prob: dropout of the embeddings and of each layer's output before it is
            added, in [0, 1).
        attention_probs_dropout_prob: dropout of attention weights, in [0, 1).
        max_position_embeddings: rows of the position table, and the longest L.
        type_vocab_size: how many segments, from 1.
        initializer_range: standard deviation of the starting weights.
        layer_norm_eps: of the norm before the words' scores, the only one.
        add_pooling_layer: whether there is a pooler; a model that only looks at tokens needs none.
        classifier_activation: whether the pooler has a dense layer and tanh; else the first token's
            vector is what it gives, as in the paper's tiny model.
        hidden_act: the activation within the feed-forward networks; a name of
            `kbert/layers/activations.py`.
        embedding_size: E, less than D; None means D / 4.
        intra_bottleneck_size: S, the width within layers; None means D / 4.
        use_bottleneck_attention: whether values are made of the narrow vectors, as queries and
            keys (the paper's tiny model); else of the wide ones.
        num_feedforward_networks: how many each layer has, one after the other.
        remat: as for `Bert`.
        weights: as for `Bert`.
        heads_per_layer: as for `Bert`.
        seed: as for `Bert`.
        name: the model's name.
        dtype: a dtype policy's name.

    Attributes:
        tokenizer: a `kbert.Tokenizer`, or None; saved with the model.
        max_length: the longest L, in tokens, special tokens included.

    Raises:
        KbertError: if a number is not what it can be; when it is called, if an `attention_mask` is
            (B, L, L), since each token's vector is made of its neighbours', whatever it may look
            at.

    Example:
        >>> import numpy as np
        >>> bert = MobileBert(vocab_size=100, hidden_size=16, num_hidden_layers=2,
        ...                   num_attention_heads=2, intermediate_size=16)
        >>> outputs = bert({"input_ids": np.array([[2, 5, 3]])})
        >>> tuple(outputs["last_hidden_state"].shape), tuple(outputs["pooler_output"].shape)
        ((1, 3, 16), (1, 16))
    """

    architecture = "mobilebert"
    completes_table = True

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_dropout_prob: float = 0.0,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-12,
        add_pooling_layer: bool = True,
        classifier_activation: bool = True,
        hidden_act: str = "relu",
        embedding_size: int | None = None,
        intra_bottleneck_size: int | None = None,
        use_bottleneck_attention: bool = False,
        num_feedforward_networks: int = 4,
        remat: bool = False,
        weights: str = "float32",
        heads_per_layer: Sequence[int] | None = None,
        seed: int = 0,
        name: str = "mobile_bert",
        dtype: str | None = None,
    ):
        given = locals()  # at the start of a function: its arguments
        arguments = {each: given[each] for each in _ARGUMENTS}
        quarter = whole_number("hidden_size", hidden_size, 1) // 4
        for narrow in ("embedding_size", "intra_bottleneck_size"):
            arguments[narrow] = quarter if arguments[narrow] is None else arguments[narrow]
        arguments = checked(arguments)
        if arguments["embedding_size"] >= hidden_size:
            raise KbertError(
                f"embedding_size of a MobileBert is less than hidden_size, {hidden_size}, not "
                f"{arguments['embedding_size']}"
            )
        if type_vocab_size < 1:
            raise KbertError("type_vocab_size of a MobileBert is from 1, not 0")
        super().__init__(
            arguments,
            max_length=max_position_embeddings,
            num_segments=type_vocab_size,
            name=name,
            dtype=dtype,
        )
        seed, policy = arguments["seed"], self.dtype_policy.name
        bottleneck = arguments["intra_bottleneck_size"]
        self.embeddings = TrigramEmbeddings(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            token_size=arguments["embedding_size"],
            max_position_embeddings=max_position_embeddings,
            type_vocab_size=type_vocab_size,
            dropout=hidden_dropout_prob,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "embeddings"),
            dtype=policy,
            name="embeddings",
        )
        self.encoder_layers = [
            MobileLayer(
                num_attention_heads=heads,
                intermediate_size=intermediate_size,
                bottleneck_size=bottleneck,
                feed_forward_networks=num_feedforward_networks,
                bottleneck_attention=use_bottleneck_attention,
                dropout=hidden_dropout_prob,
                attention_dropout=attention_probs_dropout_prob,
                initializer_range=initializer_range,
                seed=sub_seed(seed, f"encoder_layer_{index}"),
                hidden_act=hidden_act,
                head_size=bottleneck // num_attention_heads,
                dtype=policy,
                name=f"encoder_layer_{index}",
            )
            for index, (heads, _) in enumerate(self._per_layer(num_hidden_layers))
        ]
        if add_pooling_layer:
            self.pooler = Pooler(
                initializer_range=initializer_range,
                seed=sub_seed(seed, "pooler"),
                transform=classifier_activation,
                dtype=policy,
                name="pooler",
            )
        self.build((None, None))

    def _embed(self, inputs: dict[str, Any], tokens, training):
        """(B, L, D) of tokens."""
        mask = inputs.get("attention_mask")
        if mask is not None and len(mask.shape) == 3:
            raise KbertError(
                f"an attention_mask {tuple(mask.shape)} hides nothing from a MobileBert's "
                "embeddings, which read each token with those beside it: its mask is (batch, "
                "length), and it does not learn left to right"
            )
        segments = inputs.get("token_type_ids")
        return run(self.embeddings, tokens, segments, training=training)


# What `get_config` gives back; Keras keeps a model's name and dtype.
_ARGUMENTS = [
    each
    for each in inspect.signature(MobileBert.__init__).parameters
    if each not in ("self", "name", "dtype")
]
