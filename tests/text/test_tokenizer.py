import itertools
import os
import time
import unicodedata

import numpy as np
import pytest

from kbert import KbertError, Tokenizer

LECTURE = "[PAD] [UNK] [CLS] [SEP] [MASK] here is the sentence i want em ##bed ##ding ##s for ."


def test_the_lecture_splits_as_printed():
    tokenizer = Tokenizer(LECTURE.split())
    tokens = tokenizer.tokenize("here is the sentence i want embeddings for.")
    assert " ".join(tokens) == "here is the sentence i want em ##bed ##ding ##s for ."


@pytest.mark.real_data
def test_the_published_ids_of_klue(real_data):
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / "klue-bert-base.vocab.txt")
    ids = tokenizer("축구는 정말 재미있는 [MASK]다.")["input_ids"]
    assert ids.tolist() == [[2, 4713, 2259, 3944, 6001, 2259, 4, 809, 18, 3]]


def test_pair_by_hand(tokenizer):
    batch = tokenizer(["국민에게", "나"], ["법률을 의결한다.", "너"], return_offsets=True)
    tokens = [[tokenizer.token(i) for i in row] for row in batch["input_ids"].tolist()]
    assert tokens == [
        "[CLS] 국민 ##에게 [SEP] 법률 ##을 의결 ##한다 . [SEP]".split(),
        "[CLS] 나 [SEP] 너 [SEP] [PAD] [PAD] [PAD] [PAD] [PAD]".split(),
    ]
    assert batch["token_type_ids"].tolist() == [[0] * 4 + [1] * 6, [0, 0, 0, 1, 1] + [0] * 5]
    assert batch["attention_mask"].tolist() == [[1] * 10, [1] * 5 + [0] * 5]
    assert batch["offsets"][0].tolist() == [
        [0, 0], [0, 2], [2, 4], [0, 0], [0, 2], [2, 3], [4, 6], [6, 8], [8, 9], [0, 0],
    ]  # fmt: skip
    assert all(array.dtype == np.int32 for array in batch.values())


def test_offsets_slice_the_decomposed_original_on_syllables(tokenizer):
    text = unicodedata.normalize("NFD", "국민에게 (국회에)")
    batch = tokenizer(text, return_offsets=True)
    slices = [text[start:end] for start, end in batch["offsets"][0].tolist()]
    composed = [unicodedata.normalize("NFC", piece) for piece in slices]
    assert composed == ["", "국민", "에게", "(", "국회", "에", ")", ""]
    # NFD or not, the ids are the same.
    assert batch["input_ids"].tolist() == tokenizer("국민에게 (국회에)")["input_ids"].tolist()


def test_lowercase_never_takes_hangul_apart():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "한글", "abc", "é", "e"]
    assert Tokenizer(words, lowercase=True).tokenize("한글 ABC É") == ["한글", "abc", "é"]
    as_hugging_face = Tokenizer(words, lowercase=True, strip_accents=None)
    assert as_hugging_face.tokenize("한글 ABC É") == ["[UNK]", "abc", "e"]


def test_hanja_stand_alone_or_not():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "漢", "##字", "字"]
    assert Tokenizer(words).tokenize("漢字") == ["漢", "字"]
    assert Tokenizer(words, split_cjk=False).tokenize("漢字") == ["漢", "##字"]


