"""A checkpoint folder as Hugging Face writes it -> a model of kbert, on any backend.

    config.json -> family -> arguments -> a model -> the checkpoint's tensors, by the family's names
    tokenizer files -> model.tokenizer

No code of a checkpoint is run: `auto_map` and Python files in it are not looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kbert.catalog import BY_TASK
from kbert.errors import KbertError, with_article
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.formats.families import family_of
from kbert.formats.families.family import Family
from kbert.formats.huggingface.config import (
    encoder_arguments,
    head_arguments,
    label_names,
    saved_task,
)
from kbert.formats.huggingface.fill import Tensors, fill, matched, untie
from kbert.formats.huggingface.google import google_config, is_google, open_google
from kbert.formats.new_head import keep_meaning
from kbert.formats.readers.archive import are_layers, check_tokenizer_size
from kbert.formats.readers.folder import check_links, find_file, read_file
from kbert.formats.readers.safetensors import open_safetensors
from kbert.formats.readers.stored_tensor import MAX_TENSORS
from kbert.formats.readers.torch import open_torch_bin
from kbert.formats.without_numbers import without_numbers
from kbert.layers.initializers import starting_at_zero
from kbert.models import new_model
from kbert.models.base import KbertModel
from kbert.models.load_report import LoadReport
from kbert.text.files.huggingface_files import FILES
from kbert.text.files.own_files import TOKENIZER_FILES
from kbert.text.files.reader import read_tokenizer
from kbert.text.tokenizer import Tokenizer

_OLD_NAMES = ((".gamma", ".weight"), (".beta", ".bias"))  # of TensorFlow's layer norms
_WRAPPERS = ("module.", "model.")  # of DataParallel, and of a training loop's own class
_LAST_OF_A_HEAD = ("classifier.weight", "classifier.out_proj.weight", "cls.weight")
_LABEL_HEADS = ("classifier.", "pre_classifier.", "cls.weight", "cls.bias")


def load_huggingface(
    folder: Path,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    *,
    problem_type: str | None = None,
    seed: int | None = None,
    allow_pickle: bool = False,
    head: dict[str, Any] | None = None,
) -> tuple[KbertModel, LoadReport]:
    """Loads a checkpoint folder.

    Args:
        folder: has `config.json`, safetensors, and the tokenizer's files; or `bert_config.json`,
            a checkpoint of TensorFlow's and `vocab.txt`.
        task: a name of `kbert.models.TASKS`; None means the task of the class in the config.
        labels: of a classification or tagging; None means the checkpoint's.
        problem_type: of a classification; None means the checkpoint's.
        seed: of dropout, and of what starts with random weights; None means 0.
        allow_pickle: whether to read `pytorch_model.bin` where there are no safetensors.
        head: arguments of the model's head that stand elsewhere than in `config.json`.

    Returns:
        The model, and the report of what is new and what was left.

    Raises:
        KbertError: if the checkpoint is of no family that kbert knows, is damaged or incomplete,
            or its parts do not fit together.
    """
    try:
        check_links(folder)
        config = read_config(folder)
        family, task, arguments = _described(folder, config, task, labels, problem_type)
        arguments |= head or {}
        if seed is not None:
            arguments["seed"] = seed
        tensors = _by_plain_name(open_weights(folder, allow_pickle), family)
        _check_layers(arguments, tensors, family, folder)
        _check_tokenizer_files(folder, arguments["vocab_size"])
        notes = untie(arguments, tensors, family)
        has_pooler = f"{family.pooler}.weight" in tensors
        has_pooler |= arguments.get("classifier_activation") is False  # which has no weights
        pooled = BY_TASK[task].is_pooled or (task == "encoder" and has_pooler)
        arguments["add_pooling_layer"] = pooled
        others = _heads_of_others(config, family, task, arguments, tensors)
        tensors, left = _without(tensors, others)

        def build() -> KbertModel:
            return new_model(task, family.architecture, arguments)

        # All is compared before anything of these sizes is made.
        without_numbers(lambda: list(matched(build(), family, tensors, folder)))
        with starting_at_zero():
            model = build()
        new, unused = fill(model, family, tensors, folder)
        if labels is not None and saved_task(config, family) == task:
            keep_meaning(model, label_names(config))
        notes += _of_pretraining(task, family, tensors)
        model.tokenizer = _read_tokenizer(folder, model.vocab_size)
    except KbertError:
        raise
    except Exception as error:  # whatever a stranger's files make Keras or Python raise
        reason = " ".join(str(error).split())[:300]
        raise KbertError(
            f"{folder}: its parts do not fit together, or are damaged: "
            f"{type(error).__name__}: {reason}"
        ) from error
    return model, LoadReport.of_weights(new, [*left, *unused], notes)


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint, or what Google's says; KbertError if there is none."""
    if is_google(folder):
        return google_config(folder)
    path = find_file(folder, "config.json")
    if path is None:
        raise KbertError(
            f"{folder}: has no config.json; expected a Hugging Face checkpoint, or one of Google's "
            "with bert_config.json"
        )
    return read_json_object(read_file(path, MAX_JSON_BYTES), f"{folder / 'config.json'}")


def _described(
    folder: Path,
    config: dict[str, Any],
    task: str | None,
    labels: Sequence[str] | None,
    problem_type: str | None,
) -> tuple[Family, str, dict[str, Any]]:
    """The family, the task and the model's arguments, from a config and what was asked for."""
    try:
        family = family_of(config.get("model_type"))
        task = task or saved_task(config, family)
        # A head that transformers has for no family is new in all of them.
        if task not in ("encoder", *family.heads) and BY_TASK[task].suffix is not None:
            raise KbertError(
                f"{with_article(family.model_type)} checkpoint has no head for {task!r}; it can be "
                f"loaded for {', '.join(['encoder', *family.heads])}"
            )
        arguments = encoder_arguments(config, family, task)
        arguments |= head_arguments(config, family, task, labels, problem_type)
    except KbertError as error:
        raise KbertError(f"{folder / 'config.json'}: {error}") from None
    return family, task, arguments


