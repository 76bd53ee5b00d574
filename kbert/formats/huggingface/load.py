"""A checkpoint folder as Hugging Face writes it -> a model of kbert, on any backend.

    config.json -> arguments -> a model -> the checkpoint's tensors, by one table of names
    tokenizer files -> model.tokenizer

No code of a checkpoint is run: `auto_map` and Python files in it are not looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kbert.errors import KbertError
from kbert.files.json_file import MAX_JSON_BYTES, read_json_object
from kbert.formats.families.family import BUFFERS, DUPLICATES, FAMILIES, Family
from kbert.formats.huggingface.config import (
    encoder_arguments,
    family_of,
    label_names,
    pooler_activation,
    problem_type,
    task_of_config,
)
from kbert.formats.huggingface.weights import Place, draw, places
from kbert.formats.load_report import LoadReport
from kbert.formats.readers.archive import most_tokenizer_bytes
from kbert.formats.readers.folder import check_links, find_file, read_file
from kbert.formats.readers.safetensors import open_safetensors
from kbert.formats.readers.stored_tensor import MAX_TENSORS, StoredTensor
from kbert.formats.readers.torch import open_torch_bin
from kbert.layers.initializers import starting_at_zero
from kbert.models import LABELLED_TASKS, POOLED_TASKS, TASKS
from kbert.models.base import KbertModel
from kbert.text.files.huggingface_files import FILES
from kbert.text.tokenizer import Tokenizer

_CLASSIFIERS = ("sequence-classification", "token-classification", "multiple-choice")
_OLD_NAMES = ((".gamma", ".weight"), (".beta", ".bias"))  # of TensorFlow's layer norms


def load_huggingface(
    folder: Path,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    *,
    allow_pickle: bool = False,
) -> tuple[KbertModel, LoadReport]:
    """Loads a checkpoint folder.

    Args:
        folder: has `config.json`, safetensors, and the tokenizer's files.
        task: a name of `kbert.models.TASKS`; None means the task of the class in the config.
        labels: of a classification or tagging; None means the checkpoint's.
        allow_pickle: whether to read `pytorch_model.bin` where there are no safetensors.

    Returns:
        The model, and the report of what is new and what was left.

    Raises:
        KbertError: if the checkpoint is of no family that kbert knows, is damaged or incomplete,
            or its parts do not fit together.
    """
    check_links(folder)
    path, where = find_file(folder, "config.json"), f"{folder / 'config.json'}"
    if path is None:
        raise KbertError(f"{folder}: has no config.json; expected a Hugging Face checkpoint")
    config = read_json_object(read_file(path, MAX_JSON_BYTES), where)
    family = FAMILIES[family_of(config, where)]
    task = task or task_of_config(config)
    if task != "encoder" and task not in family.heads:
        raise KbertError(
            f"{folder}: a {config['model_type']} checkpoint has no head for {task!r}; it can be "
            f"loaded for {', '.join(['encoder', *family.heads])}"
        )
    tensors = _by_plain_name(_open_weights(folder, allow_pickle), family)
    arguments = encoder_arguments(config, where)
    _check_sizes(arguments, tensors, family, folder)
    _check_tokenizer_files(folder, arguments["vocab_size"])
    arguments |= _head_arguments(config, task, labels, f"{family.pooler}.weight" in tensors, where)
    with starting_at_zero():
        model = TASKS[task](**arguments)
    others = _heads_of_others(config, task, len(arguments.get("labels", ())), where)
    report = _fill(model, family, tensors, others, folder)
    model.tokenizer = Tokenizer.from_file(folder)
    return model, report


def _open_weights(folder: Path, allow_pickle: bool) -> dict[str, StoredTensor]:
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


def _by_plain_name(tensors: dict[str, StoredTensor], family: Family) -> dict[str, StoredTensor]:
    """Tensors by name: without the encoder's prefix, and layer norms by their present names."""
    plain: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        key = name.removeprefix(family.prefix)
        for old, new in _OLD_NAMES:
            key = key.removesuffix(old) + new if key.endswith(old) else key
        if key in plain:
            raise KbertError(f"the checkpoint has the tensor {key!r} twice, once as {name!r}")
        plain[key] = tensor
    return plain


def _check_sizes(
    arguments: dict[str, Any], tensors: dict[str, StoredTensor], family: Family, folder: Path
) -> None:
    """Checks the config's sizes against the tensors, before anything of these sizes is made."""
    hidden, intermediate = arguments["hidden_size"], arguments["intermediate_size"]
    width = arguments.get("embedding_size", hidden)
    expected = {
        "embeddings.word_embeddings.weight": (arguments["vocab_size"], width),
        "embeddings.position_embeddings.weight": (arguments["max_position_embeddings"], width),
    }
    if arguments["type_vocab_size"]:
        expected["embeddings.token_type_embeddings.weight"] = (arguments["type_vocab_size"], width)
    _check_shapes(expected, tensors, folder)
    widen = dict(family.layer)["feed_forward.widen"]
    layers = arguments["num_hidden_layers"]
    if not isinstance(layers, int) or 10 * layers > len(tensors) or len(tensors) > MAX_TENSORS:
        raise KbertError(
            f"{folder}: the config asks for {layers!r:.80} layers, and the checkpoint has "
            f"{len(tensors):,} tensors; expected ten or more a layer, {MAX_TENSORS:,} at the most"
        )
    for i in range(layers):
        name = f"{family.layer_prefix.format(i=i)}{widen}.weight"
        _check_shapes({name: (intermediate, hidden)}, tensors, folder)


