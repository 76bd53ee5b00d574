"""Another task's head on the encoder of a model: from pretrained to fine-tuned."""

from collections.abc import Sequence
from typing import Any

import keras

from kbert.catalog import BY_TASK
from kbert.errors import KbertError
from kbert.formats.families import family_for
from kbert.labels import REGRESSION_LABELS
from kbert.layers.initializers import starting_at_zero
from kbert.models import new_model
from kbert.models.base import KbertModel
from kbert.models.classification import silent_problem_type
from kbert.models.encoder import Encoder, encoder_of
from kbert.models.load_report import LoadReport

_LABELS = {  # as they may be
    "sequence-classification": '["부정", "긍정"]',
    "token-classification": '["O", "B-PS", "I-PS"]',
    "dependency-parsing": '["NP_SBJ", "NP_OBJ", "VP"]',
}


def with_task(
    model: KbertModel,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    *,
    problem_type: str | None = None,
) -> tuple[KbertModel, LoadReport]:
    """The model for a task: itself, if it is one; else its encoder with the task's head.

    A head that both have (of pretraining's, the masked-LM head of a masked-LM model) is kept.
    As many labels as the model has are new names of its own, and the same names in another order
    stay what they were; another number makes a new head.

    Args:
        model: any of kbert's. A new head starts by its seed.
        task: a name of `kbert.models.TASKS`, or None for the model's own.
        labels: for classification and tagging; None means the model's own.
        problem_type: for classification; None means the model's own, or what the labels say.

    Returns:
        The model, with the tokenizer, and the report of what is new and what was left.

    Raises:
        KbertError: if the task needs labels and there are none, or has none.
    """
    own_task, own_labels = model.task, getattr(model, "labels", None)
    task = task or own_task
    takes_labels = BY_TASK[task].takes_labels
    if not takes_labels and labels is not None:
        raise KbertError(f"labels are for classification and tagging, not for {task!r}")
    if problem_type is not None and task != "sequence-classification":
        raise KbertError(f"problem_type is for sequence-classification, not for {task!r}")
    if takes_labels and labels is None:
        new_number = problem_type == "regression" and task != own_task
        labels = list(REGRESSION_LABELS) if new_number else own_labels
        if labels is None:
            raise KbertError(f"{task!r} needs labels, as labels={_LABELS[task]}")
    if task == own_task and (labels is None or len(labels) == len(own_labels or ())):
        if labels is not None:
            model.name_labels(labels)
            keep_meaning(model, own_labels)
        if problem_type is not None:
            model.problem_type = problem_type
        return model, LoadReport((), ())

    encoder = encoder_of(model)
    arguments: dict[str, Any] = encoder.get_config()
    for name in ("name", "format_version", "frozen", "base_model"):  # a new task trains all of it
        arguments.pop(name, None)
    if BY_TASK[task].is_pooled and encoder.pooler is None:
        arguments |= _new_pooler(encoder, task)
    keeps_pooler = task == "encoder" and arguments["add_pooling_layer"]
    arguments["add_pooling_layer"] = BY_TASK[task].is_pooled or keeps_pooler
    if labels is not None:
        arguments["labels"] = labels
    if task == "sequence-classification":
        own = getattr(model, "problem_type", None)
        kept = own if own == "multi_label_classification" else silent_problem_type(labels or ())
        arguments["problem_type"] = problem_type or kept
    if task in ("pretraining", "masked-lm") and hasattr(model, "mlm"):
        arguments["tie_word_embeddings"] = model.mlm.tied
    with starting_at_zero():
        other = new_model(task, encoder.architecture, arguments)

    old, new = _weights(model), []
    # A tagger's head is no classifier's, though it has the same name and may have the same shape.
    keeps_head = not (takes_labels or BY_TASK[own_task].takes_labels)
    for part, variable in _weights(other).items():
        if part in old and (keeps_head or part.startswith("bert.")):
            variable.assign(old.pop(part))
        else:
            new.append(part)
    other.tokenizer, other.base_model = model.tokenizer, model.base_model
    return other, LoadReport.of_weights(new, old)


def keep_meaning(model: KbertModel, former: Sequence[str] | None) -> None:
    """Puts a label head's scores in the order of its labels, where these are the former names.

    As where a table's labels, which are sorted, are asked of a model that has them otherwise: it
    would say each for the other.

    Args:
        model: whose labels are set.
        former: the names that its scores had.
    """
    head, names = getattr(model, "classifier", None), getattr(model, "labels", [])
    if head is None or former is None or sorted(names) != sorted(former):
        return
    order = [list(former).index(name) for name in names]
    for weight in head.weights:  # (D, C) and (C,)
        weight.assign(keras.ops.take(weight, order, axis=-1))


def _new_pooler(encoder: Encoder, task: str) -> dict[str, Any]:
    """What a new pooler ends with where the encoder's family has one in its head (ELECTRA's gelu).

    So that what is fine-tuned is exported as that family's class, as if loaded from there.
    """
    arguments = encoder.get_config()
    family = family_for(encoder.architecture, arguments, task)
    if family.architecture != "bert" or task not in family.heads:
        return {}
    read = family.read({"hidden_act": arguments["hidden_act"]}, task)
    return {"pooler_activation": read.get("pooler_activation", arguments["pooler_activation"])}


def _weights(model: KbertModel) -> dict[str, Any]:
    """A model's weights by name: the encoder's as `bert.` and so on, whatever it is called."""
    inner = {id(variable) for variable in encoder_of(model).weights}
    parts = {}
    for variable in model.weights:
        path = variable.path.split("/")
        path = ["bert", *path[1:]] if id(variable) in inner else path
        parts[".".join(path)] = variable
    return parts
