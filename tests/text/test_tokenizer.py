import random
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
    ):
        with pytest.raises(KbertError, match=message):
            tokenizer(text, **settings)
    with pytest.raises(KbertError, match="leaves the second no room"):
        tokenizer(text, pair, max_length=8, truncation="only_second")
    with pytest.raises(KbertError, match="1 first texts and 2 second"):
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
    with pytest.raises(KbertError, match="no token '없음'"):
        tokenizer.id("없음")


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


def random_strings(count: int) -> list[str]:
    """Hangul and everything that surrounds it, and some of all of Unicode."""
    rng = random.Random(0)
    ranges = [
        (0xAC00, 0xD7A4), (0xAC00, 0xD7A4), (0x1100, 0x1200), (0x3130, 0x3190), (0x20, 0x7F),
        (0xA0, 0x250), (0x300, 0x370), (0x2000, 0x2070), (0x4E00, 0xA000), (0xFF00, 0xFFF0),
        (0x1F300, 0x1F700), (0, 0x20), (1, 0xD800), (0xE000, 0x110000),
    ]  # fmt: skip

    def piece() -> str:
        low, high = rng.choice(ranges)
        return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 6)))

    return ["".join(piece() + rng.choice(["", " "]) for _ in range(8)) for _ in range(count)]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("strip_accents", [None, False, True])
def test_same_ids_as_hugging_face(tmp_path, lowercase, strip_accents):
    transformers = pytest.importorskip("transformers")
    strings = random_strings(2000)
    training = [unicodedata.normalize("NFC", s) for s in strings[:1000]]
    settings = {"min_frequency": 1, "limit_alphabet": 3000}
    ours = Tokenizer.train(training, 7000, lowercase=lowercase, **settings)
    ours = Tokenizer(ours.vocabulary, lowercase=lowercase, strip_accents=strip_accents)
    ours.save(tmp_path)
    theirs = transformers.BertTokenizer.from_pretrained(
        tmp_path, do_lower_case=lowercase, strip_accents=strip_accents
    )
    # What we mend: NFC comes first. So theirs gets composed text.
    composed = [unicodedata.normalize("NFC", s) for s in strings]
    pairs = composed[::-1]
    settings = {"padding": "longest", "truncation": "longest_first", "max_length": 24}
    expected = theirs(composed, pairs, return_tensors="np", **settings)
    got = ours(strings, strings[::-1], max_length=24)
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        np.testing.assert_array_equal(got[name], expected[name])
    ids = got["input_ids"][:200]
    decoded = [ours.decode(row.tolist()) for row in ids]
    assert decoded == theirs.batch_decode(ids, skip_special_tokens=True)


def test_random_strings_have_offsets_in_order(tokenizer):
    for text in random_strings(500):
        decomposed = unicodedata.normalize("NFD", text)
        spans = tokenizer(decomposed, return_offsets=True)["offsets"][0][1:-1]
        assert (spans[:, 0] < spans[:, 1]).all()
        assert (spans <= len(decomposed)).all()
        assert (np.diff(spans[:, 0]) >= 0).all()
