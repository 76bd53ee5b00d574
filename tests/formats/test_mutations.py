"""Good files with random damage: refused by a KbertError, or read as the very same thing.

pytest does 2,000 of each on PyTorch, and 200 on the other backends: the checks are the same on all.
The long run takes some minutes:

    KERAS_BACKEND=torch python tests/formats/test_mutations.py 10000 100000
"""

import io
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForPreTraining, BertForSequenceClassification, KbertError
from kbert.formats.readers.safetensors import open_safetensors
from tests.conftest import SMALL, WORDS
from tests.formats import hostile_checkpoints
from tests.formats.wrong_values import with_one_change

pytestmark = pytest.mark.once  # what is refused is refused before a backend has it

MANY = keras.backend.backend() == "torch"
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, *b'"\\{}[]:,0919-.eE/PK')
MOST_SECONDS = 2.0  # of work, for one file


def damaged(data: bytes, rng: np.random.Generator, places: np.ndarray) -> bytes:
    """One to three accidents, at places drawn from those given."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place = min(int(rng.choice(places)), len(changed) - 1)
        length = int(rng.integers(1, 9))
        match rng.integers(7):
            case 0 | 1:
                changed[place] ^= 1 << int(rng.integers(8))
            case 2:
                changed[place] = int(rng.choice(INTERESTING))
            case 3:
                changed[place : place + length] = rng.bytes(length)
            case 4:
                del changed[place : place + length]
            case 5:
                changed[place:place] = rng.bytes(length)
            case 6:
                changed[place:place] = changed[place : place + 8 * length]
        if not changed:
            break
    if rng.integers(20) == 0:
        del changed[int(rng.integers(len(changed) + 1)) :]
    return bytes(changed)


def good_keras_file(path: Path) -> bytes:
    model = BertForPreTraining(**SMALL)
    model.tokenizer = kbert.Tokenizer(WORDS)
    model.save(path)
    return path.read_bytes()


def telling_places(data: bytes) -> np.ndarray:
    """Half of all draws fall where a file describes itself: outside of the weights."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        weights = archive.getinfo("model.weights.h5")
    begin, end = weights.header_offset + 64, weights.header_offset + 30 + weights.file_size
    outside = np.concatenate([np.arange(begin), np.arange(end, len(data))])
    return np.concatenate([np.resize(outside, end - begin), np.arange(begin, end)])


def contents(model) -> tuple:
    """All that a loaded model is: its class, arguments, tokenizer and weights."""
    weights = [ops.convert_to_numpy(weight).tobytes() for weight in model.weights]
    return type(model), model.get_config(), vars(model.tokenizer).get("vocabulary"), weights


