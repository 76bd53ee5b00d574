"""Hugging Face's files, written by transformers and read by kbert, and the other way round."""

import itertools
import json
import time
import unicodedata

import pytest

from kbert import KbertError, Tokenizer

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def texts(random_strings):
    return [unicodedata.normalize("NFC", text) for text in random_strings(150, seed=5)]


FLAGS = list(itertools.product([False, True], [None, False, True], [True, False]))


@pytest.mark.parametrize(("lowercase", "strip_accents", "split_cjk"), FLAGS)
def test_there_and_back(tmp_path, vocabulary, texts, lowercase, strip_accents, split_cjk):
    ours = Tokenizer(
        vocabulary, lowercase=lowercase, strip_accents=strip_accents, split_cjk=split_cjk
    )
    ours.save_huggingface(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert type(theirs).__name__ == "BertTokenizer"
    for name, array in ours(texts, texts[::-1]).items():
        assert theirs(texts, texts[::-1], padding=True)[name] == array.tolist()
    again = Tokenizer.from_file(tmp_path)
    assert again.vocabulary == vocabulary and again.settings == ours.settings
    theirs.save_pretrained(tmp_path / "theirs")
    again = Tokenizer.from_file(tmp_path / "theirs")
    assert again.vocabulary == vocabulary and again.settings == ours.settings


@pytest.mark.parametrize(
    "settings",
    [
        {"form": "NFKD"},
        {"rules": ["middle_dots", "fillers", "width"]},
        {"roberta_pairs": True},
        {"added_tokens": ["국", "회"], "lowercase": True},
        {"special_tokens": {"mask": "국", "cls": "회"}},
    ],
)
def test_settings_beyond_bert(tmp_path, vocabulary, texts, settings):
    vocabulary = list(dict.fromkeys([*vocabulary, "국", "회"]))
    ours = Tokenizer(vocabulary, **settings)
    ours.save_huggingface(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [*texts, "국회ㆍ정부 국회", "ＡＢＣ\u3164ﾻ"]
    expected = theirs(texts, texts[::-1], padding=True)
    for name, array in ours(texts, texts[::-1]).items():
        assert expected[name] == array.tolist()
    assert Tokenizer.from_file(tmp_path).settings == ours.settings
    # A unigram model has the same steps before its own.
    unigram = Tokenizer(vocabulary, scores=[-9.0] * len(vocabulary), **settings)
    unigram.save_huggingface(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert unigram.encode(texts) == theirs(texts, add_special_tokens=False)["input_ids"]
    assert Tokenizer.from_file(tmp_path).settings == unigram.settings


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        (folder / f"{name}.{'txt' if name == 'vocab' else 'json'}").write_text(text, "utf-8")
    return folder


WORDS = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n국회\n##에\n"


def test_null_means_as_lowercase(tmp_path):
    """And no word about lowercasing means to lowercase, as in transformers."""
    config = {"do_lower_case": True, "strip_accents": None}
    folder = write(tmp_path, vocab=WORDS, tokenizer_config=config)
    assert Tokenizer.from_file(folder).settings == {
        "lowercase": True, "strip_accents": None, "split_cjk": True,
    }  # fmt: skip
    write(tmp_path, tokenizer_config={"do_lower_case": True, "strip_accents": False})
    assert Tokenizer.from_file(folder).tokenize("국회에") == ["국회", "##에"]  # kykim
    write(tmp_path, tokenizer_config={"tokenize_chinese_chars": False})
    settings = Tokenizer.from_file(folder).settings
    assert settings == {"lowercase": True, "strip_accents": None, "split_cjk": False}
    assert Tokenizer.from_file(folder, lowercase=False).lowercase is False
    assert Tokenizer.from_file(write(tmp_path / "bare", vocab=WORDS)).lowercase is False


def test_special_and_added_tokens_of_files(tmp_path):
    words = "[CLS]\n[PAD]\n[SEP]\n[UNK]\n[MASK]\n국회\n"
    config = {"do_lower_case": False, "added_tokens_decoder": {"4": {"content": "[MASK]"}}}
    folder = write(tmp_path / "a", vocab=words, tokenizer_config=config)
    assert Tokenizer.from_file(folder).special_ids == (1, 3, 0, 2, 4)
    write(folder, added_tokens={"<E>": 6}, special_tokens_map={"mask_token": {"content": "국회"}})
    tokenizer = Tokenizer.from_file(folder)
    assert tokenizer.mask_token == "국회" and set(tokenizer.added_tokens) == {"[MASK]", "<E>"}
    assert tokenizer.tokenize("국회<E>") == ["국회", "<E>"]
    write(folder, added_tokens={"<E>": 8})
    with pytest.raises(KbertError, match="'<E>' has id 8, where the vocabulary of 6 tokens has"):
        Tokenizer.from_file(folder)


def changed(path, **changes):
    whole = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        target, key = (whole[outer], inner) if inner else (whole, outer)
        target[key] = value
    path.write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": 5}, "model is an object"),
        ({"model__type": "WordLevel"}, "'WordLevel'; kbert has WordPiece, Unigram and BPE"),
        ({"model__vocab": ["[PAD]"]}, "vocab is an object"),
        ({"model__vocab": {"[PAD]": 0, "[UNK]": 2}}, "do not go from 0 to 1"),
        ({"model__vocab": {"[PAD]": "0"}}, "do not go from 0"),
        ({"model__vocab": {"[PAD]": [0], "[UNK]": "a", "[CLS]": {}}}, "do not go from 0 to 2"),
        ({"model__vocab": {"\ud800": 0}, "added_tokens": []}, "surrogate"),
        ({"model__vocab": {}, "added_tokens": []}, "has no"),
        ({"model__continuing_subword_prefix": "@@"}, "'@@'"),
        ({"model__max_input_chars_per_word": 9}, "'9'|at most 9"),
        ({"normalizer": None}, r"steps \[\]"),
        ({"normalizer": {"type": "NFKC"}}, "NFKC"),
        ({"normalizer": {"type": "Sequence", "normalizers": 3}}, "a list of normalizers"),
        ({"normalizer__clean_text": False}, "does not clean"),
        ({"normalizer__lowercase": "yes"}, "lowercase is true, false or null"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "Whitespace"),
        ({"added_tokens": 7}, "added_tokens is a list"),
        ({"added_tokens": [{"id": 99, "content": "x"}]}, "id 99"),
        ({"added_tokens": [{"id": float("inf"), "content": "x"}]}, "Infinity is no number"),
        ({"added_tokens": [{"id": "a", "content": "x"}]}, "are numbers"),
        ({"added_tokens": [{"id": 5, "content": None}]}, "not empty"),
    ],
)
def test_tokenizer_json_that_is_not_ours(tmp_path, changes, message):
    Tokenizer(WORDS.split()).save_huggingface(tmp_path)
    path = tmp_path / "tokenizer.json"
    changed(path, **changes)
    with pytest.raises(KbertError, match=message):
        Tokenizer.from_file(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__vocab": {"a": 1}}, r"list of \[piece, score\]"),
        ({"model__vocab": [["a"]]}, r"list of \[piece, score\]"),
        ({"model__unk_id": 99}, "unk_id"),
        ({"model__byte_fallback": True}, "falls back to bytes"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "%"}}, "base64"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "damaged"),
        ({"normalizer": {"type": "Prepend"}}, r"the steps \['Prepend'\]"),
        ({"normalizer": {"type": "NFKC"}}, r"the steps \['NFKC'\]"),
        ({"normalizer": {"type": "Replace", "pattern": {"String": "a"}}}, "the steps"),
        ({"pre_tokenizer": {"type": "Digits"}}, "Digits"),
    ],
)
def test_unigram_json_that_is_not_ours(tmp_path, changes, message):
    words = WORDS.split()
    Tokenizer(words, scores=[-1.0] * len(words)).save_huggingface(tmp_path)
    path = tmp_path / "tokenizer.json"
    assert Tokenizer.from_file(path).scores == [-1.0] * len(words)
    changed(path, **changes)
    with pytest.raises(KbertError, match=message):
        Tokenizer.from_file(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no tokenizer"),
        ({"vocab": ""}, "empty"),
        ({"vocab": "\n\n\n"}, "empty"),
        ({"vocab": WORDS, "tokenizer_config": "{"}, "not JSON"),
        ({"vocab": WORDS, "tokenizer_config": "[" * 100_000}, "not JSON"),
        ({"vocab": WORDS, "tokenizer_config": []}, "expected a JSON object"),
        ({"vocab": WORDS, "tokenizer_config": {"do_lower_case": 1}}, "do_lower_case is true"),
        ({"vocab": WORDS, "tokenizer_config": {"cls_token": 3}}, "cls_token is a text"),
        ({"vocab": WORDS, "tokenizer_config": {"cls_token": "<s>"}}, "has no <s>"),
        ({"vocab": WORDS, "tokenizer_config": {"added_tokens_decoder": 1}}, "is an object"),
        ({"vocab": WORDS, "added_tokens": {"x": "y"}}, "are numbers"),
    ],
)
def test_damaged_folders(tmp_path, files, message):
    with pytest.raises(KbertError, match=message):
        Tokenizer.from_file(write(tmp_path, **files))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("vocab.txt", 1 << 24),
        ("tokenizer.json", 20 << 20),
        ("spiece.model", 1 << 24),
        ("tokenizer_config.json", 1 << 24),
        ("special_tokens_map.json", 1 << 24),
        ("added_tokens.json", 1 << 24),
    ],
)
def test_files_that_are_too_large(tmp_path, name, most):
    folder = write(tmp_path, vocab=WORDS)
    (folder / name).write_bytes(b" " * (most + 1))
    with pytest.raises(KbertError, match=f"{name} has more than {most:,} bytes"):
        Tokenizer.from_file(folder)


