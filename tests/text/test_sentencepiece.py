"""Unigram models against SentencePiece itself, and against transformers' tokenizers."""

import random
import shutil
import unicodedata

import pytest

from kbert import KbertError, Tokenizer
from kbert.text.sentencepiece import check_charsmap, parse_model

KOBERT = {
    "unk_id": 0, "pad_id": 1, "bos_id": -1, "eos_id": -1, "unk_piece": "[UNK]",
    "pad_piece": "[PAD]", "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
}  # fmt: skip


@pytest.fixture(scope="module")
def kobert(tmp_path_factory, train_sentencepiece):
    """A folder with the special tokens of KoBERT."""
    folder = tmp_path_factory.mktemp("kobert")
    (folder / "spiece.model").write_bytes(train_sentencepiece(**KOBERT))
    return folder


@pytest.fixture(scope="module")
def xlm_roberta(tmp_path_factory, train_sentencepiece):
    """A folder like XLM-RoBERTa's: <unk> <s> </s> first in the file, other ids outside."""
    folder = tmp_path_factory.mktemp("xlm")
    (folder / "sentencepiece.bpe.model").write_bytes(train_sentencepiece())
    return folder


TEXTS = [
    "국회는 법률을 정부에서",
    "나라  사람\u3000말. ",
    "ＡＢＣ １２ ㋀ A1에서",
    "뷁뷁 국회뷁정부",
    "",
    " ",
    "\u1100\u1161국회",
    "글<mask>말 <s> [MASK]은",
    "e\u0301\u0301 👨\u200d👩\u200d👧 \x00\x07",
    "국\u200b회ㆍ정부",
]


def test_kobert_as_sentencepiece_itself(kobert):
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_file=str(kobert / "spiece.model"))
    ours = Tokenizer.from_file(kobert)
    assert ours.special_ids == (1, 0, 2, 3, 4)  # pad, unk, cls, sep, mask
    for text in (text for text in TEXTS if "MASK" not in text and "\x00" not in text):
        assert ours.encode([text]) == [theirs.encode(text)]
    assert ours.decode(ours("국회는 법률을")["input_ids"][0].tolist()) == "국회 법률을"


def test_xlm_roberta_as_transformers(xlm_roberta, tmp_path, random_strings):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.XLMRobertaTokenizer.from_pretrained(xlm_roberta)
    ours = Tokenizer.from_file(xlm_roberta)
    assert ours.special_ids == (1, 3, 0, 2, len(ours) - 1)
    texts = [unicodedata.normalize("NFC", t) for t in [*TEXTS, *random_strings(300)]]
    assert ours.encode(texts) == theirs(texts, add_special_tokens=False)["input_ids"]
    expected = theirs(texts, texts[::-1], padding=True, return_tensors="np")
    got = ours(texts, texts[::-1])
    assert got["input_ids"].tolist() == expected["input_ids"].tolist()
    assert got["attention_mask"].tolist() == expected["attention_mask"].tolist()
    # Its own tokenizer.json says the same.
    theirs.save_pretrained(tmp_path)
    again = Tokenizer.from_file(tmp_path)
    assert (again.vocabulary, again.scores) == (ours.vocabulary, ours.scores)
    assert (again.settings, again.charsmap) == (ours.settings, ours.charsmap)


