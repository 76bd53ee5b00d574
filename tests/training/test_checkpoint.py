import hashlib
import json
import os
import shutil
import sys

import keras
import numpy as np
import pytest

from kbert import BertForMaskedLM, BertForPreTraining, KbertError
from kbert.files import atomic_files
from kbert.training import checkpoint
from kbert.training.checkpoint import (
    find_checkpoint,
    restore,
    save_checkpoint,
    state_of,
)
from kbert.training.losses import objective
from kbert.training.optimizers import adamw


def number(variable):
    return keras.ops.convert_to_numpy(variable.value)


def compiled(small, model_class=BertForPreTraining, task="pretraining", **changes):
    model = model_class(**{**small, **changes})
    model.compile(adamw(1e-3, 10), **objective(task))
    return model


@pytest.fixture
def state():
    """Three variables, of which one is whole numbers."""
    return {
        "model.000.kernel": keras.Variable(np.array([[0.5, -2.0], [3.0, 1e-8]], "float32")),
        "model.001.bias": keras.Variable(np.array([1.0, 2.0, 4.0], "float32")),
        "optimizer.000.iteration": keras.Variable(7, dtype="int32", trainable=False),
    }


def fill(state, value):
    for variable in state.values():
        variable.assign(keras.ops.full(variable.shape, value, variable.dtype))


def test_a_model_and_its_optimizer_come_back_to_the_bit(small, tmp_path):
    """In another model of the same process, whose variables' paths have other numbers."""
    rng = np.random.default_rng(0)
    one, other = state_of(compiled(small)), state_of(compiled(small, seed=9))
    assert list(one) == list(other)
    seeds = [name for name in one if name.endswith("seed_generator_state")]
    assert len(seeds) == 1 + 2 * 3  # of the embeddings, and three of each layer
    for name, variable in one.items():
        values = rng.normal(size=tuple(variable.shape)) * 1000
        variable.assign(values.astype(keras.backend.standardize_dtype(variable.dtype)))
        assert name.startswith(("model.", "optimizer."))
    save_checkpoint(tmp_path, 12, one, {"seed": 5})
    found, problems = find_checkpoint(tmp_path)
    assert (found.step, found.settings, problems) == (12, {"seed": 5}, [])
    restore(found, other)
    for name, variable in one.items():
        assert number(variable).tobytes() == number(other[name]).tobytes(), name


def test_the_file_is_safetensors_and_says_what_it_holds(state, tmp_path):
    from safetensors.numpy import load_file

    path = save_checkpoint(tmp_path, 3, state, {"learning_rate": 1e-3})
    tensors = load_file(path / "state.safetensors")
    assert tensors["model.000.kernel"].tolist() == [[0.5, -2.0], [3.0, np.float32(1e-8)]]
    assert tensors["optimizer.000.iteration"].dtype == np.int32
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    data = (path / "state.safetensors").read_bytes()
    assert manifest == {
        "format": 1,
        "step": 3,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "settings": {"learning_rate": 1e-3},
    }


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_the_last_two_are_kept(state, tmp_path):
    assert find_checkpoint(tmp_path) == (None, [])
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, step, state, {})
    assert names(tmp_path) == ["step-00000010", "step-00000015"]


