"""Added tokens and their flags beside transformers: ids, offsets, decoding, files in and out."""

import itertools
import json
import unicodedata

import numpy as np
import pytest
from tokenizers import AddedToken

from kbert import KbertError, Tokenizer

transformers = pytest.importorskip("transformers")

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 에 나 너 a ##b b covid - 19 x ##y . 漢 é e".split()
)
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
TOKENS = ["[E1]", "COVID-19", "<subj>", "é!", "ing", "漢字", "나"]
TEXTS = [
    "[E1]국회에[E1] 나 COVID-19에 covid-19 Covid-19x <subj>국회</subj> <SUBJ> a\n[E1]\t b",
    "going ing, ING. (ing) ing국회 국회ing ing_ing ing-ing  ing  \n ing",
    "é! É! e\u0301! E\u0301!x 漢字 a漢字b 漢 字 나 낙 나너 너나 ᄂ [E\u200b1] covid\u200b-19",
    "  <subj>  <subj><subj>   <subj>  나  나 ",
    "", " ", "[MASK]에 [MASK] [E1][MASK] [UNK]COVID-19[SEP]",
]  # fmt: skip
EVERY_FLAG = [
    dict(zip(FLAGS, values, strict=True)) for values in itertools.product([False, True], repeat=5)
]


def theirs_of(words, tokens, **settings):
    """transformers' own, with the tokens added to it; they are in its vocabulary."""
    theirs = transformers.BertTokenizer({word: i for i, word in enumerate(words)}, **settings)
    theirs.add_tokens(tokens)
    return theirs