def test_kobert_with_its_own_preparation(kobert, tmp_path):
    """KoBERT's tokenizer is XLNet's: before SentencePiece accents go, and `` becomes a quote."""
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_file=str(kobert / "spiece.model"))
    shutil.copy(kobert / "spiece.model", tmp_path)
    config = '{"tokenizer_class": "KoBERTTokenizer"}'
    (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    ours = Tokenizer.from_file(tmp_path)
    assert ours.strip_accents is True
    for text in ["국회는 Á에서 ``글''", "나라\u3000말 １é", "\u1100\u1161국회ﾡ"]:
        prepared = unicodedata.normalize("NFKD", text.replace("``", '"').replace("''", '"'))
        prepared = "".join(c for c in prepared if not unicodedata.combining(c))
        assert ours.encode([text]) == [theirs.encode(prepared)]
    assert ours.tokenize("국회에서 Á")[0] == "▁국회에서"
    ours.save_huggingface(tmp_path / "out")
    assert Tokenizer.from_file(tmp_path / "out").settings == ours.settings


def test_a_vocabulary_beside_the_model_gives_the_order(kobert, tmp_path):
    """monologg/kobert has both files."""
    shutil.copy(kobert / "spiece.model", tmp_path / "tokenizer_78b3253a26.model")
    plain = Tokenizer.from_file(kobert)
    reordered = plain.vocabulary[::-1]
    (tmp_path / "vocab.txt").write_text("\n".join(reordered) + "\n", encoding="utf-8")
    ours = Tokenizer.from_file(tmp_path)
    assert ours.strip_accents is True  # as its own tokenizer does
    assert ours.vocabulary == reordered and ours.scores == plain.scores[::-1]
    assert ours.tokenize("국회에서 글을") == plain.tokenize("국회에서 글을")


def test_glued_to_mask(kobert):
    tokenizer = Tokenizer.from_file(kobert)

    def read(text, how):
        batch = tokenizer(text, glued_to_mask=how, return_offsets=True)
        ids, spans = batch["input_ids"][0, 1:-1], batch["offsets"][0, 1:-1].tolist()
        return [(tokenizer.token(i), text[a:b]) for i, (a, b) in zip(ids, spans, strict=True)]

    word, continued = read("[MASK]에서 글", "word"), read("[MASK]에서 글", "continuation")
    assert word[1][0].startswith("▁") and word[-1] == continued[-1]
    assert continued[1][0] == "에서" and continued[1][1] == "에서"


def test_save_and_read(kobert, tmp_path):
    ours = Tokenizer.from_file(kobert)
    ours.save(tmp_path)
    again = Tokenizer.from_file(tmp_path)
    assert (again.vocabulary, again.scores) == (ours.vocabulary, ours.scores)
    assert (again.settings, again.charsmap) == (ours.settings, ours.charsmap)
    Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK]".split()).save(tmp_path)  # over it
    assert Tokenizer.from_file(tmp_path).scores is None


def test_other_kinds_of_models(train_sentencepiece):
    with pytest.raises(KbertError, match="of type 2, not unigram"):
        parse_model(train_sentencepiece(model_type="bpe"), "x.model")
    with pytest.raises(KbertError, match="falls back to bytes"):
        parse_model(train_sentencepiece(byte_fallback=True, vocab_size=300), "x.model")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no pieces"),
        (b"\x0a\xff\xff\xff\xff\x0f", "cut short"),
        (b"\x0a" + b"\xff" * 12, "more than 64 bits"),
        (b"\x0b", "wire type 3"),
        (b"\x08\x01", "a number where text"),
        (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
    ],
)
def test_what_is_no_model(data, message):
    with pytest.raises(KbertError, match=message):
        parse_model(data, "x.model")


def test_damaged_models_give_an_error_or_ids(kobert):
    """Bits flipped anywhere, half of them in the table: an error, or a tokenizer that works."""
    data = (kobert / "spiece.model").read_bytes()
    table = data.index(parse_model(data, "").charsmap)
    rng, loaded = random.Random(0), 0
    for number in range(40):
        place = rng.randrange(table if number % 2 else 0, len(data))
        damaged = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        try:
            model = parse_model(damaged, "damaged")
            tokenizer = Tokenizer(model.pieces, scores=model.scores, charsmap=model.charsmap)
        except KbertError:
            continue
        tokenizer.encode(TEXTS)
        loaded += 1
    assert 5 < loaded < 40
    for end in rng.sample(range(len(data)), 10):
        with pytest.raises(KbertError):
            check_charsmap(parse_model(data[:end], "cut").charsmap)


def test_scores_that_do_not_fit(kobert):
    model = parse_model((kobert / "spiece.model").read_bytes(), "")
    for scores, message in (
        (model.scores[1:], "59 scores do not belong to 60 pieces"),
        ([float("nan"), *model.scores[1:]], "finite"),
        (["0", *model.scores[1:]], "finite"),
    ):
        with pytest.raises(KbertError, match=message):
            Tokenizer(model.pieces, scores=scores)