def test_glued_to_mask(tokenizer):
    def read(text, how):
        batch = tokenizer(text, glued_to_mask=how, return_offsets=True)
        tokens = [tokenizer.token(i) for i in batch["input_ids"][0].tolist()[1:-1]]
        return tokens, [text[a:b] for a, b in batch["offsets"][0].tolist()[1:-1]]

    tokens, slices = read("[MASK]에게 국민", "word")
    assert tokens == ["[MASK]", "에게", "국민"] and slices == ["[MASK]", "에게", "국민"]
    tokens, slices = read("[MASK]에게 국민", "continuation")
    assert tokens == ["[MASK]", "##에게", "국민"] and slices == ["[MASK]", "에게", "국민"]
    assert read("[MASK] 에게.", "continuation")[0] == ["[MASK]", "에게", "."]
    assert read("[MASK]. 나", "continuation")[0] == ["[MASK]", ".", "나"]
    assert read("[MASK]에는다.", "continuation")[0] == ["[MASK]", "##에", "##는", "##다", "."]
    assert read("[MASK]쀍다", "continuation")[0] == ["[MASK]", "[UNK]"]
    assert read("[MASK][MASK]에", "continuation")[0] == ["[MASK]", "[MASK]", "##에"]


@pytest.mark.parametrize("copies", [1, 500])  # by the engine, and by numpy
def test_cutting_by_hand(copies):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 ##서 에 a ##b b . 漢 字".split()
    tokenizer = Tokenizer(words)
    text = "국회에서  국회에. 에 뷁 ab漢字 [MASK]에 [MAS"
    # What BERT's cleaning deletes glues, and what it takes for a space cuts.
    odd = "a\x1cb a\u2028b a\tb a\u200bb a\xa0b\n"
    *_, first, second = tokenizer.encode([text, odd] * copies)
    assert [tokenizer.token(i) for i in first] == (
        "국회 ##에 ##서 국회 ##에 . 에 [UNK] a ##b 漢 字 [MASK] 에 [UNK] [UNK]".split()
    )
    assert [tokenizer.token(i) for i in second] == "a ##b a b a b a ##b a b".split()


def test_truncation_and_padding(tokenizer):
    text, pair = "나 너 우리 나 너", "국민 국회"

    def tokens(*texts, **settings):
        ids = tokenizer(*texts, **settings)["input_ids"][0]
        return " ".join(tokenizer.token(int(i)) for i in ids)

    assert tokens(text, max_length=5) == "[CLS] 나 너 우리 [SEP]"
    assert tokens(text, pair, max_length=8) == "[CLS] 나 너 우리 [SEP] 국민 국회 [SEP]"
    assert tokens(text, pair, max_length=6) == "[CLS] 나 너 [SEP] 국민 [SEP]"  # half each
    cut = tokens(text, pair, max_length=9, truncation="only_second")
    assert cut == "[CLS] 나 너 우리 나 너 [SEP] 국민 [SEP]"
    assert tokenizer(text, pad_to_multiple_of=8)["input_ids"].shape == (1, 8)
    assert tokenizer(text, pad_to_multiple_of=8, max_length=7)["input_ids"].shape == (1, 7)
    assert tokenizer(text, pad_to_length=9)["attention_mask"].tolist() == [[1] * 7 + [0] * 2]
    for settings, message in (
        ({"max_length": 2}, "no room"),
        ({"max_length": 6, "truncation": "never"}, "7 tokens, special tokens included, is longer"),
        ({"max_length": 6, "truncation": "first"}, "not 'first'"),
        ({"pad_to_length": 6}, "7 tokens does not fit"),
        ({"pad_to_multiple_of": 0}, "from 1, not 0"),
    ):
        with pytest.raises(KbertError, match=message):
            tokenizer(text, **settings)
    with pytest.raises(KbertError, match="leaves the second no room"):
        tokenizer(text, pair, max_length=8, truncation="only_second")
    with pytest.raises(KbertError, match="1 first text and 2 second"):
        tokenizer([text], [pair, pair])
    with pytest.raises(TypeError, match="got int"):
        tokenizer([3])


def test_decode(tokenizer):
    ids = tokenizer("국민에게 축구는 재미있다.")["input_ids"][0].tolist()
    assert tokenizer.decode(ids) == "국민에게 축구는 재미있다."
    assert tokenizer.decode(ids, skip_special_tokens=False).startswith("[CLS] 국민에게")
    for index in (-1, len(tokenizer)):
        with pytest.raises(KbertError, match="outside the vocabulary"):
            tokenizer.decode([index])
    for index in ("나", 5.0, None):
        with pytest.raises(TypeError):
            tokenizer.decode([5, index])
    with pytest.raises(KbertError, match="no token '없음'"):
        tokenizer.id("없음")


