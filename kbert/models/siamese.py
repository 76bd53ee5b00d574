"""A sentence model, and what it needs to learn from pairs: the same network reads each text.

    (B, T, L) ids -> one SentenceBert, T times -> (B, T, E) vectors -> a loss on their angles
                                               -> (u, v, |u - v|) -> label      (softmax)

Shapes: B batch, T texts of an example, L length, E numbers of a vector, C labels.
Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3 and figures 1 and 2.
"""

from collections.abc import Sequence

import keras
from keras import ops

from kbert.errors import KbertError, kind_of
from kbert.layers.heads import LabelHead
from kbert.layers.initializers import sub_seed
from kbert.models.bert_with_head import check_labels
from kbert.models.encoder import input_ids_shape
from kbert.models.in_training import ModelInTraining
from kbert.models.logits import takes_indices
from kbert.models.sentence import SentenceBert

OBJECTIVES = ("softmax", "cosine", "cosent", "in-batch", "simcse")


class SiameseBert(ModelInTraining):
    """A `SentenceBert` in training: it reads the texts of an example, and one loss is of all.

    | objective | learns from                               | by                                  |
    |-----------|-------------------------------------------|-------------------------------------|
    | softmax   | pairs with a label (NLI)                  | softmax(W (u; v; |u - v|) + b)      |
    | cosine    | pairs with a number, 0 to 5 (STS)         | (cos(u, v) - number / 5)^2          |
    | cosent    | the same, by their order alone            | cosines in the order of the numbers |
    | in-batch  | pairs of like meaning, and hard negatives | the right one of all in the batch   |
    | simcse    | texts alone                               | in-batch, a text and itself         |

    The losses are `kbert.objective(siamese)`'s, with their formulas in
    `kbert/training/sentence_losses.py`; the batches `kbert.LabelledBatches(examples, siamese)`.
    What is trained is the sentence model within, which is then used and saved; the head of
    "softmax" has done its work.

    Args:
        model: the sentence model, which is trained in its place.
        objective: see above.
        labels: the labels' names, for "softmax".
        name: the model's name.

    Attributes:
        sentence_model: the sentence model.

    Raises:
        KbertError: if it is no sentence model, there is no such objective, or labels are given, or
            not given, where they must not be.

    Example:
        >>> import numpy as np
        >>> model = SentenceBert(
        ...     vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...     intermediate_size=32)
        >>> pairs = np.array([[[2, 5, 3], [2, 6, 3]], [[2, 7, 3], [2, 8, 3]]])  # (2, 2, 3)
        >>> tuple(SiameseBert(model, "cosine")(pairs).shape)
        (2, 2, 8)
        >>> tuple(SiameseBert(model, "softmax", ["함의", "모순", "중립"])(pairs).shape)
        (2, 3)
    """

    input_axes = ("batch", "texts", "length")
    sentence_model: SentenceBert

    def __init__(
        self,
        model: SentenceBert,
        objective: str = "cosine",
        labels: Sequence[str] | None = None,
        *,
        name: str = "siamese_bert",
    ):
        if not isinstance(model, SentenceBert):
            raise KbertError(
                f"expected a SentenceBert, not {kind_of(model)}: kbert.load(source, "
                "task='sentence-embedding') gives one"
            )
        if objective not in OBJECTIVES:
            raise KbertError(f"objective is one of {', '.join(OBJECTIVES)}, not {objective!r:.80}")
        if (labels is not None) != (objective == "softmax"):
            raise KbertError(
                "labels, a list of names, are for 'softmax', which needs them; the objective is "
                f"{objective!r}, and labels are {labels!r:.80}"
            )
        super().__init__(name=name, sentence_model=model)
        self.objective, self.embedding_size = objective, model.embedding_size
        self.labels = () if labels is None else tuple(check_labels(labels))
        self.classifier = self._classifier() if self.labels else None
        self.built = True

    def _classifier(self) -> LabelHead:
        config = self.sentence_model.bert.get_config()
        head = LabelHead(
            num_labels=len(self.labels),
            initializer_range=self.sentence_model.bert.label_range,
            seed=sub_seed(config["seed"], "siamese"),
            dtype=self.dtype_policy.name,
            name="classifier",
        )
        head.build((None, 3 * self.embedding_size))
        return head

    def _label_limits(self):
        indices = takes_indices(getattr(self, "_loss_given", None))
        return {None: len(self.labels)} if self.labels and indices else {}

    def call(self, inputs, training=None):
        """Vectors of the texts, (B, T, E); of "softmax" logits of the labels, (B, C). float32.

        Args:
            inputs: as for `Bert`, but that each array has an axis of texts behind the first:
                `input_ids`, `token_type_ids` and `attention_mask` (B, T, L), or the ids alone.
            training: whether to drop.
        """
        given = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
        texts = given["input_ids"].shape[1] or ops.shape(given["input_ids"])[1]
        rows = {
            name: ops.reshape(given[name], (-1, *ops.shape(given[name])[2:]))  # (B T, L)
            for name in ("input_ids", "token_type_ids", "attention_mask", "lengths")
            if given.get(name) is not None
        }
        flat = self.sentence_model(rows, training=training)  # (B T, E)
        vectors = ops.reshape(flat, (-1, texts, self.embedding_size))
        if self.classifier is None:
            return vectors
        u, v = vectors[:, 0], vectors[:, 1]
        return self.classifier(ops.concatenate([u, v, ops.abs(u - v)], axis=-1), training=training)

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        batch, texts = input_ids_shape(inputs)[:2]
        shape = (batch, len(self.labels)) if self.labels else (batch, texts, self.embedding_size)
        return keras.KerasTensor(shape, "float32")
