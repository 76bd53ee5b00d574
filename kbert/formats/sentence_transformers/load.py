"""A folder of sentence-transformers' -> a SentenceBert, on any backend.

    modules.json -> the parts -> the head's arguments -> the encoder's checkpoint -> a model

No code of a folder is run, and a path in `modules.json` leads to a folder right within, or nowhere.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kbert.errors import KbertError, shown
from kbert.files.json_file import MAX_JSON_BYTES, read_json, read_json_object
from kbert.formats.families import family_of
from kbert.formats.huggingface.config import encoder_arguments
from kbert.formats.huggingface.fill import Tensors
from kbert.formats.huggingface.load import load_huggingface, open_weights, read_config
from kbert.formats.readers.folder import check_links, find_file, find_folder, read_file
from kbert.formats.sentence_transformers.names import (
    ACTIVATIONS,
    FLAGS,
    MODULES,
    OF_ALL,
    OF_TRANSFORMER,
    POOLINGS,
)
from kbert.models.load_report import LoadReport
from kbert.models.sentence import SentenceBert
from kbert.text.files.huggingface_files import CONFIG_FILE, MOST_SAID

_TASK = "sentence-embedding"
_ORDERS = [  # of the parts behind the Transformer
    ["Pooling"],
    ["Pooling", "Dense"],
    ["Pooling", "Normalize"],
    ["Pooling", "Dense", "Normalize"],
]


class _Parts(NamedTuple):
    """What a folder says.

    Attributes:
        encoder: the folder of the Transformer.
        head: the arguments of `SentenceBert` that are not the encoder's.
        dense: the tensors of the dense layer.
        lowers: whether texts are put into lower case, whatever the tokenizer does.
        notes: what sentence-transformers does beside, and kbert does not.
    """

    encoder: Path
    head: dict[str, Any]
    dense: Tensors
    lowers: bool
    notes: list[str]


def is_sentence_transformer(folder: Path) -> bool:
    """Whether a folder is one of sentence-transformers'."""
    return (folder / MODULES).is_file()


def load_sentence_transformers(
    folder: Path, *, seed: int | None = None, allow_pickle: bool = False, **asked: Any
) -> tuple[SentenceBert, LoadReport]:
    """Loads a folder of sentence-transformers'.

    Args:
        folder: has `modules.json`.
        seed: as for `load_huggingface`.
        allow_pickle: likewise, for the dense layer, too.
        **asked: what is asked for beside, as `labels`; a sentence model has none.

    Raises:
        KbertError: if it has a part or a pooling that kbert has not, is damaged, or its parts do
            not fit together.
    """
    try:
        parts = _read_parts(folder, allow_pickle)
    except KbertError as error:
        raise KbertError(f"{error}; its encoder alone is loaded by task='encoder'") from None
    except Exception as error:  # whatever a stranger's values make Python raise
        raise KbertError(
            f"{folder}: its parts do not fit together, or are damaged: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    model, report = load_huggingface(
        parts.encoder, _TASK, seed=seed, allow_pickle=allow_pickle, head=parts.head, **asked
    )
    assert isinstance(model, SentenceBert) and model.tokenizer is not None
    if parts.lowers and not model.tokenizer.lowercase:
        raise KbertError(
            f"{folder}: do_lower_case is true, and the tokenizer keeps capitals: kbert has no "
            "lower case before a tokenizer"
        )
    if model.dense is not None:
        model.dense.kernel.assign(np.asarray(parts.dense["linear.weight"]).T)
        bias = parts.dense.get("linear.bias")
        model.dense.bias.assign(np.zeros(model.embedding_size) if bias is None else bias)
    return model, LoadReport((), report.unused, (*report.notes, *parts.notes))


def _read_parts(folder: Path, allow_pickle: bool) -> _Parts:
    check_links(folder)
    modules = read_json(_bytes(folder, MODULES), f"{folder / MODULES}")
    kinds, paths = _kinds(modules, folder)
    places = [  # Normalize's may be missing: it is empty, and so in no repository
        find_folder(folder, path) if path else folder
        for kind, path in zip(kinds, paths, strict=True)
        if kind != "Normalize"
    ]
    encoder = places[0]
    config = read_config(encoder)
    arguments = encoder_arguments(config, family_of(config.get("model_type")), _TASK)
    width = arguments["hidden_size"]
    longest = arguments["max_position_embeddings"] - arguments.get("position_offset", 0)
    head: dict[str, Any] = {"normalize": "Normalize" in kinds}
    head["pooling"] = _pooling(places[1], width)
    of_transformer = _of_transformer(encoder)
    head["max_seq_length"] = _most_tokens(of_transformer, encoder, longest)
    dense: Tensors = {}
    if "Dense" in kinds:
        of_dense, dense = _dense(places[2], width, allow_pickle)
        head |= of_dense
    lowers = of_transformer.get("do_lower_case") is True
    return _Parts(encoder, head, dense, lowers, _notes(folder))