def test_decode_as_the_engine():
    """Whatever stands before a token, and whatever BERT's clean-up makes of it."""
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a ##b ' ##' n't ##n't . ##. ? 's ##x##y #".split()
    words += [" do not", " '", "x ##y", "a  .", "", "##"]
    tokenizer = Tokenizer(words)
    for tokens in itertools.product(words, repeat=3):
        ids = [tokenizer.id(token) for token in tokens]
        expected = tokenizer._engine.decoder.decode(list(tokens))
        assert tokenizer.decode(ids, skip_special_tokens=False) == expected
    assert tokenizer.decode(np.array([2, 5, 6, 3], np.uint16)) == "ab"
    assert tokenizer.decode([]) == tokenizer.decode([0, 2]) == ""


def test_save_and_read(tmp_path, tokenizer):
    folder = tmp_path / "한글 폴더"
    Tokenizer(tokenizer.vocabulary, lowercase=True, split_cjk=False).save(folder)
    again = Tokenizer.from_file(folder)
    assert again.vocabulary == tokenizer.vocabulary
    assert again.settings == {"lowercase": True, "strip_accents": False, "split_cjk": False}
    assert Tokenizer.from_file(folder, lowercase=False).lowercase is False
    (folder / "tokenizer_settings.json").write_text('{"run": 1}', encoding="utf-8")
    with pytest.raises(KbertError, match="run"):
        Tokenizer.from_file(folder)
    with pytest.raises(KbertError, match="no such file"):
        Tokenizer.from_file(tmp_path / "vocab.txt")


# 20,000 strings in all; `KBERT_RANDOM_STRINGS=1000000 pytest tests/text -k same_ids` takes minutes.
STRINGS = int(os.environ.get("KBERT_RANDOM_STRINGS", "20000"))
SETTINGS = list(itertools.product([False, True], [None, False, True], [True, False]))


