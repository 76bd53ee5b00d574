"""Losses and metrics, of pretraining and of fine-tuning, as arguments of `compile`.

Shapes: B batch, P masked positions, L length, V vocabulary, C classes or labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.labels import composed
from kbert.training.binary_cross_entropy import BinaryCrossEntropy, weights_of
from kbert.training.cross_entropy import cross_entropy
from kbert.training.distillation import ComputedLoss
from kbert.training.replaced_tokens import ReplacedTokenLoss, replaced_token_metrics
from kbert.training.sentence_losses import CoSENT, CosineError, InBatchNegatives, Matryoshka

PRETRAINING = ("pretraining", "masked-lm", "causal", "next-sentence")
FINE_TUNING = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "dependency-parsing",
    "softmax",
    "cosine",
    "cosent",
    "in-batch",
    "simcse",
    "vectors",
    "replaced-token-detection",
    "distillation",
)
_OF_CLASSES = ("single_label_classification", "multi_label_classification", "token-classification")
# Where an answer stands and a word's head are places in a row; those of padding score so low that a
# share of the label for them, too, would be a loss of millions.
_OTHER_SCORES = ("regression", "question-answering", "dependency-parsing")
_OF_ANGLES = {
    "cosine": CosineError,
    "cosent": CoSENT,
    "in-batch": InBatchNegatives,
    "simcse": InBatchNegatives,
}
_COMPILED_BY_XLA = ("jax", "tensorflow")
_HEADS = {
    "pretraining": ("mlm", "nsp"),
    "question-answering": ("start", "end"),
    "dependency-parsing": ("heads", "relations"),
}


@keras.saving.register_keras_serializable("kbert")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with integer labels, averaged by weight.

        loss = sum(w (logsumexp(z) - z[label])) / sum(w)

    Labels and weights have the shape of the logits without the last axis. A label of -100 does not
    count, and neither does a weight of 0: such an entry is in neither sum. (With a weight of 0 the
    label, too, is in [0, V).) It is what Keras's SparseCategoricalCrossentropy computes, in less
    time and memory.

    Args:
        name: of the loss.
        reduction: as Keras has it.
        label_smoothing: e in [0, 1): what is told apart is (1 - e) of the label, and e of all
            classes evenly.
        class_weights: a number for each class, by which w is multiplied; None means 1.
        **kwargs: Keras's.

    Example:
        >>> import numpy as np
        >>> loss = CrossEntropy()
        >>> logits = np.log(np.array([[[0.5, 0.5], [0.1, 0.9]]], "float32"))
        >>> float(loss(np.array([[0, -100]]), logits)).__round__(4)
        0.6931

    Source: Szegedy et al. 2016, section 7, for smoothing; Hugging Face's and PyTorch's -100.
    """

    takes_indices = True  # labels are numbers of classes, so a model can look at them

    def __init__(
        self,
        name: str = "cross_entropy",
        reduction: str = "mean_with_sample_weight",
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = number_from_zero("label_smoothing", label_smoothing, end=1)
        self.class_weights = None if class_weights is None else [*map(float, class_weights)]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; see the class."""
        labels = _labels(y_true, y_pred)
        weights = weights_of(labels, sample_weight)
        if self.class_weights is not None:
            table = ops.convert_to_tensor(self.class_weights, "float32")  # (C,)
            weights = weights * ops.take(table, ops.maximum(labels, 0), axis=0)
        return super().__call__(labels, y_pred, weights)

    def call(self, y_true, y_pred):
        """(B, P), (B, P, V) -> (B, P); or (B, 1), (B, V) -> (B,)."""
        labels, logits = _labels(y_true, y_pred), ops.cast(y_pred, "float32")
        losses: Any = cross_entropy(ops.maximum(labels, 0), logits)
        if not self.label_smoothing:
            return losses
        of_all = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        return (1 - self.label_smoothing) * losses + self.label_smoothing * of_all

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"label_smoothing": self.label_smoothing, "class_weights": self.class_weights}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kbert")
class Accuracy(keras.metrics.Mean):
    """The share of labels that no other class beats, by weight; -100 does not count.

    Example:
        >>> import numpy as np
        >>> accuracy = Accuracy()
        >>> logits = np.array([[0.2, 0.7], [0.9, 0.1], [0.3, 0.2]], "float32")
        >>> float(accuracy(np.array([1, 1, -100]), logits))
        0.5
    """

    def __init__(self, name: str = "accuracy", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts (B, P) labels of (B, P, V) logits."""
        weights = weights_of(_labels(y_true, y_pred), sample_weight)
        return super().update_state(is_right(y_true, y_pred), weights)


def is_right(y_true, y_pred):
    """1 where no label has a higher logit than the right one, else 0: (B, P), (B, P, V) -> (B, P).

    Of equal logits the right one counts as the highest. Finding the highest value takes XLA half
    the time that finding its index does. A label of -100 gives 0.

    Example:
        >>> import numpy as np
        >>> float(is_right(np.array(1), np.array([0.2, 0.7, 0.1], "float32")))
        1.0
    """
    labels, logits = _labels(y_true, y_pred), ops.convert_to_tensor(y_pred)
    at_label = ops.take_along_axis(logits, ops.maximum(labels, 0)[..., None], axis=-1)[..., 0]
    right = ops.logical_and(at_label >= ops.max(logits, axis=-1), labels >= 0)
    return ops.cast(right, "float32")


def _labels(y_true, y_pred):
    """Labels as integers, without a last axis of 1 that the logits' would stand for."""
    labels = ops.cast(y_true, "int32")
    return ops.squeeze(labels, -1) if len(labels.shape) == len(y_pred.shape) else labels


def objective(
    task: Any,
    micro_batches: int = 1,
    *,
    label_smoothing: float = 0.0,
    class_weights: Mapping[str, float] | None = None,
    matryoshka: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What to pass to `compile` beside the optimizer.

    | what                     | loss                              | labels                        |
    |--------------------------|-----------------------------------|-------------------------------|
    | pretraining              | cross-entropies of both heads     | `mlm` (B, P), `nsp` (B,)      |
    | masked-lm, causal        | cross-entropy                     | (B, P)                        |
    | next-sentence            | cross-entropy                     | (B,)                          |
    | classification, single   | cross-entropy                     | (B,) integers                 |
    | classification, multiple | binary cross-entropy of each      | (B, C) floats, 0 to 1         |
    | regression               | mean squared error                | (B,) or (B, 1) floats         |
    | token classification     | cross-entropy                     | (B, L) integers               |
    | question answering       | cross-entropies of both ends      | `start` and `end`, (B,)       |
    | multiple choice          | cross-entropy of the choices      | (B,) integers                 |
    | dependency parsing       | cross-entropies of both           | `heads`, `relations` (B, W)   |
    | SiameseBert, softmax     | cross-entropy                     | (B,) integers                 |
    | cosine                   | `CosineError`                     | (B,) floats, 0 to 5           |
    | cosent                   | `CoSENT`                          | (B,) floats                   |
    | in-batch, simcse         | `InBatchNegatives`                | (B, T) a number for each text |
    | SentenceBert             | mean squared error                | (B, E) vectors                |
    | Distillation             | cross-entropy, `ComputedLoss`     | by term: `DistillationBatches`|
    | ReplacedTokenDetection   | cross-entropy, `ReplacedTokenLoss`| `mlm` (B, P), `rtd` (B, L)    |

    Integer labels of -100 do not count. Two losses are summed.

    Args:
        task: a model of kbert's with a head, which says itself what it is for; or "pretraining",
            "masked-lm", "causal" (the next token at every position) or "next-sentence".
        micro_batches: in how many parts a step is computed. Where it is more than one, losses are
            sums, and the weights say how much each part counts (`kbert/training/stages.py`).
        label_smoothing: how much of each label goes to all classes evenly, in [0, 1).
        class_weights: how much labels count, by the names in `model.labels`; those that are not
            named count 1.
        matryoshka: of a `SiameseBert` that learns from angles: how many numbers of a vector are to
            be vectors by themselves, as [768, 256, 64].

    Returns:
        `loss`, `weighted_metrics` and `jit_compile` (XLA, which Keras leaves off for TensorFlow
        on a CPU though it is faster there, too).

    Raises:
        KbertError: if there is no such task, or the model is no such model; or if smoothing or
            weights are asked for where there are no classes, or a weight's name is no label; or
            if sizes are where there are no angles, or larger than the vectors.

    Example:
        >>> sorted(objective("pretraining"))
        ['jit_compile', 'loss', 'weighted_metrics']
        >>> from kbert import BertForSequenceClassification
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=32)
        >>> objective(model, class_weights={"부정": 3.0})["loss"].class_weights
        [3.0, 1.0]
    """
    whole_number("micro_batches", micro_batches, 1)
    name = task if isinstance(task, str) else _aim(task)
    known = PRETRAINING if isinstance(task, str) else (*PRETRAINING, *FINE_TUNING)
    if name not in known:
        raise KbertError(
            f"task is a model with a head, or one of {', '.join(PRETRAINING)}, not {task!r:.80}"
        )
    of_vectors = name in _OF_ANGLES or name == "vectors"
    if label_smoothing and (of_vectors or name in _OTHER_SCORES):
        raise KbertError(f"label_smoothing is for classes, and {name} has other scores")
    if micro_batches > 1 and name in _OF_ANGLES:
        raise KbertError(f"{name} compares the texts of a batch, which cannot be computed in parts")
    if matryoshka is not None and name not in _OF_ANGLES:
        raise KbertError(f"matryoshka is for {', '.join(_OF_ANGLES)}, not for {name}")
    if class_weights is not None and (name not in _OF_CLASSES or micro_batches > 1):
        raise KbertError(
            "class_weights are for a model with labels, without micro-batches, not for "
            f"{name} in {micro_batches}"
        )
    settings: dict[str, Any] = {"label_smoothing": label_smoothing}
    if class_weights is not None:
        settings["class_weights"] = _by_label(class_weights, getattr(task, "labels", []))
    if micro_batches > 1:
        settings["reduction"] = "sum"

    if name in _OF_ANGLES:
        loss, metrics = _of_angles(task, matryoshka), None
    elif name in ("regression", "vectors"):
        loss: Any = keras.losses.MeanSquaredError(
            reduction=settings.get("reduction", "mean_with_sample_weight")
        )
        metrics: Any = [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]
    elif name == "multi_label_classification":
        loss = BinaryCrossEntropy(**settings)
        metrics = [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
    elif name == "replaced-token-detection":
        loss = {"mlm": CrossEntropy(**settings), "rtd": ReplacedTokenLoss(**settings)}
        metrics = {"mlm": [Accuracy()], "rtd": replaced_token_metrics()}
    elif name == "distillation":
        terms, reduction = getattr(task, "loss_weights", {}), settings.get("reduction")
        right = [term for term in terms if term in ("mlm", "labels")]
        loss = {
            term: ComputedLoss(reduction=reduction or "mean_with_sample_weight") for term in terms
        }
        loss |= {term: CrossEntropy(**settings) for term in right}
        metrics = {term: [Accuracy()] for term in right}
    elif name in _HEADS:
        loss = {head: CrossEntropy(**settings) for head in _HEADS[name]}
        metrics = {head: [Accuracy()] for head in _HEADS[name]}
    else:  # one output, which has no name; what is told of it must say what was asked
        loss = CrossEntropy(**settings)
        named = {"masked-lm": "mlm_accuracy", "causal": "next_token_accuracy"}
        metrics = [Accuracy(named.get(str(name), "accuracy"))]
    by_xla = keras.backend.backend() in _COMPILED_BY_XLA
    arguments = {"loss": loss, "weighted_metrics": metrics, "jit_compile": by_xla}
    loss_weights = getattr(task, "loss_weights", None)
    return arguments | ({"loss_weights": dict(loss_weights)} if loss_weights else {})


def _aim(model: Any) -> str | None:
    """What a model is trained for, by our names; None where it is none of ours."""
    task, own = getattr(model, "task", None), getattr(model, "objective", None)
    if own is not None:
        return own
    if task == "sequence-classification":
        return model.problem_type
    if task == "replaced-token-detection":
        raise KbertError(
            "an ElectraForPreTraining is trained with a generator: make kbert."
            "ReplacedTokenDetection(model, kbert.generator_for(model)), and train that"
        )
    return "next-sentence" if task == "next-sentence-prediction" else task


def _of_angles(model: Any, sizes: Sequence[int] | None) -> keras.losses.Loss:
    loss = _OF_ANGLES[model.objective]()
    if sizes is None:
        return loss
    whole = Matryoshka(loss, sizes)
    if max(whole.sizes) > model.embedding_size:
        raise KbertError(
            f"matryoshka: {max(whole.sizes)} is more than the {model.embedding_size} numbers of "
            "the model's vectors"
        )
    return whole


def _by_label(weights: Mapping[str, float], labels: Sequence[str]) -> list[float]:
    weights = {composed(name): weight for name, weight in weights.items()}
    strange = [name for name in weights if name not in labels]
    if strange:
        raise KbertError(f"class_weights names {strange[0]!r}; the labels are {labels!r:.200}")
    return [number_from_zero(f"the weight of {name}", weights.get(name, 1.0)) for name in labels]
