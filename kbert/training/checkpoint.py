"""A run's state on disk: there whole or not at all, and checked before it is used.

    checkpoints/step-00001000/state.safetensors    every variable of the model and the optimizer
    checkpoints/step-00001000/manifest.json        the step, the run's settings, the file's sha256

A checkpoint is written into a hidden folder, forced to the disk, and given its name in one step. So
whatever ends a process, at whatever point, leaves the former checkpoints as they were.

Variables are kept in order, with names that do not depend on what else the process has made:
`model.000.bert/embeddings/token_table`, `optimizer.000.iteration`. The state of each dropout's
random numbers is among them.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kbert.errors import KbertError
from kbert.files.atomic_files import sha256_of, sync_folder, write_through
from kbert.files.json_file import read_json_object
from kbert.training.distribution import assign, from_first_host, on_every_host, this_host

CHECKPOINTS = "checkpoints"
KEPT = 2  # how many checkpoints stay on the disk
_STATE, _MANIFEST = "state.safetensors", "manifest.json"
_FORMAT = 1
_STEP = re.compile(r"step-[0-9]{8}")
_LEFTOVER = re.compile(r"\.(damaged-|old-)?step-[0-9]{8}")
_DTYPES = {"float32": "F32", "float16": "F16", "int32": "I32", "int64": "I64", "uint32": "U32"}
_DTYPES["int8"] = "I8"  # of quantized weights


class Checkpoint(NamedTuple):
    """A checkpoint that is whole.

    Attributes:
        path: its folder.
        step: how many steps had been taken.
        settings: those of the run that wrote it.
    """

    path: Path
    step: int
    settings: dict[str, Any]


def state_of(model: keras.Model) -> dict[str, Any]:
    """Every variable that the next step depends on, by a name that is the same in each process.

    The optimizer's variables are made if they are not there yet.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    state = {}
    # A teacher that is never trained is no part of it.
    for index, variable in enumerate(getattr(model, "state_variables", model.variables)):
        # A generator's path is numbered by what the process made before it; its name is not.
        seed = variable.name == "seed_generator_state"
        state[f"model.{index:03d}.{variable.name if seed else variable.path}"] = variable
    for index, variable in enumerate(model.optimizer.variables):
        state[f"optimizer.{index:03d}.{variable.name}"] = variable
    return state


def save_checkpoint(
    folder: str | Path, step: int, state: Mapping[str, Any], settings: Mapping[str, Any]
) -> Path:
    """Writes a checkpoint, and removes all but the newest two.

    Args:
        folder: of the run; the checkpoints are in `checkpoints` within.
        step: how many steps have been taken.
        state: variables by name, as `state_of` gives them.
        settings: what a run that continues must have in common with this one; JSON.

    Returns:
        The checkpoint's folder.

    Raises:
        KbertError: if a number of the state is not finite, or it cannot be written. The former
            checkpoints are as they were.
    """
    checkpoints = Path(folder) / CHECKPOINTS
    path = checkpoints / _name(step)
    hidden = checkpoints / f".{path.name}"
    try:
        checkpoints.mkdir(exist_ok=True)
        _remove_leftovers(checkpoints)
        hidden.mkdir()
        sha256, size = write_through(hidden / _STATE, _safetensors(state))
        manifest = {
            "format": _FORMAT,
            "step": step,
            "bytes": size,
            "sha256": sha256,
            "settings": dict(settings),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        write_through(hidden / _MANIFEST, [text.encode()])
        sync_folder(hidden)
        if path.exists():  # one that was found damaged, or it would have been continued
            path.rename(checkpoints / f".damaged-{path.name}")
        hidden.rename(path)
        sync_folder(checkpoints)
        older = [other for other in _steps(checkpoints) if other.name < path.name]
        for other in _steps(checkpoints):
            if other != path and other not in older[: KEPT - 1]:
                other.rename(checkpoints / f".old-{other.name}")
        _remove_leftovers(checkpoints)
    except OSError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        raise KbertError(f"step {step} could not be saved to {path}: {error}") from error
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return path


def _remove_leftovers(checkpoints: Path) -> None:
    """Removes our own hidden folders; all else (.DS_Store, .nfs..., a user's) is not ours."""
    for path in checkpoints.iterdir():
        if _LEFTOVER.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)


