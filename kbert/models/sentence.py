"""BERT that gives a text one vector: texts of like meaning get vectors of a small angle.

    every token's vector -> pooling -> (dense layer) -> (length 1)

Shapes: B batch, L length, D hidden, E numbers of a text's vector.
Source: Reimers and Gurevych 2019, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks".
"""

from typing import Any, Self

import keras
from keras import ops

from kbert.errors import KbertError, whole_number
from kbert.layers.activations import activation
from kbert.layers.calling import run
from kbert.layers.dense import Dense
from kbert.layers.initializers import TruncatedNormal, starting_at_zero, sub_seed
from kbert.layers.pooling import POOLINGS, normalized, pool_tokens
from kbert.models.base import KbertModel
from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import encoder_of, input_ids_shape, of_text
from kbert.models.lora import check_no_adapters

LAST_FOUR = "last-four"
SENTENCE_POOLINGS = (*POOLINGS, LAST_FOUR)
DENSE_ACTIVATIONS = ("tanh", "linear")


@keras.saving.register_keras_serializable("kbert")
class SentenceBert(BertWithHead):
    """BERT whose answer to a text is one vector, in which padding never counts.

    How like two texts are is the cosine of their vectors. An encoder that was only pretrained gives
    poor ones; training it on pairs makes them good (`kbert.SiameseBert`).

    Args:
        pooling: how the tokens' vectors become one: "mean", "cls", "max" or "weighted-mean" (see
            `kbert/layers/pooling.py`), of the last layer; or "last-four", the mean of all tokens in
            each of the last four layers.
        normalize: whether vectors have length 1, so that their dot product is the cosine.
        dense_size: E, if a dense layer follows the pooling; None means none, and E is D.
        dense_activation: of that layer: "tanh" or "linear".
        max_seq_length: the most tokens of a text, special tokens included; None means as many as
            the encoder has positions for.
        name: the model's name.
        **bert_arguments: the arguments of `Bert`, or of another `architecture`;
            `add_pooling_layer` is False unless given.

    Attributes:
        embedding_size: E, how many numbers a text's vector has.

    Raises:
        KbertError: if there is no such pooling or activation, the encoder has fewer than four
            layers for "last-four", or a size cannot be.

    Example:
        >>> import numpy as np
        >>> model = SentenceBert(
        ...     pooling="mean", normalize=True, dense_size=6, vocab_size=100, hidden_size=8,
        ...     num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
        >>> vectors = model({"input_ids": np.array([[2, 5, 3, 0], [2, 5, 7, 3]]),
        ...                  "attention_mask": np.array([[1, 1, 1, 0], [1, 1, 1, 1]])})
        >>> tuple(vectors.shape), model.embedding_size
        ((2, 6), 6)

    Source: Reimers and Gurevych 2019, section 3; Devlin et al. 2018, section 5.3, for the last four
        layers; sentence-transformers' modules Pooling, Dense and Normalize.
    """

    def __init__(
        self,
        *,
        pooling: str = "mean",
        normalize: bool = False,
        dense_size: int | None = None,
        dense_activation: str = "tanh",
        max_seq_length: int | None = None,
        name: str = "sentence_bert",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        if pooling not in SENTENCE_POOLINGS:
            raise KbertError(
                f"pooling is one of {', '.join(SENTENCE_POOLINGS)}, not {pooling!r:.80}"
            )
        layers = len(self.bert.layers_in_order)
        if pooling == LAST_FOUR and layers < 4:
            raise KbertError(
                f"pooling {LAST_FOUR!r} is of four layers, and the encoder has {layers}"
            )
        if not isinstance(normalize, bool):
            raise KbertError(f"normalize is True or False, not {normalize!r:.80}")
        if dense_activation not in DENSE_ACTIVATIONS:
            raise KbertError(
                f"dense_activation is one of {', '.join(DENSE_ACTIVATIONS)}, not "
                f"{dense_activation!r:.80}"
            )
        if max_seq_length is not None:
            max_seq_length = whole_number("max_seq_length", max_seq_length, 1)
            if max_seq_length > self.bert.max_length:
                raise KbertError(
                    f"max_seq_length {max_seq_length} is more than the {self.bert.max_length} "
                    "tokens that the encoder takes"
                )
            self.max_length = max_seq_length
        if dense_size is not None:
            dense_size = whole_number("dense_size", dense_size, 1)
        self.pooling, self.normalize = pooling, normalize
        self.dense_activation = dense_activation
        self._head_arguments = {
            "pooling": pooling,
            "normalize": normalize,
            "dense_size": dense_size,
            "dense_activation": dense_activation,
            "max_seq_length": max_seq_length,
        }
        self.embedding_size = dense_size or self.bert.hidden_size
        self.dense = None if dense_size is None else self._dense()
        self.built = True

    @property
    def objective(self) -> str:
        """What it learns by as it is: another model's vectors. From pairs learns `SiameseBert`."""
        return "vectors"

    def _dense(self) -> Dense:
        config = self.bert.get_config()
        layer = Dense(
            self.embedding_size,
            kernel_initializer=TruncatedNormal(
                config["initializer_range"], seed=sub_seed(config["seed"], "dense")
            ),
            dtype=self.dtype_policy.name,
            name="dense",
        )
        layer.build((None, self.bert.hidden_size))
        return layer

    @classmethod
    def from_encoder(cls, model: KbertModel, **arguments: Any) -> Self:
        """A sentence model on the encoder of another model, whose weights are copied.

        `kbert.load(source, task="sentence-embedding")` does it for a file, with the mean.

        Args:
            model: any of kbert's; also a `SentenceBert`, which is to pool otherwise.
            **arguments: those of this class that are not the encoder's, as `pooling`. Of a
                `SentenceBert` those that are not given stay as they are.

        Raises:
            KbertError: if the model is none of kbert's, has adapters (LoRA), or an argument cannot
                be.

        Example:
            >>> from kbert import SIZES, Bert
            >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
            >>> SentenceBert.from_encoder(bert, pooling="cls").embedding_size
            128
        """
        check_no_adapters(model)
        encoder = encoder_of(model)
        config = {**encoder._config(), "add_pooling_layer": False}
        strange = sorted(set(arguments) & set(config))
        if strange:
            raise KbertError(f"{strange[0]} is the encoder's, which stays as it is")
        former = model if isinstance(model, SentenceBert) else None
        own = {} if former is None else former._head_arguments
        with starting_at_zero():
            made = cls(architecture=encoder.architecture, **config, **{**own, **arguments})
        pooler = {id(w) for w in ([] if encoder.pooler is None else encoder.pooler.weights)}
        kept = [weight for weight in encoder.weights if id(weight) not in pooler]
        made.bert.set_weights([ops.convert_to_numpy(weight) for weight in kept])
        dense = None if former is None else former.dense
        if dense is not None and made.dense is not None and made.dense.units == dense.units:
            made.dense.set_weights(dense.get_weights())
        made.tokenizer, made.base_model = model.tokenizer, model.base_model
        return made

    def call(self, inputs, training=None):
        """Vectors of texts: (B, E), float32; inputs as for `Bert`.

        Raises:
            KbertError: if an `attention_mask` is not (B, L).
        """
        given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
        mask = given.get("attention_mask")
        if mask is None and given.get("lengths") is not None:
            vectors = given.get("inputs_embeds")
            tokens = given["input_ids"] if vectors is None else vectors
            places = ops.arange(ops.shape(tokens)[1], dtype="int32")
            mask = places < ops.cast(given["lengths"], "int32")[:, None]  # (B, L)
        if mask is not None and len(mask.shape) != 2:
            raise KbertError(
                "the attention_mask of a sentence model is (batch, length): which tokens count is "
                f"read from it; not {tuple(mask.shape)}"
            )
        wants_four = self.pooling == LAST_FOUR
        outputs = self.bert(given, training=training, output_hidden_states=wants_four)
        if wants_four:
            last: Any = [ops.cast(each, "float32") for each in outputs["hidden_states"][-4:]]
            hidden, pooling = (last[0] + last[1] + last[2] + last[3]) / 4.0, "mean"
        else:
            hidden, pooling = ops.cast(outputs["last_hidden_state"], "float32"), self.pooling
        vectors = pool_tokens(of_text(hidden, given), mask, pooling)  # (B, D)
        if self.dense is not None:
            narrow = run(self.dense, ops.cast(vectors, self.compute_dtype), training=training)
            vectors = ops.cast(narrow, "float32")  # (B, E)
            if self.dense_activation == "tanh":
                vectors = activation("tanh", vectors, training)
        return normalized(vectors) if self.normalize else vectors

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor((input_ids_shape(inputs)[0], self.embedding_size), "float32")