def open_weights(folder: Path, allow_pickle: bool) -> Tensors:
    """The tensors of a folder: of its safetensors, or of `pytorch_model.bin` where that is allowed.

    Raises:
        KbertError: if there are none that may be read.
    """
    if is_google(folder):
        return open_google(folder)
    safe = any(folder.glob("model.safetensors*"))
    if safe or not any(folder.glob("pytorch_model.bin*")):
        return open_safetensors(folder)
    if not allow_pickle:
        raise KbertError(
            f"{folder}: has no safetensors, only pytorch_model.bin, which is a pickle. If you "
            "trust where it came from, pass allow_pickle=True: PyTorch then reads it with "
            "weights_only=True, and save it as .keras or by kbert.export_huggingface"
        )
    return open_torch_bin(folder)


def _by_plain_name(tensors: Tensors, family: Family) -> Tensors:
    """Tensors by name: without wrappers and the encoder's prefix, norms by their present names."""
    plain: Tensors = {}
    for name, tensor in tensors.items():
        key = name
        while key.startswith(_WRAPPERS):
            key = key.partition(".")[2]
        key = key.removeprefix(family.prefix)
        for old, new in _OLD_NAMES:
            key = key.removesuffix(old) + new if key.endswith(old) else key
        for old, new in family.old_names:
            key = new + key.removeprefix(old) if key.startswith(old) else key
        if key in plain:
            raise KbertError(
                f"the checkpoint has the tensor {key!r:.80} twice, once as {name!r:.80}"
            )
        plain[key] = tensor
    return plain


def _check_layers(
    arguments: dict[str, Any], tensors: Tensors, family: Family, folder: Path
) -> None:
    """Checks that there are as many layers and tokens as the config says: both cost time."""
    layers, words = arguments["num_hidden_layers"], arguments["vocab_size"]

    def has_layer(i: int) -> bool:
        _, names = family.layer_rows(i, arguments)[-1]
        return f"{names if isinstance(names, str) else names[0]}.weight" in tensors

    if (
        len(tensors) > MAX_TENSORS
        or not are_layers(arguments)
        or not all(has_layer(i) for i in range(family.layers_of(arguments)))
    ):
        raise KbertError(
            f"{folder}: the config asks for {layers!r:.80} layers, and the checkpoint has "
            f"{len(tensors):,} tensors ({MAX_TENSORS:,} is the most), not all of theirs among them"
        )
    table = dict(family.embeddings)["embeddings.token_table"]
    found = tensors[str(table)].shape if table in tensors else None
    if type(words) is not int or found is None or found[:1] != (words,):
        raise KbertError(
            f"{folder}: the config asks for {words!r:.80} tokens, and {table!r} in the checkpoint "
            f"has the shape {found}"
        )


def _check_tokenizer_files(folder: Path, vocab_size: int) -> None:
    for path in map(folder.joinpath, {*FILES, *TOKENIZER_FILES}):
        if path.is_file():
            check_tokenizer_size(str(path), path.stat().st_size, vocab_size)


def _read_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    arguments = read_tokenizer(folder)
    tokens = len(arguments["vocabulary"])
    if tokens > vocab_size:
        raise KbertError(
            f"{folder}: the tokenizer has {tokens:,} tokens, and the model has embeddings for "
            f"{vocab_size:,}: they do not belong together"
        )
    return Tokenizer(**arguments)


def _heads_of_others(
    config: dict[str, Any], family: Family, task: str, arguments: dict[str, Any], tensors: Tensors
) -> tuple[str, ...]:
    """How the names of a label head begin that is for another task or another number of labels.

    A tagger's head is called as a classifier's is, and may have the same shape.
    """
    saved = saved_task(config, family)
    if saved == "encoder":  # or somebody's own class, whose head may be for anything
        scores = {"multiple-choice": 1, "question-answering": 2}.get(task)
        scores = len(arguments["labels"]) if "labels" in arguments else scores
        sizes = {tensors[name].shape[:1] for name in _LAST_OF_A_HEAD if name in tensors}
        return _LABEL_HEADS if scores is not None and sizes - {(scores,)} else ()
    if saved != task:
        # What stands before the words' scores is no part of them where it was made for labels.
        shared = (family.shared_head,) if family.shared_head and task == "masked-lm" else ()
        return _LABEL_HEADS + shared
    as_many = "labels" not in arguments or len(arguments["labels"]) == len(label_names(config))
    return () if as_many else _LABEL_HEADS


def _of_pretraining(task: str, family: Family, tensors: Tensors) -> list[str]:
    """That a words head is not worth what it seems to be, where that is so."""
    own = family.replaced_tokens
    if task != "masked-lm" or not own or not any(name.startswith(own) for name in tensors):
        return []
    return [
        f"the file has {own}*: the encoder was pretrained to find replaced tokens, and not to fill "
        "in masked ones, so what the words' head says of them is worth nothing until it is trained"
    ]


def _without(tensors: Tensors, prefixes: tuple[str, ...]) -> tuple[Tensors, list[str]]:
    """The tensors whose names do not begin so, and the names of those that do."""
    left = [name for name in tensors if name.startswith(prefixes)]
    return {name: tensor for name, tensor in tensors.items() if name not in left}, left