def _check_tokenizer_files(folder: Path, vocab_size: int) -> None:
    """Checks that they are not far larger than such a vocabulary: reading them takes long."""
    most = most_tokenizer_bytes(vocab_size)
    for path in map(folder.joinpath, FILES):
        if path.is_file() and path.stat().st_size > most:
            raise KbertError(
                f"{path} has {path.stat().st_size:,} bytes; for a vocabulary of {vocab_size:,} "
                f"tokens {most:,} are the most"
            )


def _check_shapes(
    expected: dict[str, tuple[Any, ...]], tensors: dict[str, StoredTensor], folder: Path
) -> None:
    for name, shape in expected.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise KbertError(
                f"{folder}: the config asks for a tensor {name!r} of shape {shape!r:.80}, and the "
                f"checkpoint has {'none' if found is None else found}"
            )


def _head_arguments(
    config: dict[str, Any],
    task: str,
    labels: Sequence[str] | None,
    has_pooler: bool,
    where: str,
) -> dict[str, Any]:
    """The arguments that a task adds to those of the encoder."""
    arguments: dict[str, Any] = {
        "add_pooling_layer": task in POOLED_TASKS or (task == "encoder" and has_pooler),
        "pooler_activation": pooler_activation(config, task),
    }
    if task in ("pretraining", "masked-lm"):
        arguments["tie_word_embeddings"] = config.get("tie_word_embeddings", True) is not False
    if task in LABELLED_TASKS:
        arguments["labels"] = label_names(config, where) if labels is None else labels
        if task == "sequence-classification":
            arguments["problem_type"] = problem_type(config, list(arguments["labels"]))
    elif labels is not None:
        raise KbertError(f"labels are for classification and tagging, not for {task!r}")
    if task in _CLASSIFIERS:
        arguments["classifier_dropout"] = config.get("classifier_dropout")
    return arguments


def _heads_of_others(config: dict[str, Any], task: str, count: int, where: str) -> tuple[str, ...]:
    """How the names of a label head begin that is for another task or another number of labels.

    A tagger's head is called as a classifier's is, and may have the same shape.
    """
    saved = task_of_config(config)
    if task not in _CLASSIFIERS or saved not in _CLASSIFIERS:
        return ()
    if saved == task and (not count or count == len(label_names(config, where))):
        return ()
    return ("classifier.", "pre_classifier.")


def _fill(
    model: KbertModel,
    family: Family,
    tensors: dict[str, StoredTensor],
    others: tuple[str, ...],
    folder: Path,
) -> LoadReport:
    """Puts a checkpoint's tensors, but those of other heads, into a model that is all zeros."""
    unused = [name for name in tensors if name.startswith(others)]
    tensors = {name: tensor for name, tensor in tensors.items() if name not in unused}
    copies = {original: copy for copy, original in DUPLICATES.items()}
    # Of a head that is not tied transformers uses the bias that stands beside the decoder.
    is_tied = not hasattr(model, "mlm") or model.mlm.tied
    used, filled, new = set(), [], []
    for place in places(model, family, prefix=""):
        names = [
            copies[name]
            if copies.get(name) in tensors and not (is_tied and name in tensors)
            else name
            for name in place.names
        ]
        missing = [name for name in names if name not in tensors]
        if missing:
            _check_may_be_new(place, missing, folder)
            draw(place)
            new.append(place.part)
            continue
        filled.append(place.part)
        for name in names:
            if tensors[name].shape != place.expected_shape:
                raise KbertError(
                    f"{folder}: the tensor {name!r} has shape {tensors[name].shape}, and the "
                    f"config asks for {place.expected_shape}"
                )
            if not tensors[name].is_float:
                raise KbertError(
                    f"{folder}: the tensor {name!r} holds {tensors[name].dtype}; a weight is a "
                    "floating-point number"
                )
        place.variable.assign(place.join([tensors[name] for name in names]))
        used |= set(names)
    needless = {*DUPLICATES, *BUFFERS, *_tied_decoders(family)}
    _check_heads_are_whole(filled, new, folder)
    unused += [name for name in tensors if name not in used | needless]
    return LoadReport.of_weights(new, unused)


def _check_may_be_new(place: Place, missing: list[str], folder: Path) -> None:
    """Heads and poolers may be new; an encoder that is not whole is a damaged checkpoint."""
    part = place.part.removeprefix("bert.")
    if part.startswith(("embeddings.", "encoder_layers.")) or part == "mlm.decoder":
        raise KbertError(f"{folder}: the checkpoint lacks {', '.join(map(repr, missing))}")


def _check_heads_are_whole(filled: list[str], new: list[str], folder: Path) -> None:
    """A head that is there only in part is a damaged checkpoint, too."""
    there, not_there = (
        {part.removeprefix("bert.").split(".")[0] for part in p} for p in (filled, new)
    )
    for head in there & not_there:
        missing = [part for part in new if part.removeprefix("bert.").startswith(f"{head}.")]
        raise KbertError(f"{folder}: the checkpoint has only a part of {head!r}: no {missing[0]}")


def _tied_decoders(family: Family) -> list[str]:
    """The names under which files repeat the token table as a decoder."""
    rows = (row for head in family.heads.values() for row in head)
    return [str(names) for part, names in rows if part == "mlm.decoder"]