@pytest.mark.parametrize(("lowercase", "strip_accents", "split_cjk"), SETTINGS)
def test_same_ids_as_hugging_face(random_strings, vocabulary, lowercase, strip_accents, split_cjk):
    transformers = pytest.importorskip("transformers")
    flags = {"strip_accents": strip_accents}
    ours = Tokenizer(vocabulary, lowercase=lowercase, split_cjk=split_cjk, **flags)
    theirs = transformers.BertTokenizer(
        {token: index for index, token in enumerate(vocabulary)},
        do_lower_case=lowercase,
        tokenize_chinese_chars=split_cjk,
        **flags,
    )
    number = SETTINGS.index((lowercase, strip_accents, split_cjk))
    strings = random_strings(-(-STRINGS // len(SETTINGS)), seed=number)
    # What we mend: NFC comes first. So theirs gets composed text.
    composed = [unicodedata.normalize("NFC", s) for s in strings]
    expected = theirs(composed, add_special_tokens=False)["input_ids"]
    known = sum(i != ours.unk_id for row in expected for i in row)
    assert known > 0.3 * sum(map(len, expected))
    assert ours.encode(strings) == expected  # by numpy, since they are many
    few = len(strings) // 20
    assert [ours.encode([string])[0] for string in strings[:few]] == expected[:few]  # looked up
    engine = [ours.encode_pieces([string], ["word_ids"]).ids.tolist() for string in strings[:few]]
    assert engine == expected[:few]

    settings = {"padding": "longest", "truncation": "longest_first", "max_length": 24}
    expected = theirs(composed[:few], composed[-few:], return_tensors="np", **settings)
    got = ours(strings[:few], strings[-few:], max_length=24)
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        np.testing.assert_array_equal(got[name], expected[name])
    decoded = [ours.decode(row.tolist()) for row in got["input_ids"]]
    assert decoded == theirs.batch_decode(got["input_ids"], skip_special_tokens=True)


@pytest.mark.parametrize("count", [3, 300])  # by the engine, and by numpy
def test_offsets_and_words_as_hugging_face(random_strings, vocabulary, count):
    transformers = pytest.importorskip("transformers")
    strings = [unicodedata.normalize("NFC", s) for s in random_strings(count, seed=7)]
    ids = {token: index for index, token in enumerate(vocabulary)}
    theirs = transformers.BertTokenizer(ids, do_lower_case=False)(strings)
    batch = Tokenizer(vocabulary)(strings, return_offsets=True, return_word_ids=True)
    for row, encoding in enumerate(theirs.encodings):
        length = len(encoding.ids)
        assert batch["offsets"][row, :length].tolist() == [list(pair) for pair in encoding.offsets]
        words = [-1 if word is None else word for word in encoding.word_ids]
        assert batch["word_ids"][row, :length].tolist() == words
        assert not batch["offsets"][row, length:].any()
        assert (batch["word_ids"][row, length:] == -1).all()


VOCABULARIES = [
    "klue-bert-base", "kcbert-base", "kr-bert-char16424", "kr-bert-subchar12367",
    "koelectra-v1v2", "kobigbird", "mbert-cased",
]  # fmt: skip


@pytest.mark.real_data
@pytest.mark.parametrize("name", VOCABULARIES)
def test_real_text_with_real_vocabularies(real_data, name):
    transformers = pytest.importorskip("transformers")
    path = real_data / "vocabs" / f"{name}.vocab.txt"
    form = "NFKD" if "subchar" in name else "NFC"
    ours = Tokenizer.from_file(path, form=form)
    theirs = transformers.BertTokenizer(str(path), do_lower_case=False)
    for file in sorted((real_data / "heldout").glob("*.txt")):
        lines = file.read_text(encoding="utf-8").split("\n")[:600]
        normal = [unicodedata.normalize(form, line) for line in lines]
        expected = theirs(normal, add_special_tokens=False)["input_ids"]
        assert ours.encode(lines) == expected
        assert [ours.encode([line])[0] for line in lines[:20]] == expected[:20]


@pytest.mark.parametrize("copies", [1, 400])  # by the engine, and by numpy
def test_offsets_of_what_is_not_as_it_looks(copies):
    """Decomposed, full-width, zero-width, emoji: every token slices whole syllables."""
    words = [*"[PAD] [UNK] [CLS] [SEP] [MASK] 한글 ##은 ＡＢＣ abc 국회 👨 é ##을".split()]
    tokenizer = Tokenizer(words, rules=["width"])
    nfd = unicodedata.normalize("NFD", "한글은")
    text = f"{nfd} ＡＢＣ국\u200b회을 é"
    batch = tokenizer([text] * copies, return_offsets=True, return_eojeol_ids=True)
    for row in {0, copies - 1}:
        ids, spans = batch["input_ids"][row].tolist(), batch["offsets"][row].tolist()
        found = [(tokenizer.token(i), text[a:b]) for i, (a, b) in zip(ids, spans, strict=True)]
        assert found[1:-1] == [
            ("한글", nfd[:6]),
            ("##은", nfd[6:]),
            ("[UNK]", "ＡＢＣ국\u200b회을"),
            ("é", "é"),
        ]
        assert batch["eojeol_ids"][row].tolist() == [-1, 0, 0, 1, 2, -1]
    family = "👨\u200d👩\u200d👧 국\u200b회"  # the zero-width joiners and spaces are deleted
    batch = Tokenizer(words)([family] * copies, return_offsets=True)
    slices = [family[a:b] for a, b in batch["offsets"][-1].tolist()]
    assert slices == ["", "👨\u200d👩\u200d👧", "국\u200b회", ""]
    assert batch["input_ids"][-1].tolist() == [2, 1, 9, 3]


@pytest.mark.parametrize("copies", [1, 5000])
@pytest.mark.parametrize(
    ("form", "mark"), [("NFC", "\u0344"), ("NFC", "\u0f73"), ("NFKD", "\uff9e")]
)
def test_offsets_of_marks_behind_white_space(form, mark, copies):
    """They compose with nothing, and become several characters or another."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가", "\u1100", "##\u1161"]
    text = f" {mark} {mark}\u0323\u3000{mark}a \n{mark}"
    asked = {"return_offsets": True, "return_eojeol_ids": True}
    batch = Tokenizer(words, form=form)([text] * copies, **asked)
    slices = [text[a:b] for a, b in batch["offsets"][-1].tolist()[1:-1]]
    assert slices == [mark, f"{mark}\u0323", f"{mark}a", mark]
    assert batch["eojeol_ids"][-1].tolist() == [-1, 0, 1, 2, 3, -1]


def test_rules():
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 · 정부 ㅋㅋ ABC".split()
    text = "국회ㆍ정부 국회‧정부 국회․정부 국회∙정부 국회\u3164정부 ＡＢＣ ﾻﾻ"
    tokens = Tokenizer(words, rules=["middle_dots", "fillers", "width"]).tokenize(text)
    assert tokens == "국회 · 정부".split() * 4 + ["국회", "정부", "ABC", "ㅋㅋ"]
    plain = Tokenizer(words).tokenize(text)  # as Hugging Face's: the rules are off
    assert plain[0] == "[UNK]" and plain[-2:] == ["[UNK]", "[UNK]"]
    with pytest.raises(KbertError, match="'dots'"):
        Tokenizer(words, rules=["dots"])


def test_jamo():
    """KR-BERT's sub-characters: 한 is ᄒ ᅡ ᆫ; each jamo's place is its whole syllable."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u1112", "##\u1161\u11ab"]
    batch = Tokenizer(words, form="NFKD")("한 한", return_offsets=True)
    assert batch["input_ids"].tolist() == [[2, 5, 6, 5, 6, 3]]
    assert batch["offsets"][0, 1:-1].tolist() == [[0, 1], [0, 1], [2, 3], [2, 3]]
    with pytest.raises(KbertError, match="'NFKC'"):
        Tokenizer(words, form="NFKC")


def test_windows(tokenizer):
    """As Hugging Face's return_overflowing_tokens."""
    transformers = pytest.importorskip("transformers")
    ids = {token: index for index, token in enumerate(tokenizer.vocabulary)}
    theirs = transformers.BertTokenizer(ids, do_lower_case=False)
    rng = np.random.default_rng(0)
    names = [token for token in tokenizer.vocabulary[5:] if not token.startswith("##")]
    texts = [" ".join(rng.choice(names, n)) for n in (1, 6, 7, 23, 40)]
    for pairs, truncation in ((None, "longest_first"), (texts[::-1], "only_second")):
        firsts = texts if pairs is None else ["나 너", "우리"] * 2 + ["국민"]
        for length, stride in ((8, 0), (9, 2), (30, 11)):
            expected = theirs(
                firsts,
                pairs,
                truncation=truncation,
                max_length=length,
                stride=stride,
                return_overflowing_tokens=True,
                padding=True,
                return_tensors="np",
            )
            got = tokenizer(firsts, pairs, max_length=length, truncation=truncation, stride=stride)
            np.testing.assert_array_equal(got["input_ids"], expected["input_ids"])
            np.testing.assert_array_equal(got["token_type_ids"], expected["token_type_ids"])
            np.testing.assert_array_equal(got["text_index"], expected["overflow_to_sample_mapping"])
    for settings, message in (
        ({"max_length": 8, "stride": 6}, "from 0 to 5 here, not 6"),
        ({"stride": 2}, "needs a max_length"),
        (
            {"stride": -1, "max_length": 100},
            "stride, if it is not None, must be a whole number from 0, not -1",
        ),
    ):
        with pytest.raises(KbertError, match=message):
            tokenizer(texts, **settings)
    with pytest.raises(KbertError, match="truncation='only_second'"):
        tokenizer(texts, texts, max_length=9, stride=2)


def test_special_tokens_of_other_models():
    """KLUE-RoBERTa has BERT's tokens at other ids; XLM-RoBERTa has its own, and doubles </s>."""
    klue = Tokenizer("[CLS] [PAD] [SEP] [UNK] [MASK] 국회".split())
    assert klue.special_ids == (1, 3, 0, 2, 4) and klue.mask_token == "[MASK]"
    assert klue(["국회", "국회 뷁 [MASK]"])["input_ids"].tolist() == [
        [0, 5, 2, 1, 1],
        [0, 5, 3, 4, 2],
    ]
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    xlm = Tokenizer(
        "<s> <pad> </s> <unk> 국회 <mask>".split(), special_tokens=names, roberta_pairs=True
    )
    batch = xlm(["국회 <mask>", "국회"], ["국회", "국회"])
    assert batch["input_ids"].tolist() == [[0, 4, 5, 2, 2, 4, 2], [0, 4, 2, 2, 4, 2, 1]]
    assert not batch["token_type_ids"].any()
    assert xlm("국회 국회", "국회", max_length=6)["input_ids"].tolist() == [[0, 4, 2, 2, 4, 2]]
    assert xlm.decode([0, 4, 2]) == "국회"
    for names, message in (
        ({"mask": "<mask>"}, "has no <mask>"),
        ({"mask": "[PAD]"}, "one role"),
        ({"blank": "[MASK]"}, "roles pad"),
        ({"mask": ""}, "not empty"),
    ):
        with pytest.raises(KbertError, match=message):
            Tokenizer("[CLS] [PAD] [SEP] [UNK] [MASK]".split(), special_tokens=names)


@pytest.mark.parametrize("copies", [1, 500])
def test_added_tokens_are_cut_out_whole(copies):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 [E1] <회사>".split()
    tokenizer = Tokenizer(words, added_tokens=["[E1]", "<회사>"])
    expected = ["[E1]", "국회", "##에", "<회사>", "국회"]
    ids = tokenizer.encode(["[E1]국회에<회사> 국회"] * copies)[-1]
    assert [tokenizer.token(i) for i in ids] == expected
    with pytest.raises(KbertError, match=r"lacks the added tokens \['<사람>'\]"):
        Tokenizer(words, added_tokens=["<사람>"])


SHAPES = [
    *("국", "a", ".", " ", "漢", "뷁 ", "a ", "``''", "국\n", "국민은 법률을 의결한다. "),
    *("[MASK]", "[MASK]에", "[", "👨\u200d👩", "😂 ", "ﾡﾢ", "ＡＢ", "\u200b", "\U000a0000"),
    *("\u1100\u1161", "\u1112\u1161\u11ab\u1100\u1173\u11af ", "ᅡ", "가나다漢a.e\u0301"),
    *("\u0301\u0323", "e\u0301", "e" + "\u0301\u0323" * 45, "\u0f73", "a\u0f73", "가\u09be"),
]


# 1 MB of each shape; `KBERT_MEGABYTES=10 pytest tests/text -k megabytes` takes minutes.
MEGABYTES = int(os.environ.get("KBERT_MEGABYTES", "1"))
SECONDS = max(1.5, MEGABYTES / 2)  # 5 for 10 MB


@pytest.mark.parametrize("shape", SHAPES)
def test_megabytes_of_anything(tokenizer, shape):
    """Each step takes its seconds of one core, also where the text is not composed."""
    text = shape * (MEGABYTES * 1_000_000 // len(shape.encode())) + "e\u0301"

    def timed(call):
        # This thread's own time: a backend's threads, busy with other tests' models, do not count.
        start = time.thread_time()
        result = call()
        assert time.thread_time() - start < SECONDS
        return result

    ids = timed(lambda: tokenizer.encode_flat([text])[0])
    asked = dict.fromkeys(("return_offsets", "return_word_ids", "return_eojeol_ids"), True)
    batch = timed(lambda: tokenizer(text, **asked))
    np.testing.assert_array_equal(batch["input_ids"][0, 1:-1], ids)
    windows = timed(lambda: tokenizer(text, max_length=512, stride=64))["input_ids"]
    assert windows[0, 1:-1].tolist() == ids[: windows.shape[1] - 2].tolist()
    timed(lambda: tokenizer.decode(ids))
    if shape in ("국", "a"):
        assert ids.tolist() == [tokenizer.unk_id]  # one word of more than 100 characters
        assert batch["offsets"][0, 1].tolist() == [0, len(text)]


def test_every_character_at_once(tokenizer):
    characters = [*map(chr, [*range(0xD800), *range(0xE000, 0x110000)])]
    start = time.thread_time()
    pieces = tokenizer.encode_pieces(characters)  # by numpy
    assert time.thread_time() - start < 15  # 5 s: all are met for the first time
    for number in range(0, len(characters), 500):
        ids = pieces.ids[pieces.starts[number] : pieces.starts[number + 1]].tolist()
        assert ids == tokenizer.encode([characters[number]])[0]  # looked up


@pytest.mark.parametrize("texts", [[None], [3], [b"a"], [["a"]], ["a" * 20_000, None]])
def test_what_is_no_text(tokenizer, texts):
    for call in (tokenizer, tokenizer.encode, tokenizer.encode_flat):
        with pytest.raises(
            TypeError, match=r"expected a text \(str\), got (NoneType|int|bytes|list)"
        ):
            call(texts)


@pytest.mark.parametrize("texts", [5, None, b"a", {"a": 1}, float("nan")])
def test_what_is_no_list_of_texts(tokenizer, texts):
    for call in (tokenizer, tokenizer.encode, tokenizer.encode_flat, Tokenizer.train):
        settings = {"vocab_size": 9} if call == Tokenizer.train else {}
        with pytest.raises(TypeError, match="expected a list of texts, got "):
            call(texts, **settings)


def test_a_text_is_no_list_of_texts(tokenizer):
    for call in (tokenizer.encode, tokenizer.encode_flat, tokenizer.encode_pieces):
        with pytest.raises(TypeError, match="expected a list of texts, got str: '국회'"):
            call("국회")
    with pytest.raises(TypeError, match="got str"):
        Tokenizer.train("국회는 법률을 의결한다.", 20)


@pytest.mark.parametrize("size", [1, 20_000])  # by the engine, and by numpy
def test_which_of_the_texts_is_none(tokenizer, size):
    """What an empty cell of a table is: NaN, None; and what was read with the wrong encoding."""
    texts = ["나" * size, "너", float("nan"), None]
    for call, name in (
        (tokenizer, "text"),
        (tokenizer.encode, "texts"),
        (tokenizer.encode_flat, "texts"),
        (lambda texts: tokenizer(["나"] * 4, texts, return_offsets=True), "pair"),
        (lambda texts: tokenizer(texts, glued_to_mask="continuation"), "text"),
        (lambda texts: Tokenizer.train(texts, 9), "texts"),
    ):
        with pytest.raises(
            TypeError, match=rf"^{name}\[2\]: .* got float: nan; leave such rows out"
        ):
            call(texts)
        with pytest.raises(KbertError, match=rf"^{name}\[1\]: .* lone surrogate .* character 1"):
            call([texts[0], "나\ud800", None, None])


def test_habits_from_other_libraries(tokenizer, tmp_path):
    for name, value, message in (
        ("padding", True, "pads? to the longest|padded to the longest"),
        ("padding", "max_length", "pad_to_length=128"),
        ("return_tensors", "np", "numpy's"),
        ("text_pair", "나", "pair="),
        ("return_offsets_mapping", True, "return_offsets=True"),
        ("return_overflowing_tokens", True, "stride="),
        ("add_special_tokens", False, r"encode\(\[text\]\)"),
        ("maximum", 5, "no maximum=5: see help"),
    ):
        with pytest.raises(TypeError, match=message):
            tokenizer("나", **{name: value})
    with pytest.raises(KbertError, match=r"what is done where nothing is said.* not True"):
        tokenizer("나", truncation=True)
    for path in (tmp_path / "a.txt", "a.txt"):
        with pytest.raises(TypeError, match=r"lines of .*file.* open"):
            Tokenizer.train(path, 20)
    rows = tokenizer(["나", "너 우리"])["input_ids"]
    for several in (rows, rows.tolist(), [*rows]):
        with pytest.raises(TypeError, match=r"several: \[tokenizer.decode\(row\) for row in ids\]"):
            tokenizer.decode(several)
    assert [tokenizer.decode(row) for row in rows] == ["나", "너 우리"]
    with pytest.raises(TypeError, match="expected the ids of a text, got int: 5"):
        tokenizer.decode(5)


@pytest.mark.parametrize("before", ["", "a" * 20_000])
def test_texts_at_the_edges(tokenizer, before):
    assert tokenizer([])["input_ids"].shape == (0, 0)
    assert tokenizer("")["input_ids"].tolist() == [[2, 3]]
    assert tokenizer(["", ""], ["", "나"])["input_ids"].tolist() == [[2, 3, 3, 0], [2, 3, 25, 3]]
    with pytest.raises(KbertError, match="surrogate"):
        tokenizer([before, "국\ud800"])
    if before:
        assert tokenizer.encode([before, "", "나"]) == [[1], [], [25]]


def test_random_strings_have_offsets_in_order(tokenizer, random_strings):
    for text in random_strings(500):
        decomposed = unicodedata.normalize("NFD", text)
        spans = tokenizer(decomposed, return_offsets=True)["offsets"][0][1:-1]
        assert (spans[:, 0] < spans[:, 1]).all()
        assert (spans <= len(decomposed)).all()
        assert (np.diff(spans[:, 0]) >= 0).all()


def test_messages_of_what_a_file_holds_are_short_and_printable():
    bad = "\x1b[2J" + "국" * 10_000
    words = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
    for call in (
        lambda: Tokenizer(words, special_tokens={"mask": bad}),
        lambda: Tokenizer(words, special_tokens={"mask": bad, "sep": bad}),
        lambda: Tokenizer(words, special_tokens={bad: "a"}),
        lambda: Tokenizer([*words, bad, bad]),
        lambda: Tokenizer(words, added_tokens=[bad]),
        lambda: Tokenizer(words, added_tokens=[{"content": "a", bad: 1}]),
        lambda: Tokenizer(words, form=bad),
        lambda: Tokenizer(words).id(bad),
        lambda: Tokenizer([*words, bad + "\n"]).save("nowhere"),
    ):
        with pytest.raises(KbertError) as found:
            call()
        message = str(found.value)
        assert len(message) < 700 and message.isprintable(), message


def test_arguments_of_the_wrong_kind(tokenizer):
    with pytest.raises(KbertError, match="added_tokens is a list of tokens, not the text 'ab'"):
        Tokenizer(tokenizer.vocabulary, added_tokens="ab")
    with pytest.raises(KbertError, match=r"columns are offsets, .* not 'words'"):
        tokenizer.encode_pieces(["가"], ["words"])
    for settings, message in (
        ({"max_length": 8.5}, "max_length, if it is not None, must be .* not 8.5"),
        ({"max_length": "8"}, "not '8'"),
        ({"pad_to_length": 0}, "pad_to_length, if it is not None, must be .* from 1, not 0"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of must be .* from 1, not 0"),
        ({"max_length": 4, "truncation": "only_second"}, "cuts none that has no second"),
    ):
        with pytest.raises(KbertError, match=message):
            tokenizer("너 나 우리 국회", **settings)
