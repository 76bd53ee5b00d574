"""Another task's head on the encoder of a model: from pretrained to fine-tuned."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from kbert.errors import KbertError
from kbert.formats.families.family import FAMILIES
from kbert.formats.huggingface.weights import draw, places, task_of
from kbert.formats.load_report import LoadReport
from kbert.layers.initializers import starting_at_zero
from kbert.models import LABELLED_TASKS, POOLED_TASKS, TASKS
from kbert.models.base import KbertModel


def with_task(
    model: KbertModel, task: str | None = None, labels: Sequence[str] | None = None
) -> tuple[KbertModel, LoadReport]:
    """The model for a task: itself, if it is one; else its encoder with the task's head.

    A head that both have (of pretraining's, the masked-LM head of a masked-LM model) is kept.
    As many labels as the model has are new names of its own; another number makes a new head.

    Args:
        model: any of kbert's.
        task: a name of `kbert.models.TASKS`, or None for the model's own.
        labels: for classification and tagging; None means the model's own.

    Returns:
        The model, with the tokenizer, and the report of what is new and what was left.

    Raises:
        KbertError: if the task needs labels and there are none, or has none.
    """
    own_task, own_labels = task_of(model), getattr(model, "labels", None)
    task = task or own_task
    if task not in LABELLED_TASKS and labels is not None:
        raise KbertError(f"labels are for classification and tagging, not for {task!r}")
    if task in LABELLED_TASKS and labels is None:
        if own_labels is None:
            raise KbertError(f'{task!r} needs labels, as labels=["부정", "긍정"]')
        labels = own_labels
    if task == own_task and (labels is None or len(labels) == len(own_labels or ())):
        if labels is not None:
            model.name_labels(labels)
        return model, LoadReport((), ())

    encoder = model if own_task == "encoder" else model.bert
    arguments: dict[str, Any] = encoder.get_config()
    for name in ("name", "format_version", "frozen"):  # a new task trains all of it
        arguments.pop(name, None)
    keeps_pooler = task == "encoder" and arguments["add_pooling_layer"]
    arguments["add_pooling_layer"] = task in POOLED_TASKS or keeps_pooler
    if labels is not None:
        arguments["labels"] = labels
    if task in ("pretraining", "masked-lm") and hasattr(model, "mlm"):
        arguments["tie_word_embeddings"] = model.mlm.tied
    bert = FAMILIES["bert"]
    has_names = task == "encoder" or task in bert.heads  # by which its weights are found
    with starting_at_zero() if has_names else nullcontext():
        other = TASKS[task](**arguments)

    old = {_plain(place.part): place for place in places(model, bert)}
    new, used = [], set()
    for place in places(other, bert):
        part = _plain(place.part)
        if part in old and not part.startswith("classifier."):
            place.variable.assign(old[part].variable)
            used.add(part)
        else:
            draw(place)
            new.append(place.part)
    if not has_names:
        new += [f"{layer.name}.weights" for layer in other.layers if layer is not other.bert]
    other.tokenizer = model.tokenizer
    left = [part for part in old if part not in used]
    return other, LoadReport.of_weights(new, left)


def _plain(part: str) -> str:
    return part.removeprefix("bert.")