def seconds(call) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def test_many_added_tokens_are_read_in_linear_time(tmp_path):
    """28,000 of them, in both files that may name them: 28,000 times 28,000 looks take 10 s."""
    words = WORDS.split()
    tokens = [f"[토큰{number}]" for number in range(28_000)]
    Tokenizer([*words, *tokens], added_tokens=tokens).save_huggingface(tmp_path)
    assert seconds(lambda: Tokenizer.from_file(tmp_path)) < 4
    assert Tokenizer.from_file(tmp_path).added_tokens == tuple(tokens)


def test_many_steps_are_read_in_linear_time(tmp_path):
    """Each but the first was moved to the front of the list, one by one; 200,000 took 10 s."""
    step = {"type": "Replace", "content": " "}
    steps = [{**step, "pattern": {"String": chr(0x10000 + i)}} for i in range(150_000)]
    whole = {
        "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}},
        "normalizer": {"type": "Sequence", "normalizers": steps},
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")

    def read():
        with pytest.raises(KbertError, match="kbert's are BertNormalizer"):
            Tokenizer.from_file(path)

    assert seconds(read) < 5


@pytest.mark.parametrize("content", ["Ａ", "B"])
def test_a_step_that_stands_twice_is_not_ours(tmp_path, content):
    """ＡＢ becomes what the first step made of it; the second finds none."""
    Tokenizer(WORDS.split(), rules=["width"]).save_huggingface(tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    steps = whole["normalizer"]["normalizers"]
    steps.insert(1, {**steps[0], "content": content})
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(KbertError, match="the steps"):
        Tokenizer.from_file(path)


def test_windows_line_ends(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(WORDS.replace("\n", "\r\n").encode())
    assert Tokenizer.from_file(tmp_path / "vocab.txt").tokenize("국회에") == ["국회", "##에"]