def check_same(ours, theirs, texts):
    """Ids, offsets, words and decoded texts, by the engine, by numpy, and in pairs."""
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    expected = theirs(texts).encodings
    asked = {"return_offsets": True, "return_word_ids": True}
    for copies in (1, 2500 // len("".join(texts)) + 8):
        batch = ours(texts * copies, **asked)
        for row, encoding in enumerate(expected):
            size = len(encoding.ids)
            row += len(texts) * (copies - 1)
            assert batch["input_ids"][row, :size].tolist() == encoding.ids
            assert not batch["attention_mask"][row, size:].any()
            spans = [tuple(span) for span in batch["offsets"][row, :size].tolist()]
            assert spans == encoding.offsets
            words = [-1 if word is None else word for word in encoding.word_ids]
            assert batch["word_ids"][row, :size].tolist() == words
        ids = ours.encode(texts * copies)[-len(texts) :]
        assert ids == [encoding.ids[1:-1] for encoding in expected]
    added = theirs.added_tokens_decoder.values()
    # In `tokenizers` a special token that cleaning changes is not left out; in ours it is.
    is_silent = not any(token.special and token.normalized for token in added)
    for encoding in expected:
        for skip in (False, True) if is_silent else (False,):
            text = theirs.decode(encoding.ids, skip_special_tokens=skip)
            assert ours.decode(encoding.ids, skip_special_tokens=skip) == text


@pytest.fixture
def in_bulk(monkeypatch):
    """Whatever is longer than one copy of the texts is numpy's."""
    monkeypatch.setattr("kbert.text.encoding.encoder.MAKE_BULK_FROM", 2500)


@pytest.mark.usefixtures("in_bulk")
@pytest.mark.parametrize(("lowercase", "strip_accents"), [(False, False), (True, None)])
@pytest.mark.parametrize(
    "flags", EVERY_FLAG, ids=lambda flags: "-".join(f for f in FLAGS if flags[f])
)
def test_every_flag_as_transformers(flags, lowercase, strip_accents):
    words = [*WORDS, *(token for token in TOKENS if token not in WORDS)]
    tokens = [AddedToken(token, **flags) for token in TOKENS]
    settings = {"strip_accents": strip_accents}
    ours = Tokenizer(words, lowercase=lowercase, added_tokens=tokens, **settings)
    check_same(ours, theirs_of(words, tokens, do_lower_case=lowercase, **settings), TEXTS)


@pytest.mark.usefixtures("in_bulk")
@pytest.mark.parametrize("lowercase", [False, True])
def test_a_text_is_a_token_as_add_tokens_makes_it(lowercase, random_strings):
    words = [*WORDS, *(token for token in TOKENS if token not in WORDS)]
    ours = Tokenizer(words, lowercase=lowercase, strip_accents=None, added_tokens=TOKENS)
    assert ours.added_tokens == tuple(TOKENS)
    theirs = theirs_of(words, TOKENS, do_lower_case=lowercase)
    mixed = [f"{s[:9]}{TOKENS[i % 7]}{s[9:]}" for i, s in enumerate(random_strings(300, seed=8))]
    check_same(ours, theirs, [*TEXTS, *mixed])


def test_uncased_by_hand():
    words = [*WORDS, "COVID-19"]
    tokenizer = Tokenizer(words, lowercase=True, added_tokens=["COVID-19"])
    assert tokenizer.tokenize("covid-19에 Covid-19") == ["COVID-19", "에", "COVID-19"]
    as_written = {"content": "COVID-19", "normalized": False}
    tokenizer = Tokenizer(words, lowercase=True, added_tokens=[as_written])
    assert tokenizer.tokenize("covid-19 COVID-19") == ["covid", "-", "19", "COVID-19"]


@pytest.mark.parametrize("copies", [1, 1000])
def test_tokens_with_spaces_and_lines(copies):
    """Also where texts stand one behind the other, with a line break between two."""
    tokens = [{"content": token, "normalized": False} for token in ("두 말", "a\nb", "나\n", "[M")]
    words = [*WORDS, "두 말", "a\nb", "나\n", "[M"]
    tokenizer = Tokenizer(words, added_tokens=tokens)
    texts = ["국회두 말에a\nb [MASK][M나\n나", "b a", "b", "나"] * copies
    found = [[tokenizer.token(i) for i in ids] for ids in tokenizer.encode(texts)[-4:]]
    assert found[0] == ["국회", "두 말", "에", "a\nb", "[MASK]", "[M", "나\n", "나"]
    assert found[1:] == [["b", "a"], ["b"], ["나"]]


def test_white_space_that_a_token_takes_along_is_in_no_other_eojeol():
    entries = [{"content": "[MASK]", "lstrip": True, "rstrip": True}]
    tokenizer = Tokenizer(WORDS, added_tokens=entries)
    text = " [MASK] 에  나 [MASK]\n에"
    for copies in (1, 2000):
        batch = tokenizer([text] * copies, return_offsets=True, return_eojeol_ids=True)
        slices = [text[a:b] for a, b in batch["offsets"][-1].tolist()[1:-1]]
        assert slices == [" [MASK] ", "에", "나", " [MASK]\n", "에"]
        assert batch["eojeol_ids"][-1].tolist() == [-1, 0, 1, 2, 3, 4, -1]
    glued = tokenizer(text, glued_to_mask="continuation")["input_ids"]  # but nothing is
    np.testing.assert_array_equal(glued, tokenizer(text)["input_ids"])


@pytest.mark.usefixtures("in_bulk")
@pytest.mark.parametrize("flags", EVERY_FLAG[::3])
def test_unigram_models_in_numpy_as_by_the_engine(flags, random_strings):
    """With XLM-RoBERTa's `<mask>`, which takes the space before it along."""
    pieces = [*WORDS, *TOKENS[:-2], "▁", "▁나", "회", "국"]
    tokens = [AddedToken(token, **flags) for token in TOKENS[:-2]]
    tokens.append(AddedToken("[MASK]", lstrip=True, normalized=False))
    scores = [-float(i) for i in range(len(pieces))]
    tokenizer = Tokenizer(pieces, scores=scores, lowercase=True, added_tokens=tokens)
    texts = [*TEXTS, *(f"{s[:9]}[E1]{s[9:]} ing" for s in random_strings(200, seed=6))]
    for columns in ([], ["offsets", "word_ids"]):
        alone = [tokenizer.encode_pieces([text], columns) for text in texts]
        many = tokenizer.encode_pieces(texts, columns)
        assert many.ids.tolist() == [i for each in alone for i in each.ids.tolist()]
        for name, column in many.columns.items():
            assert column.tolist() == [i for each in alone for i in each.columns[name].tolist()]


# Files.

ENTRIES = [
    "[E1]",
    {"content": "COVID-19", "single_word": True},
    {"content": "<subj>", "special": True},
    {"content": "[MASK]", "lstrip": True, "special": True},
    {"content": "ing", "lstrip": True, "rstrip": True},
]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("more", [{}, {"roberta_pairs": True}])
def test_there_and_back(tmp_path, lowercase, more):
    words = [*WORDS, "[E1]", "COVID-19", "<subj>", "ing"]
    ours = Tokenizer(words, lowercase=lowercase, added_tokens=ENTRIES, **more)
    ours.save(tmp_path / "ours")
    again = Tokenizer.from_file(tmp_path / "ours")
    assert again.settings == ours.settings and again.settings["added_tokens"] == ENTRIES
    ours.save_huggingface(tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    check_same(ours, theirs, TEXTS)
    theirs.save_pretrained(tmp_path / "back")
    (tmp_path / "alone").mkdir()
    (tmp_path / "out" / "tokenizer.json").rename(tmp_path / "alone" / "tokenizer.json")
    for name in ("out", "back", "alone/tokenizer.json"):  # "out": vocab.txt and what is said of it
        again = Tokenizer.from_file(tmp_path / name)
        if name == "out" and more:
            continue  # only tokenizer.json says how pairs are joined
        check_same(again, theirs, TEXTS)
        by_text = {str(entry): entry for entry in again.settings["added_tokens"]}
        assert by_text == {str(entry): entry for entry in ENTRIES}


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{w}\n" for w in WORDS), encoding="utf-8")
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


LSTRIP = {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": True}
WITH_TYPE = {"__type": "AddedToken", "single_word": False, "special": True, **LSTRIP}
MORE = WITH_TYPE | {"content": "<o>"}


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config": {"mask_token": WITH_TYPE}},
        {"special_tokens_map": {"mask_token": LSTRIP}},
        {"special_tokens_map": {"additional_special_tokens": ["[E1]", "[E2]"]}},
        {"tokenizer_config": {"additional_special_tokens": ["[E1]", MORE]}},
        {"added_tokens": {"[E2]": len(WORDS), "[E1]": len(WORDS) + 1}},
        {
            "added_tokens": {"[E2]": len(WORDS), "COVID-19": len(WORDS) + 1},
            "special_tokens_map": {"extra_special_tokens": ["[E2]"], "mask_token": LSTRIP},
        },
        {
            "tokenizer_config": {
                "added_tokens_decoder": {
                    "4": {**LSTRIP, "single_word": True, "special": True},
                    str(len(WORDS)): {"content": "COVID-19", "normalized": True, "rstrip": True},
                },
                "mask_token": "[MASK]",
            },
            "special_tokens_map": {"mask_token": {"content": "[MASK]", "rstrip": True}},
            "added_tokens": {"COVID-19": len(WORDS)},
        },
    ],
    ids=lambda files: "+".join(files),
)  # fmt: skip
def test_flags_of_older_files_as_transformers_reads_them(tmp_path, files):
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    files = {**files, "tokenizer_config": config | files.get("tokenizer_config", {})}
    folder = write(tmp_path / "x", **files)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer.from_file(folder)
    assert len(ours) == len(theirs)
    check_same(ours, theirs, [*TEXTS, "나 [E1][E2]  [E2] <o> [MASK] x covid-19  COVID-19 "])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("국회", "not the text '국회'"),
        ({"content": "국회"}, "not dict"),
        (5, "not int 5"),
        ([5], "not empty, not 5"),
        ([""], "not empty, not ''"),
        ([{"content": "국회", "strip": True}], "not 'strip'"),
        ([{"content": "국회", "lstrip": 1}], "lstrip of '국회' is true or false, not 1"),
        (["국회", {"content": "국회"}], "'국회' is given twice"),
        (["\u200b"], "has nothing that cleaning leaves"),
    ],
)
def test_what_is_no_added_token(entries, message):
    with pytest.raises(KbertError, match=message):
        Tokenizer([*WORDS, "\u200b"], added_tokens=entries)


def test_many_added_tokens():
    """28,000 of them, some within others: read, found and written in linear time."""
    tokens = [f"[토큰{number}]" for number in range(28_000)]
    tokenizer = Tokenizer([*WORDS, *tokens], added_tokens=tokens)
    texts = [f"국회에 {tokens[i]}나{tokens[-i]}" for i in range(1, 2000)]
    expected = [[5, 6, len(WORDS) + i, 8, len(WORDS) + 28_000 - i] for i in range(1, 2000)]
    assert tokenizer.encode(texts) == expected
    assert tokenizer.encode(texts[:3]) == expected[:3]