def find_checkpoint(folder: str | Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint of a run that is whole.

    Returns:
        The checkpoint, or None if none was written yet; and for each newer one that is damaged, a
        text that names it and says what is wrong.

    Raises:
        KbertError: if there are checkpoints and all are damaged.
    """
    problems: list[str] = []
    for path in _steps(Path(folder) / CHECKPOINTS):
        try:
            return _check(path), problems
        except (KbertError, OSError) as error:
            problems.append(f"the checkpoint {path} is damaged: {error}")
    if problems:
        raise KbertError(
            f"{'; '.join(problems)}. No whole one is left: begin anew with overwrite=True"
        )
    return None, []


def restore(checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Gives variables the values that a checkpoint has; all are compared before the first is set.

    Args:
        checkpoint: as `find_checkpoint` gives it.
        state: the variables of the same model and optimizer, as `state_of` gives them.

    Only the first host reads the file; the others take the values from it.

    Raises:
        KbertError: if names, shapes or kinds of numbers differ. No variable was changed then.
    """
    from safetensors import safe_open

    reads = this_host() == 0
    with ExitStack() as stack:
        tensors: Any = None
        if reads:
            file = safe_open(checkpoint.path / _STATE, framework="numpy")
            tensors = stack.enter_context(file)
        on_every_host(lambda: reads and _compare(checkpoint, tensors, state))
        for name, variable in state.items():
            value = tensors.get_tensor(name) if reads else np.zeros(tuple(variable.shape))
            assign(variable, from_first_host(value.astype(_dtype(variable))))


def _compare(checkpoint: Checkpoint, tensors: Any, state: Mapping[str, Any]) -> None:
    """Raises KbertError if the tensors of a file are not those of a state."""
    where, names = f"the checkpoint {checkpoint.path}", tensors.keys()
    differing = sorted(set(names) ^ set(state))
    if differing:
        owner = "the model has not" if differing[0] in names else "it has not"
        raise KbertError(
            f"{where} is of another model: {len(differing)} variables differ by name, "
            f"{differing[0]!r} first, which {owner}"
        )
    for name, variable in state.items():
        stored = tensors.get_slice(name)
        found, expected = tuple(stored.get_shape()), tuple(variable.shape)
        if found != expected:
            raise KbertError(f"{where} is of another model: {name} is {found}, not {expected}")
        # Signed or not is the backend's choice; the 32 bits of a seed are the same.
        kinds = [stored.get_dtype(), _DTYPES.get(_dtype(variable))]
        if len({str(kind).replace("U", "I") for kind in kinds}) > 1:
            raise KbertError(f"{where}: {name} has numbers of {kinds[0]}, not {kinds[1]}")


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _steps(checkpoints: Path) -> list[Path]:
    """The checkpoints, newest first: whatever else a user keeps beside them is none of ours."""
    inside = checkpoints.iterdir() if checkpoints.is_dir() else ()
    ours = (path for path in inside if _STEP.fullmatch(path.name) and path.is_dir())
    return sorted(ours, reverse=True)


def _check(path: Path) -> Checkpoint:
    """Raises KbertError if a checkpoint is not byte for byte what was written."""
    manifest = read_json_object((path / _MANIFEST).read_bytes(), _MANIFEST)
    if manifest.get("format") != _FORMAT:
        raise KbertError(f"{_MANIFEST}: format {manifest.get('format')!r}; kbert reads {_FORMAT}")
    step, settings = manifest.get("step"), manifest.get("settings")
    if type(step) is not int or path.name != _name(step) or not isinstance(settings, dict):
        raise KbertError(f"{_MANIFEST} is that of step {step!r:.20}")
    size = (path / _STATE).stat().st_size
    if size != manifest.get("bytes"):
        raise KbertError(f"{_STATE} has {size:,} bytes, and {manifest.get('bytes')!r} were written")
    if sha256_of(path / _STATE) != manifest.get("sha256"):
        raise KbertError(f"the sha256 of {_STATE} is not that of its manifest")
    return Checkpoint(path, step, settings)


def _dtype(variable: Any) -> str:
    return keras.backend.standardize_dtype(variable.dtype)


def _safetensors(state: Mapping[str, Any]) -> Iterator[bytes]:
    """The bytes of a safetensors file, a variable at a time."""
    header, end = {}, 0
    for name, variable in state.items():
        if _dtype(variable) not in _DTYPES:
            raise KbertError(
                f"{name} is {_dtype(variable)}; a checkpoint holds {', '.join(_DTYPES)}"
            )
        begin, shape = end, tuple(variable.shape)
        end += int(np.prod(shape)) * np.dtype(_dtype(variable)).itemsize
        dtype = _DTYPES[_dtype(variable)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    yield len(text).to_bytes(8, "little") + text
    for name, variable in state.items():
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise KbertError(f"{name} holds numbers that are not finite: the state is not saved")
        yield array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