def damage(path, how):
    file = path / "state.safetensors"
    data = file.read_bytes()
    if how == "truncated":
        file.write_bytes(data[:-1])
    elif how == "a bit":
        file.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    elif how == "no state":
        file.unlink()
    elif how == "no manifest":
        (path / "manifest.json").unlink()
    elif how == "half a manifest":
        (path / "manifest.json").write_bytes((path / "manifest.json").read_bytes()[:40])
    elif how == "a newer format":
        text = (path / "manifest.json").read_text().replace('"format": 1', '"format": 2')
        (path / "manifest.json").write_text(text)
    else:
        path.rename(path.with_name("step-00000099"))


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("truncated", "bytes, and"),
        ("a bit", "sha256"),
        ("no state", "state.safetensors"),
        ("no manifest", "manifest.json"),
        ("half a manifest", "not JSON"),
        ("a newer format", "format 2"),
        ("renamed", "that of step 10"),
    ],
)
def test_a_damaged_one_is_named_and_the_one_before_is_used(state, tmp_path, how, complaint):
    fill(state, 1)
    first = save_checkpoint(tmp_path, 5, state, {})
    fill(state, 2)
    second = save_checkpoint(tmp_path, 10, state, {})
    damage(second, how)
    found, (problem,) = find_checkpoint(tmp_path)
    assert found.step == 5 and found.path == first
    assert complaint in problem and "checkpoints" in problem and "damaged" in problem
    restore(found, state)
    assert number(state["model.001.bias"]).tolist() == [1, 1, 1]
    # The run that goes on replaces the damaged one, and keeps the whole one until then.
    save_checkpoint(tmp_path, 7, state, {})
    assert names(tmp_path) == ["step-00000005", "step-00000007"]
    save_checkpoint(tmp_path, 10, state, {})
    assert find_checkpoint(tmp_path)[0].step == 10 and find_checkpoint(tmp_path)[1] == []


def test_a_run_does_not_begin_anew_because_all_are_damaged(state, tmp_path):
    for step in (5, 10):
        damage(save_checkpoint(tmp_path, step, state, {}), "a bit")
    with pytest.raises(KbertError, match=r"step-00000010 .*step-00000005 .*overwrite=True"):
        find_checkpoint(tmp_path)


# A save's own code: every line of these files can be its last.
CODE = (checkpoint.__file__, atomic_files.__file__)


def before_every_line(do, function):
    """Runs a function, and calls `do` before each line of CODE that it runs."""

    def trace(frame, event, argument):
        if frame.f_code.co_filename not in CODE:
            return None
        if event == "line":
            do()
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(former)


@pytest.fixture(params=[False, True], ids=["whole", "damaged"])
def begun(request, state, tmp_path):
    """A folder with the steps 5 and 10; it may have a step 15 that is damaged."""
    folder = tmp_path / "begun"
    folder.mkdir()
    for step in (5, 10):
        fill(state, step)
        save_checkpoint(folder, step, state, {})
    if request.param:
        damage(save_checkpoint(folder, 15, state, {}), "a bit")
    fill(state, 15)
    return folder


def step_left(folder, state):
    """The step of the newest checkpoint, which is whole; and the next save finds no obstacle."""
    found, problems = find_checkpoint(folder)
    restore(found, state)
    assert number(state["model.001.bias"]).tolist() == [found.step] * 3
    assert all("step-00000015" in problem for problem in problems)
    fill(state, 20)
    save_checkpoint(folder, 20, state, {})
    assert find_checkpoint(folder)[0].step == 20 and len(names(folder)) == 2
    return found.step, len(problems)


def test_a_kill_before_every_line_of_a_save(begun, state, tmp_path):
    """What is on the disk then: the newest checkpoint is whole, the former one or the new one."""
    left = []

    def copy():
        left.append(shutil.copytree(begun, tmp_path / str(len(left))))

    problems = len(find_checkpoint(begun)[1])
    before_every_line(copy, lambda: save_checkpoint(begun, 15, state, {}))
    steps = []
    for folder in left:
        step, problems_left = step_left(folder, state)
        assert problems_left <= problems
        steps.append(step)
    assert steps == sorted(steps) and set(steps) == {10, 15}
    assert len(steps) > 60 and steps.count(10) > 40


class InterruptError(BaseException):
    """As KeyboardInterrupt, which can come before any line."""


