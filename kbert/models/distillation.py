"""A small model learns from a large one: both read the same rows, and the small one is trained.

    row -> teacher, as it is -> probabilities, vectors
        -> student           -> as near to these as it can come, and to the right answers

Shapes: B batch, L length, P masked positions, D hidden, V vocabulary, C labels.
Source: Sanh et al. 2019, "DistilBERT, a distilled version of BERT: smaller, faster, cheaper and
lighter".
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

import keras
from keras import ops

from kbert.errors import KbertError, as_number, kind_of, number_from_zero
from kbert.layers.attention import padding_bias
from kbert.layers.calling import computed_again
from kbert.layers.soft_targets import cosine_distance, relation_loss, soft_target_loss
from kbert.models.bert import Bert
from kbert.models.encoder import input_ids_shape, of_text
from kbert.models.in_training import ModelInTraining, check_tokenizers
from kbert.models.logits import takes_indices
from kbert.models.pretraining import BertForMaskedLM

SoftTargets = Literal["masked", "all"]
# How much each term counts where nobody says it: the command of DistilBERT's authors, whose paper
# is silent on it; and of their distillation on SQuAD.
_OF_WORDS = {"soft": 5.0, "mlm": 2.0, "hidden": 1.0, "relations": 0.0}
_OF_LABELS = {"soft": 0.5, "labels": 0.5}
# In float32 the loss is off by 4% at 100, by random logits of 32,000 words, and noise at 1,000.
_TEMPERATURES = (0.01, 100)
_POSITIONS_AT_ONCE = 16  # whose words are scored together, where all positions are


class Distillation(ModelInTraining):
    """A student in training, with the teacher that it learns from.

    | term        | of                    | is                                                     |
    |-------------|-----------------------|--------------------------------------------------------|
    | `soft`      | masked tokens, or all | T^2 KL(softmax(t/T) || softmax(s/T)) of their words    |
    | `mlm`       | masked tokens         | cross-entropy with what stood there                    |
    | `hidden`    | all tokens            | 1 - cos of the last hidden states                      |
    | `relations` | all tokens            | KL of the last layer's attention, and of its values'   |

    The first three are DistilBERT's, for a `BertForMaskedLM`; the last is MiniLM's, which stands
    alone there (`weights={"relations": 1}`; what comes behind the last layer's attention is left
    as it is, and Keras says so), and for which a student may be narrower than its teacher if it
    has as many heads. A classifier or tagger has `soft`, of the labels, and
    `labels`, the cross-entropy with the right ones: distillation of a task.

    Batches are `DistillationBatches(batches, model)` around those that the student alone would
    learn from, the losses `kbert.objective(model)`. What is kept is `student`. The teacher drops
    nothing, is frozen, and neither the optimizer nor a checkpoint holds any of it.

    Args:
        student: is trained in its place; as `kbert.keep_layers(teacher, 6)` makes one.
        teacher: of the same task, with the same tokenizer.
        temperature: T, from 0.01 to 100; what is improbable counts more where it is higher.
        soft_targets: of masked tokens ("masked"), or, as DistilBERT's are, of "all" tokens, which
            computes some seven times as many logits, a few positions at a time.
        weights: how much each term counts; 0, or leaving it out, leaves it out. None means
            `{"soft": 5, "mlm": 2, "hidden": 1}`, of labels `{"soft": 0.5, "labels": 0.5}`.
        name: the model's name.

    Raises:
        KbertError: if the two are not for one task among these, have other vocabularies, tokenizers
            or labels, other widths where hidden states are compared, or where relations are another
            number of heads or an encoder that is no `Bert`; or there is no such term.

    Example:
        >>> import numpy as np
        >>> import kbert
        >>> teacher = BertForMaskedLM(vocab_size=100, hidden_size=8, num_hidden_layers=3,
        ...                           num_attention_heads=2, intermediate_size=32)
        >>> model = Distillation(kbert.keep_layers(teacher, 2), teacher)
        >>> outputs = model({"input_ids": np.array([[2, 4, 7, 3]]),
        ...                  "masked_lm_positions": np.array([[1]])})
        >>> {name: tuple(each.shape) for name, each in outputs.items()}
        {'soft': (1, 1), 'mlm': (1, 1, 100), 'hidden': (1, 4)}

    Source: Sanh et al. 2019, sections 2 and 3; huggingface/transformers-research-projects,
        distillation, distiller.py; Wang et al. 2020, "MiniLM", section 3.
    """

    objective = "distillation"
    student: Any
    teacher: Any
    loss_weights: Mapping[str, float]

    def __init__(
        self,
        student: Any,
        teacher: Any,
        *,
        temperature: float = 2.0,
        soft_targets: SoftTargets = "masked",
        weights: Mapping[str, float] | None = None,
        name: str = "distillation",
    ):
        usual = _check_pair(student, teacher)
        least, most = _TEMPERATURES
        if not least <= as_number(temperature) <= most:
            raise KbertError(
                f"temperature is a number from {least} to {most}, not {temperature!r:.80}"
            )
        if soft_targets not in get_args(SoftTargets):
            raise KbertError(
                f"soft_targets is one of {', '.join(get_args(SoftTargets))}, not "
                f"{soft_targets!r:.80}"
            )
        counted = _check_weights(usual if weights is None else weights, usual)
        if "hidden" in counted and student.bert.hidden_size != teacher.bert.hidden_size:
            raise KbertError(
                f"the student's vectors have {student.bert.hidden_size} numbers and the teacher's "
                f"{teacher.bert.hidden_size}, so they cannot be compared: leave the term out, as "
                "weights={'soft': 5, 'mlm': 2}, or take a student of the teacher's width, as "
                "kbert.keep_layers(teacher, 6)"
            )
        if "relations" in counted:
            _check_relations(student, teacher)
        super().__init__(name=name, student=student, teacher=teacher)
        self.max_length = min(student.max_length, teacher.max_length)
        self.temperature, self.soft_targets = float(temperature), soft_targets
        self.loss_weights = counted
        self._of_words = usual is _OF_WORDS
        teacher.trainable = False
        self.built = True

    @property
    def state_variables(self) -> list[Any]:
        """All but the teacher's, which never change."""
        fixed = {id(variable) for variable in self.teacher.variables}
        return [variable for variable in self.variables if id(variable) not in fixed]

    def _label_limits(self):
        name = "mlm" if self._of_words else "labels"
        given = getattr(self, "_loss_given", None)
        loss = given.get(name) if isinstance(given, dict) else None
        ends = self.vocab_size if self._of_words else len(self.student.labels)
        any_numbers = dict.fromkeys(given if isinstance(given, dict) else ())
        return {**any_numbers, **({name: ends} if takes_indices(loss) else {})}

    def call(self, inputs, training=None) -> dict[str, Any]:
        """What the terms are computed from.

        Args:
            inputs: as for the student; of words with `masked_lm_positions` (B, P).
            training: whether the student drops.

        Returns:
            A dict of those terms that count, float32: `mlm` (B, P, V) or `labels` (B, C), or of a
            tagger (B, L, C), logits; `soft` (B, P), with "all" (B, L), of labels (B,) or (B, L),
            `hidden` and `relations` (B, L), losses.
        """
        terms = self._words(inputs, training) if self._of_words else self._labels(inputs, training)
        return {name: terms[name] for name in self.loss_weights}

    def _labels(self, inputs, training):
        logits = self.student(inputs, training=training)
        with _without_gradients():
            of_teacher = ops.stop_gradient(self.teacher(inputs, training=False))
        return {
            "labels": logits,
            "soft": soft_target_loss(logits, of_teacher, self.temperature),
        }

    def _words(self, inputs, training):
        positions = inputs.get("masked_lm_positions") if isinstance(inputs, dict) else None
        if positions is None:
            raise KbertError(
                "distillation of words takes a dict with masked_lm_positions, as "
                "PretrainingBatches(..., objective='masked-lm') gives"
            )
        related = "relations" in self.loss_weights
        options = {"output_hidden_states": True} if related else {}
        outputs = self.student.bert(inputs, training=training, **options)
        with _without_gradients():
            of_teacher = self.teacher.bert(inputs, training=False, **options)
            theirs = of_text(ops.stop_gradient(of_teacher["last_hidden_state"]), inputs)
        hidden = of_text(outputs["last_hidden_state"], inputs)  # (B, L, D)
        terms: dict[str, Any] = {"mlm": _words_of(self.student, hidden, positions, training)}
        if "hidden" in self.loss_weights:
            terms["hidden"] = cosine_distance(hidden, theirs)
        if related:
            own, other = (each["hidden_states"][-2] for each in (outputs, of_teacher))
            mask = inputs.get("attention_mask")
            terms["relations"] = self._relations(own, other, mask, training)
        if self.soft_targets == "all":
            if "soft" in self.loss_weights:
                terms["soft"] = self._soft_everywhere(hidden, theirs, training)
        else:
            with _without_gradients():
                of_teacher = ops.stop_gradient(_words_of(self.teacher, theirs, positions, False))
            terms["soft"] = soft_target_loss(terms["mlm"], of_teacher, self.temperature)
        return terms

    def _relations(self, hidden, theirs, mask, training):
        """(B, L), of what comes to the last layers, (B, L, D) each."""
        own, other = (
            model.bert.layers_in_order[-1].self_attention for model in (self.student, self.teacher)
        )
        queries, keys, values = own.projected(hidden, training)  # (B, L, N, H)
        with _without_gradients():
            theirs = [ops.stop_gradient(each) for each in other.projected(theirs, False)]
        bias = None if mask is None else padding_bias(mask, "float32")
        attention = relation_loss((queries, keys), theirs[:2], bias)
        return attention + relation_loss((values, values), (theirs[2], theirs[2]), bias)

    def _soft_everywhere(self, hidden, theirs, training):
        """(B, L): a few positions at a time, whose logits are not kept for the backward pass."""

        def part(hidden, theirs):
            logits = _words_of(self.student, hidden, None, training)
            with _without_gradients():
                of_teacher = ops.stop_gradient(_words_of(self.teacher, theirs, None, False))
            return soft_target_loss(logits, of_teacher, self.temperature)

        known = hidden.shape[1]
        length = known or ops.shape(hidden)[1]  # TensorFlow's may be of any
        count = -(-known // _POSITIONS_AT_ONCE) if known else 8
        losses = []
        for i in range(count):
            cut = slice(length * i // count, length * (i + 1) // count)
            each = hidden[:, cut], theirs[:, cut]
            losses.append(computed_again(part, *each) if training else part(*each))
        return ops.concatenate(losses, axis=1)

    def compute_output_spec(self, inputs, training=None) -> dict[str, Any]:
        """What `call` returns, as symbols."""
        rows = input_ids_shape(inputs)
        if self._of_words:
            positions = inputs["masked_lm_positions"].shape
            soft = rows if self.soft_targets == "all" else positions
            shapes = {"mlm": (*positions, self.vocab_size), "soft": soft}
            shapes |= {"hidden": rows, "relations": rows}
        else:
            soft = rows if self.task == "token-classification" else rows[:1]
            shapes = {"labels": (*soft, len(self.student.labels)), "soft": soft}
        return {name: keras.KerasTensor(shapes[name], "float32") for name in self.loss_weights}


def _words_of(model, hidden, positions, training):
    """(B, P, V), or (B, L, V) without positions."""
    table = model.bert.embeddings.token_table
    return model.mlm(hidden, table, positions, training=training)


def _without_gradients() -> AbstractContextManager[Any]:
    """A block of which PyTorch keeps nothing for a backward pass; the others see what is needed."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()


def _check_pair(student: Any, teacher: Any) -> dict[str, float]:
    """The usual weights of what the two learn; KbertError if they do not go together."""
    tasks = ("masked-lm", "sequence-classification", "token-classification")
    for part, model in (("student", student), ("teacher", teacher)):
        if getattr(model, "task", None) not in tasks:
            raise KbertError(
                f"the {part} is a model for {', '.join(tasks)}, not {kind_of(model)}: "
                "kbert.load(source, task=...) gives one"
            )
    if student is teacher:
        raise KbertError("student and teacher are one model; a student of its own learns from it")
    if student.task != teacher.task:
        raise KbertError(
            f"the student is for {student.task} and the teacher for {teacher.task}: load the "
            f"teacher with task={student.task!r}"
        )
    check_tokenizers(student=student, teacher=teacher)
    if student.vocab_size != teacher.vocab_size:
        raise KbertError(
            f"the teacher has a vocabulary of {teacher.vocab_size:,} and the student of "
            f"{student.vocab_size:,}: what the one finds probable says nothing of the other's words"
        )
    if isinstance(student, BertForMaskedLM):
        return _OF_WORDS
    if student.labels != teacher.labels:
        raise KbertError(
            f"the student's labels are {student.labels!r:.80}, and the teacher's "
            f"{teacher.labels!r:.80}: load the student with labels=teacher.labels"
        )
    for part, model in (("student", student), ("teacher", teacher)):
        kind = getattr(model, "problem_type", "single_label_classification")
        if kind != "single_label_classification":
            raise KbertError(
                "soft targets are of labels one of which holds; the problem_type of the "
                f"{part} is {kind!r}"
            )
    return _OF_LABELS


def _check_relations(student: Any, teacher: Any) -> None:
    heads = []
    for part, model in (("student", student), ("teacher", teacher)):
        bert, config = model.bert, model.bert.get_config()
        narrow = config.get("attention_window") or config.get("block_size")
        if not isinstance(bert, Bert) or narrow or config.get("extra_size"):
            raise KbertError(
                f"relations are of a Bert whose tokens see the whole row of text, and the {part}'s "
                f"{type(bert).__name__} is another: leave the term out"
            )
        heads.append(bert.layers_in_order[-1].self_attention.num_attention_heads)
    if heads[0] != heads[1]:
        raise KbertError(
            f"the student's last layer has {heads[0]} heads and the teacher's {heads[1]}, so their "
            "relations cannot be compared: take a student with as many heads, which may be narrow"
        )


def _check_weights(weights: Any, usual: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(weights, Mapping) or not {*weights} <= {*usual}:
        raise KbertError(
            f"weights are of {', '.join(usual)}, as {dict(usual)}, not {weights!r:.80}"
        )
    numbers = {
        name: number_from_zero(f"the weight of {name}", weights.get(name, 0)) for name in usual
    }
    counted = {name: float(number) for name, number in numbers.items() if number}
    if not {"soft", "hidden", "relations"} & {*counted}:
        raise KbertError(f"weights {weights!r:.80} count nothing that is the teacher's")
    return counted