def _kinds(modules: Any, folder: Path) -> tuple[list[str], list[str]]:
    """What the parts are, and in which folders; "" is the folder itself."""
    where = folder / MODULES
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise KbertError(f"{where}: expected a list of parts, got {modules!r:.80}")
    types = [each.get("type") for each in modules]
    paths = [each.get("path") for each in modules]
    if not all(isinstance(each, str) for each in [*types, *paths]):
        raise KbertError(f"{where}: each part has a type and a path, not {modules!r:.200}")
    kinds = [each.rpartition(".")[2] for each in types]
    ours = all(each.startswith("sentence_transformers.") for each in types)
    if not ours or kinds[:1] != ["Transformer"] or kinds[1:] not in _ORDERS:
        raise KbertError(
            f"{where}: the parts are {shown(', '.join(types), 300)}; kbert has Transformer, "
            "Pooling and then, if there are, Dense and Normalize, one of each, in this order"
        )
    return kinds, paths


def _pooling(place: Path, width: int) -> str:
    config = _config(place)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for mode, flag in FLAGS.items() if config.get(flag) is True] or ["mean"]
    modes = modes if isinstance(modes, list) else [modes]
    ours = [name for name, theirs in POOLINGS.items() if [theirs] == modes]
    if not ours:
        several = "several side by side" if len(modes) > 1 else "kbert has not"
        raise KbertError(
            f"{place}: the pooling is {modes!r:.200}, {several}: kbert has one of "
            f"{', '.join(POOLINGS.values())}"
        )
    for name in ("embedding_dimension", "word_embedding_dimension"):
        if config.get(name, width) != width:
            raise KbertError(
                f"{place}: {name} is {config[name]!r:.80}, and the encoder's vectors have {width!r}"
            )
    return ours[0]


def _of_transformer(encoder: Path) -> dict[str, Any]:
    found = [path for name in OF_TRANSFORMER if (path := find_file(encoder, name)) is not None]
    config = read_json_object(read_file(found[0], MAX_JSON_BYTES), str(found[0])) if found else {}
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise KbertError(f"{found[0]}: transformer_task is {task!r:.80}; kbert has encoders only")
    return config


def _most_tokens(of_transformer: dict[str, Any], encoder: Path, longest: int) -> int | None:
    """The most tokens of a text, where they are fewer than the encoder has positions for."""
    most = of_transformer.get("max_seq_length")
    path = find_file(encoder, CONFIG_FILE)
    if most is None and path is not None:  # since version 6 the tokenizer says it
        said = read_json_object(
            read_file(path, MOST_SAID), f"{encoder / CONFIG_FILE}", max_bytes=MOST_SAID
        )
        most = said.get("model_max_length")
    if most is None:
        return None
    if type(most) is not int or most < 1:
        raise KbertError(f"{encoder}: the longest text has {most!r:.80} tokens; expected a number")
    return most if most < longest else None


def _dense(place: Path, width: int, allow_pickle: bool) -> tuple[dict[str, Any], Tensors]:
    config = _config(place)
    ours = [
        name for name, theirs in ACTIVATIONS.items() if config.get("activation_function") == theirs
    ]
    outputs = config.get("out_features")
    if not ours:
        raise KbertError(
            f"{place}: activation_function is {config.get('activation_function')!r:.80}; kbert has "
            f"{', '.join(ACTIVATIONS.values())}"
        )
    names = (config.get("module_input_name"), config.get("module_output_name"))
    if config.get("use_residual") or set(names) - {None, "sentence_embedding"}:
        raise KbertError(f"{place}: kbert has a dense layer on the pooled vector, and no other")
    tensors = open_weights(place, allow_pickle)
    wanted: dict[str, tuple[Any, ...]] = {"linear.weight": (outputs, width)}
    if config.get("bias", True):
        wanted["linear.bias"] = (outputs,)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if shapes != wanted or not all(tensor.is_float for tensor in tensors.values()):
        raise KbertError(f"{place}: expected the tensors {wanted}, found {shapes!r:.200}")
    return {"dense_size": outputs, "dense_activation": ours[0]}, tensors


def _notes(folder: Path) -> list[str]:
    """What sentence-transformers does by itself with such a folder, and kbert leaves to others."""
    path = find_file(folder, OF_ALL)
    config = {} if path is None else read_json_object(read_file(path, MAX_JSON_BYTES), str(path))
    notes, prompt = [], config.get("default_prompt_name")
    if prompt is not None:
        prompts = config.get("prompts")
        text = prompts.get(prompt) if isinstance(prompts, dict) else None
        notes.append(f"sentence-transformers puts {text!r:.80} before each text; kbert does not")
    if config.get("truncate_dim") is not None:
        notes.append(
            f"sentence-transformers cuts vectors to {config['truncate_dim']!r:.20} numbers; kbert "
            "gives them whole"
        )
    return notes


def _config(place: Path) -> dict[str, Any]:
    return read_json_object(_bytes(place, "config.json"), f"{place / 'config.json'}")


def _bytes(folder: Path, name: str) -> bytes:
    path = find_file(folder, name)
    if path is None:
        raise KbertError(f"{folder}: has no {name}")
    return read_file(path, MAX_JSON_BYTES)