def mutate_keras(count: int, seed: int) -> dict[str, int]:
    """Damages a `.keras` file `count` times; returns how many were refused, and how many loaded."""
    rng = np.random.default_rng(seed)
    outcomes = {"refused": 0, "loaded": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        data = good_keras_file(path)
        expected, places = contents(kbert.load(path)), telling_places(data)
        for number in range(count):
            changed = damaged(data, rng, places)
            path.write_bytes(changed)
            started = time.process_time()
            try:
                model = kbert.load(path)
            except KbertError:
                outcomes["refused"] += 1
            else:
                outcomes["loaded"] += 1
                assert contents(model) == expected, f"mutation {number} of seed {seed}"
            assert time.process_time() - started < MOST_SECONDS
    return outcomes


def mutate_members(count: int, seed: int) -> dict[str, int]:
    """Damages what is in a `.keras` file, and gives it the right checksums again.

    Such a file may be good: another number is a number too. It is refused or loaded, no more.
    """
    rng = np.random.default_rng(seed)
    outcomes = {"refused": 0, "loaded": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        with zipfile.ZipFile(io.BytesIO(good_keras_file(path))) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        for _ in range(count):
            name = str(rng.choice(list(parts)))
            changed = damaged(parts[name], rng, np.arange(len(parts[name])))
            with zipfile.ZipFile(path, "w") as archive:
                for each, data in (parts | {name: changed}).items():
                    archive.writestr(each, data)
            started = time.process_time()
            try:
                kbert.load(path)
                outcomes["loaded"] += 1
            except KbertError:
                outcomes["refused"] += 1
            assert time.process_time() - started < MOST_SECONDS
    return outcomes


def good_safetensors_file() -> tuple[bytes, bytes]:
    """A header and the numbers of a file with tensors of several types and shapes."""
    rng = np.random.default_rng(0)
    header, numbers = {"__metadata__": {"format": "pt"}}, b""
    for index, (dtype, size) in enumerate([("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8)] * 3):
        shape = [int(rng.integers(1, 5)), int(rng.integers(1, 5))]
        data = rng.bytes(size * shape[0] * shape[1])
        span = [len(numbers), len(numbers) + len(data)]
        name = f"bert.encoder.layer.{index}.weight"
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        numbers += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text, numbers


def tensors(path: Path) -> dict:
    found = open_safetensors(path)
    return {
        (name, tensor.shape, tensor.dtype): tensor.read().tobytes()
        for name, tensor in found.items()
    }


def mutate_headers(count: int, seed: int) -> dict[str, int]:
    """Damages a safetensors header `count` times.

    The format has no checksum: a header with another name, shape or type can be a good one. But
    what is called as before must have the numbers that it had, and there are as many tensors.
    """
    rng = np.random.default_rng(seed)
    outcomes = {"refused": 0, "the same": 0, "other names, shapes or types": 0}
    header, numbers = good_safetensors_file()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(header + numbers)
        expected, places = tensors(path), np.arange(len(header))
        for number in range(count):
            path.write_bytes(damaged(header, rng, places) + numbers)
            started = time.process_time()
            try:
                found = tensors(path)
            except KbertError:
                outcomes["refused"] += 1
                continue
            finally:
                assert time.process_time() - started < MOST_SECONDS
            same = found.keys() == expected.keys()
            outcomes["the same" if same else "other names, shapes or types"] += 1
            for tensor in found.keys() & expected.keys():
                assert found[tensor] == expected[tensor], f"mutation {number} of seed {seed}"
            if not same:
                assert len(found) == len(expected)
    return outcomes


def mutate_checkpoints(count: int, seed: int) -> dict[str, int]:
    """Damages the header of a whole checkpoint; what is not as before must be in the report."""
    rng = np.random.default_rng(seed)
    outcomes = {"refused": 0, "the same": 0, "loaded with a report": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = hostile_checkpoints.checkpoint()(Path(folder)) / "model.safetensors"
        data = path.read_bytes()
        size = 8 + int.from_bytes(data[:8], "little")
        numbers = rng.standard_normal((len(data) - size) // 4).astype("<f4").tobytes()
        path.write_bytes(data[:size] + numbers)
        expected = [ops.convert_to_numpy(weight).tobytes() for weight in kbert.load(folder).weights]
        for number in range(count):
            path.write_bytes(damaged(data[:size], rng, np.arange(size)) + numbers)
            started = time.process_time()
            try:
                model = kbert.load(folder)
            except KbertError:
                outcomes["refused"] += 1
                continue
            finally:
                assert time.process_time() - started < MOST_SECONDS
            found = [ops.convert_to_numpy(weight).tobytes() for weight in model.weights]
            reported = bool(model.load_report.new or model.load_report.unused)
            assert reported or found == expected, f"mutation {number} of seed {seed}"
            outcomes["loaded with a report" if reported else "the same"] += 1
    return outcomes


def change_folders(every: int) -> dict[str, int]:
    """Puts one wrong value into a JSON file of a checkpoint, for every value that it has.

    Of the tokenizer's files only the tokenizer is read, as `kbert.load` does it. Of all that could
    be tried one in `every` is.
    """
    outcomes = {"refused": 0, "loaded": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = BertForSequenceClassification(labels=["가", "나"], **SMALL)
        model.tokenizer = kbert.Tokenizer(WORDS)
        kbert.export_huggingface(model, folder)
        (folder / "added_tokens.json").write_text(json.dumps({"[MASK]": 4}))
        for path in sorted(folder.glob("*.json")):
            good = path.read_text(encoding="utf-8")
            load = kbert.load if path.name == "config.json" else kbert.Tokenizer.from_file
            for number, wrong in enumerate(with_one_change(json.loads(good))):
                if number % every:
                    continue
                path.write_text(json.dumps(wrong), encoding="utf-8")
                started = time.process_time()
                try:
                    load(folder)
                    outcomes["loaded"] += 1
                except KbertError as error:
                    outcomes["refused"] += 1
                    assert len(str(error)) < 2100 and "\x1b" not in str(error)
                assert time.process_time() - started < MOST_SECONDS
            path.write_text(good, encoding="utf-8")
    return outcomes


def test_folders_with_one_wrong_value():
    outcomes = change_folders(every=2 if MANY else 20)
    assert min(outcomes.values()) > 100 if MANY else min(outcomes.values()) > 0


def test_mutated_keras_files():
    count = 2000 if MANY else 200
    outcomes = mutate_keras(count, seed=1)
    assert sum(outcomes.values()) == count and outcomes["refused"] > 0.8 * count


def test_mutated_members():
    outcomes = mutate_members(100 if MANY else 20, seed=2)
    assert min(outcomes.values()) > 0


def test_mutated_safetensors_headers():
    outcomes = mutate_headers(2000 if MANY else 200, seed=3)
    assert outcomes["refused"] > 0 and outcomes["the same"] > 0


def test_mutated_checkpoints():
    outcomes = mutate_checkpoints(500 if MANY else 50, seed=4)
    assert outcomes["refused"] > 0


@pytest.mark.parametrize("seed", range(3))
def test_damage_is_damage(seed):
    data = bytes(range(256))
    changed = [damaged(data, np.random.default_rng(seed), np.arange(256)) for _ in range(2)]
    assert changed[0] == changed[1] != data


if __name__ == "__main__":
    keras_files, headers = map(int, sys.argv[1:])
    print(".keras files:", mutate_keras(keras_files, seed=10))
    print("their members, checksums mended:", mutate_members(keras_files // 10, seed=11))
    print("safetensors headers:", mutate_headers(headers, seed=12))
    print("those of checkpoints:", mutate_checkpoints(headers // 10, seed=13))
    print("JSON files of folders:", change_folders(every=1))
