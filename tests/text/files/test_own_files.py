"""What `Tokenizer.save` writes, and what stands in its place in a file from a stranger."""

import errno
import json
import warnings
import zipfile
from pathlib import Path

import pytest

from kbert import KbertError, Tokenizer
from kbert.text.files import own_files

GOLDEN = Path(__file__).parents[2] / "golden" / "format-1.keras"
NAMES = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}


def test_everything_is_kept(tmp_path):
    ours = Tokenizer(
        [*NAMES.values(), "ab", "<E>"],
        lowercase=True,
        strip_accents=None,
        split_cjk=False,
        special_tokens=NAMES,
        added_tokens=["<E>"],
        roberta_pairs=True,
        form="NFKD",
        rules=["width", "fillers"],
        scores=[0, 0, 0, 0, 0, -1.25, -0.1],
    )
    ours.save(tmp_path)
    again = Tokenizer.from_file(tmp_path)
    assert again.settings == ours.settings and len(ours.settings) == 8
    assert (again.scores, again.vocabulary) == (ours.scores, ours.vocabulary)


def test_a_plain_bert_is_written_as_before(tmp_path, tokenizer):
    """So that an older kbert reads it."""
    tokenizer.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"vocab.txt", "tokenizer_settings.json"}
    saved = json.loads((tmp_path / "tokenizer_settings.json").read_text(encoding="utf-8"))
    assert saved == {"lowercase": False, "strip_accents": False, "split_cjk": True}


@pytest.mark.parametrize("name", own_files.TOKENIZER_FILES)
def test_files_that_are_too_large(tmp_path, name):
    Tokenizer([*NAMES.values()], special_tokens=NAMES, scores=[0.0] * 5).save(tmp_path / "a")
    most = own_files.MOST_BYTES[name]
    assert most <= 1 << 24
    (tmp_path / "a" / name).write_bytes(b" " * (most + 1))
    with pytest.raises(KbertError, match=f"{name} has more than {most:,} bytes"):
        Tokenizer.from_file(tmp_path / "a")
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"assets/{name}", b" " * (most + 1))
    with pytest.raises(KbertError, match=f"{name} is larger than {most:,} bytes"):
        Tokenizer.from_file(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("full_from", [0, 1, 2])
@pytest.mark.parametrize("save", [Tokenizer.save, Tokenizer.save_huggingface])
def test_a_full_disk_leaves_the_former_tokenizer(tmp_path, monkeypatch, save, full_from):
    former = Tokenizer([*NAMES.values(), "ab", "cd"], special_tokens=NAMES, scores=[0.0] * 7)
    other = Tokenizer([*NAMES.values(), "국"], special_tokens=NAMES, scores=[-1.0] * 6)
    save(former, tmp_path)
    before, written = contents(tmp_path), []

    def sync(descriptor):
        written.append(descriptor)
        if len(written) > full_from:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(KbertError, match=r"tokenizer could not be written: .*No space left"):
        save(other, tmp_path)
    assert len(written) == full_from + 1
    assert contents(tmp_path) == before
    with pytest.raises(KbertError, match="could not be written"):
        save(other, tmp_path / "vocab.txt" / "in")


def test_what_a_killed_save_left_goes(tmp_path, tokenizer):
    left = [".vocab-0a1b2c3d.txt", ".tokenizer_settings-00000000.json"]
    kept = [".vocab-notes.txt", ".other-0a1b2c3d.txt", "notes.txt"]
    for name in left + kept:
        (tmp_path / name).write_text("x")
    tokenizer.save(tmp_path)
    files = {"vocab.txt", "tokenizer_settings.json"}
    assert {path.name for path in tmp_path.iterdir()} == {*files, *kept}


def test_wordpiece_where_a_unigram_model_stood(tmp_path, tokenizer):
    Tokenizer([*NAMES.values()], special_tokens=NAMES, scores=[0.0] * 5).save(tmp_path)
    tokenizer.save(tmp_path)
    again = Tokenizer.from_file(tmp_path)
    assert again.scores is None and again.vocabulary == tokenizer.vocabulary


def test_from_a_keras_file(tmp_path):
    tokenizer = Tokenizer.from_file(GOLDEN)
    assert tokenizer.lowercase and tokenizer.tokenize("축구는") == ["축구", "##는"]
    path = tmp_path / "x.keras"

    def write(members, compression=zipfile.ZIP_STORED):
        with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that stands twice
            for name, data in members:
                archive.writestr(name, data)
        return path

    words = "\n".join(tokenizer.vocabulary).encode()
    assert len(Tokenizer.from_file(write([("assets/bert/vocab.txt", words)]))) == len(tokenizer)
    for members, compression, message in (
        ([("config.json", b"{}")], zipfile.ZIP_STORED, "without a tokenizer"),
        ([("elsewhere/vocab.txt", words)], zipfile.ZIP_STORED, "without a tokenizer"),
        ([("assets/vocab.txt", words)] * 2, zipfile.ZIP_STORED, "twice"),
        ([("assets/vocab.txt", words)], zipfile.ZIP_DEFLATED, "compressed"),
        ([("assets/vocab.txt", b"\xff")], zipfile.ZIP_STORED, "not UTF-8"),
        ([("assets/tokenizer_settings.json", b"{}")], zipfile.ZIP_STORED, "no vocab.txt"),
    ):
        with pytest.raises(KbertError, match=message):
            Tokenizer.from_file(write(members, compression))
    path.write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(KbertError, match="not a zip file, or a damaged one"):
        Tokenizer.from_file(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer_settings.json", "[]", "expected a JSON object"),
        ("tokenizer_settings.json", "[" * 100_000, "not JSON"),
        ("tokenizer_settings.json", '{"lowercase": null}', "lowercase cannot be None"),
        ("tokenizer_settings.json", '{"lowercase": 1}', "lowercase cannot be 1"),
        ("tokenizer_settings.json", '{"scores": [1]}', "got 'scores'"),
        ("tokenizer_settings.json", '{"rules": ["x"]}', "rules are some of"),
        ("tokenizer_settings.json", '{"form": "NFC "}', "form is one of"),
        ("tokenizer_settings.json", '{"special_tokens": {"cls": 5}}', "special_tokens cannot be"),
        ("tokenizer_settings.json", '{"added_tokens": [5]}', "added_tokens: .* not 5"),
        ("tokenizer_settings.json", '{"added_tokens": 5}', "added_tokens cannot be 5"),
        ("tokenizer_settings.json", '{"added_tokens": [{"id": 5}]}', "not {'id': 5}"),
        ("tokenizer_settings.json", '{"added_tokens": [{"content": "국", "a": 1}]}', "not 'a'"),
        ("tokenizer_settings.json", '{"added_tokens": [{"content": "국", "lstrip": 1}]}', "not 1"),
        ("tokenizer_settings.json", '{"added_tokens": ["국", "국"]}', "'국' is given twice"),
        ("unigram.json", "{}", "expected scores and charsmap"),
        ("unigram.json", '{"scores": [], "charsmap": ""}', "0 scores do not belong"),
        ("unigram.json", '{"scores": [], "charsmap": 5}', "not base64"),
        ("unigram.json", '{"scores": [NaN], "charsmap": ""}', "NaN is no number"),
        ("unigram.json", f'{{"scores": [{10**400}], "charsmap": ""}}', "is no number"),
        ("vocab.txt", "국회\n", "has no"),
    ],
)
def test_damaged_files(tmp_path, tokenizer, name, content, message):
    tokenizer.save(tmp_path)
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(KbertError, match=message):
        Tokenizer.from_file(tmp_path)
