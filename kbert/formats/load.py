"""The one door: `kbert.load`."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from kbert.errors import KbertError, whole_number
from kbert.formats.huggingface.hub import fetch_checkpoint, is_hub_name
from kbert.formats.huggingface.load import load_huggingface
from kbert.formats.keras_file import load_keras_file
from kbert.formats.new_head import with_task
from kbert.formats.sentence_transformers.load import (
    is_sentence_transformer,
    load_sentence_transformers,
)
from kbert.models import TASKS
from kbert.models.base import KbertModel
from kbert.models.bert_with_head import check_labels
from kbert.pretrained import bundled_model, bundled_models, is_named_like_bundled

_log = logging.getLogger("kbert")
# What else tasks are called, as by transformers' pipelines.
_MEANT = {
    **{name: name for name in TASKS},  # in capitals, or with underscores
    **dict.fromkeys(("ner", "tagging", "pos", "pos-tagging"), "token-classification"),
    **dict.fromkeys(("fill-mask", "mlm", "masked-language-modeling"), "masked-lm"),
    **dict.fromkeys(
        ("text-classification", "classification", "sentiment-analysis", "regression", "nli", "sts"),
        "sequence-classification",
    ),
    **dict.fromkeys(("qa", "mrc", "extractive-qa"), "question-answering"),
    **dict.fromkeys(("nsp", "next-sentence"), "next-sentence-prediction"),
    **dict.fromkeys(("feature-extraction", "bert", "model"), "encoder"),
    **dict.fromkeys(("sentence-similarity", "sentence-bert", "sbert"), "sentence-embedding"),
    **dict.fromkeys(("parsing", "dp"), "dependency-parsing"),
}


def load(
    source: str | Path,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    *,
    problem_type: str | None = None,
    seed: int | None = None,
    revision: str | None = None,
    allow_pickle: bool = False,
) -> KbertModel:
    """Loads a model, with its tokenizer, for a task.

    Where a part of the model is not in the source, such as a head that is to be fine-tuned, it
    starts with random weights, and a warning of the logger "kbert" names it.
    `model.load_report` says what is new, and what the source holds that the model has no place
    for.

    Args:
        source: the name of a model that comes with kbert (`kbert/pretrained/`); a `.keras` file
            that kbert saved; or a Hugging Face checkpoint: a folder, or a name on the Hub, as
            "klue/bert-base" or "bert-base-multilingual-cased". A folder may also be in Google's own
            form (`bert_config.json`, `bert_model.ckpt.*`, `vocab.txt`). A folder of
            sentence-transformers', as of "jhgan/ko-sroberta-multitask", is a `SentenceBert`.
        task: a name of `kbert.models.TASKS`, as "encoder", "masked-lm" or
            "sequence-classification"; None means the model as it was saved.
        labels: the labels' names, for "sequence-classification" and "token-classification"; None
            means those that are in the source, or "score" where a new head is to give a number.
            As many as the source has are other names for its own; the same names in another order
            stay what they were.
        problem_type: what the labels are to each other, for "sequence-classification":
            "single_label_classification", "multi_label_classification" or "regression". None
            means what the source says; where it says nothing, one label is a regression.
        seed: of dropout, and of what starts with random weights, such as a new head: a whole
            number from 0. None means the seed that is in a `.keras` file, and 0 for a checkpoint,
            so that what is done twice is the same twice. Nothing of kbert is drawn from a global
            generator: `keras.utils.set_random_seed` settles the order in which `fit` shuffles, and
            no number of the model. For runs that differ, give each its own seed.
        revision: of a name on the Hub: a commit, tag or branch. Give a commit in work that others
            are to repeat.
        allow_pickle: whether to read `pytorch_model.bin`, if there are no safetensors. PyTorch
            reads it with `weights_only=True`; allow it for files that you trust.

    Returns:
        A model of `kbert.models.TASKS[task]`. It is not compiled.

    Raises:
        KbertError: if the source is not there, is nothing that kbert can load, or does not fit the
            task or the labels.

    Example:
        >>> import tempfile
        >>> from kbert import Bert
        >>> bert = Bert(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        ...             intermediate_size=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     bert.save(f"{folder}/bert.keras")
        ...     load(f"{folder}/bert.keras").vocab_size
        9
    """
    if not isinstance(source, str | os.PathLike) or not str(source).strip():
        raise KbertError(
            "source is the name of a model, or the path of a .keras file or of a checkpoint's "
            f"folder, not {source!r:.80}"
        )
    if task is not None and task not in TASKS:
        meant = _MEANT.get(task.strip().lower().replace("_", "-")) if isinstance(task, str) else ""
        raise KbertError(
            f"task is one of {', '.join(TASKS)}, not {task!r:.80}"
            + (f": you may mean {meant!r}" if meant else "")
        )
    if labels is not None:
        labels = check_labels(labels)
    if seed is not None:
        seed = whole_number("seed", seed, 0)
    path, folder = Path(source), None
    bundled = bundled_model(str(source))
    if bundled is not None:
        path = bundled
    elif path.is_dir():
        folder = path
    elif is_named_like_bundled(str(source)):
        raise KbertError(
            f"{source}: no such file or folder, and the models that come with kbert are "
            f"{', '.join(bundled_models())}"
        )
    elif path.suffix != ".keras" and is_hub_name(str(source)) and not path.exists():
        folder = fetch_checkpoint(str(source), revision, allow_pickle=allow_pickle)
        revision = None
    if revision is not None:
        where = "comes with kbert" if bundled is not None else "is none"
        raise KbertError(
            f"revision={revision!r:.80} is of a name on the Hub, and {source} {where}: leave it out"
        )
    if folder is not None:
        asked = {"labels": labels, "problem_type": problem_type}
        asked |= {"seed": seed, "allow_pickle": allow_pickle}
        if task in (None, "sentence-embedding") and is_sentence_transformer(folder):
            model, report = load_sentence_transformers(folder, **asked)
        else:
            model, report = load_huggingface(folder, task, **asked)
    elif path.suffix == ".keras":
        model = load_keras_file(path, seed=seed)
        model, report = with_task(model, task, labels, problem_type=problem_type)
    else:
        nothing = "" if path.exists() else "no such file or folder; "
        raise KbertError(
            f"{source}: {nothing}expected a .keras file, the folder of a Hugging Face checkpoint, "
            "or a name on the Hub such as klue/bert-base"
        )
    if report.new or report.notes:
        _log.warning("%s as a %s: %s", source, type(model).__name__, report)
    model.load_report = report
    if bundled is not None or (folder is not None and folder != path):  # it was found by its name
        model.base_model = str(source)
    return model