# A file that is being opened when it comes is closed by nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_before_every_line_of_a_save(begun, state, tmp_path):
    """The same after an error, whose cleaning up runs."""
    problems, steps, ended = len(find_checkpoint(begun)[1]), [], False
    while not ended:
        folder = shutil.copytree(begun, tmp_path / str(len(steps)))
        lines = iter(range(len(steps), -1, -1))

        def interrupt(lines=lines):
            if next(lines) == 0:
                raise InterruptError

        fill(state, 15)
        try:
            before_every_line(interrupt, lambda here=folder: save_checkpoint(here, 15, state, {}))
            ended = True
        except InterruptError:
            pass
        step, problems_left = step_left(folder, state)
        assert problems_left <= problems
        steps.append(step)
    assert steps == sorted(steps) and set(steps) == {10, 15}
    assert len(steps) > 60 and steps.count(10) > 40


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("room", [0, 100, 250])
def test_a_full_disk_leaves_the_old_one_whole(state, tmp_path, room):
    """A real refusal by the operating system, at three places of the file."""
    import resource

    fill(state, 1)
    save_checkpoint(tmp_path, 5, state, {})
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, former[1]))
    try:
        with pytest.raises(KbertError, match=r"step 10 could not be saved .*File too large"):
            save_checkpoint(tmp_path, 10, state, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert names(tmp_path) == ["step-00000005"]
    assert find_checkpoint(tmp_path)[0].step == 5


def test_a_state_with_nan_is_not_saved(state, tmp_path):
    save_checkpoint(tmp_path, 5, state, {})
    state["model.001.bias"].assign(np.array([1.0, np.nan, 1.0], "float32"))
    with pytest.raises(KbertError, match=r"model.001.bias holds numbers that are not finite"):
        save_checkpoint(tmp_path, 10, state, {})
    assert names(tmp_path) == ["step-00000005"]


def test_another_model_is_refused_before_anything_is_changed(small, tmp_path):
    save_checkpoint(tmp_path, 5, state_of(compiled(small)), {})
    found, _ = find_checkpoint(tmp_path)
    for changes, complaint in (
        ({"intermediate_size": 24}, r"widen/kernel is \(12, 20\), not \(12, 24\)"),
        ({"num_hidden_layers": 1}, "variables differ by name"),
        ({"vocab_size": 41}, r"token_table is \(40, 12\), not \(41, 12\)"),
    ):
        other = state_of(compiled(small, **changes))
        before = [number(variable).tobytes() for variable in other.values()]
        with pytest.raises(KbertError, match=complaint):
            restore(found, other)
        assert before == [number(variable).tobytes() for variable in other.values()]
    with pytest.raises(KbertError, match="another model"):
        restore(found, state_of(compiled(small, BertForMaskedLM, "masked-lm")))


def test_other_kinds_of_numbers_are_refused(state, tmp_path):
    save_checkpoint(tmp_path, 5, state, {})
    found, _ = find_checkpoint(tmp_path)
    state["model.001.bias"] = keras.Variable(np.zeros(3, "int32"), dtype="int32", trainable=False)
    with pytest.raises(KbertError, match=r"model.001.bias has numbers of F32, not I32"):
        restore(found, state)


def test_hidden_files_of_others_are_left_alone(state, tmp_path):
    (tmp_path / "checkpoints" / ".mine").mkdir(parents=True)
    (tmp_path / "checkpoints" / ".DS_Store").write_bytes(b"Finder's")
    for name in (".step-00000001", ".old-step-00000002", ".damaged-step-00000003"):
        (tmp_path / "checkpoints" / name).mkdir()
    save_checkpoint(tmp_path, 5, state, {})
    assert names(tmp_path) == [".DS_Store", ".mine", "step-00000005"]


def test_what_a_user_keeps_beside_the_checkpoints_stays_and_stops_nothing(state, tmp_path):
    mine = ["step-best", "step-00000010-backup", "step-000000010", "step-1", ".step-note"]
    mine += ["Step-00000001", ".old-step-mine", ".damaged-step-0000001"]
    files = ["step-note.txt", "step-99999999", ".step-00000002", "notes.md"]
    folder = tmp_path / "checkpoints"
    for name in mine:
        (folder / name).mkdir(parents=True)
        (folder / name / "kept").touch()
    for name in files:
        (folder / name).write_text("mine")
    for step in (5, 10, 15):
        fill(state, step)
        save_checkpoint(tmp_path, step, state, {})
    left = sorted([*mine, *files, "step-00000010", "step-00000015"])
    assert names(tmp_path) == left
    assert all((folder / name / "kept").exists() for name in mine)
    found, problems = find_checkpoint(tmp_path)
    assert (found.step, problems) == (15, [])
