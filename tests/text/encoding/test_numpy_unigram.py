"""Unigram models in numpy against the engine of `tokenizers`, which looks at one word at a time."""

import numpy as np
import pytest

from kbert import Tokenizer

COLUMNS = ("offsets", "word_ids")


@pytest.fixture(scope="module")
def model(tmp_path_factory, train_sentencepiece):
    path = tmp_path_factory.mktemp("unigram") / "a.model"
    path.write_bytes(train_sentencepiece(unk_id=0, pad_id=1, bos_id=-1, eos_id=-1,
        unk_piece="[UNK]", pad_piece="[PAD]", control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        ))  # fmt: skip
    return path


@pytest.fixture
def differing(monkeypatch):
    """A function: the texts of which numpy does not give what the engine gives."""

    def find(tokenizer: Tokenizer, texts: list[str]) -> list[str]:
        monkeypatch.setattr("kbert.text.encoding.encoder.MAKE_BULK_FROM", 0)
        monkeypatch.setattr("kbert.text.encoding.encoder.BULK_FROM", 0)
        ids = tokenizer.encode_pieces(texts)
        with_columns = tokenizer.encode_pieces(texts, COLUMNS)
        monkeypatch.undo()
        assert len(ids.starts) == len(texts) + 1
        found = []
        for number, text in enumerate(texts):
            alone = tokenizer.encode_pieces([text], COLUMNS)  # few characters are the engine's
            for pieces in (ids, with_columns):
                here = slice(pieces.starts[number], pieces.starts[number + 1])
                columns = [(pieces.ids, alone.ids)]
                columns += [
                    (column, alone.columns[name]) for name, column in pieces.columns.items()
                ]
                if any(ours[here].tolist() != theirs.tolist() for ours, theirs in columns):
                    found.append(text)
        return found

    return find


TEXTS = [
    "국회는 법률을 정부에서",
    "",
    " ",
    "나라  사람\u3000말. \n\n글은\r\n\n국회\n",
    "국▁회 ▁ 글",  # the sign of SentencePiece's own
    "［MASK］",  # becomes a special token, but stood there as none
    "글[MASK]은 [MASK][SEP] 말[UNK]은",
    "뷁뷁 국회뷁정부 뷁국",
    "①국회 ½ ＡＢＣ\n국회에서 ㎢",  # grow when normalised
    "국회에서" * 40 + " 글" + "뷁" * 100 + "\n" + "사람A1" * 30,
    "\x00\x07 e\u0301\u0301 👨\u200d👩\u200d👧 국\u200b회",
]


@pytest.mark.parametrize("settings", [{}, {"strip_accents": True, "lowercase": True}])
def test_as_the_engine(model, differing, random_strings, settings):
    tokenizer = Tokenizer.from_file(model, **settings)
    assert differing(tokenizer, [*TEXTS, *random_strings(1500, seed=5)]) == []


@pytest.mark.real_data
@pytest.mark.parametrize("settings", [{}, {"strip_accents": True}])
def test_as_the_engine_in_real_text(real_data, model, differing, settings):
    tokenizer = Tokenizer.from_file(model, **settings)
    for path in sorted((real_data / "heldout").glob("*.txt")):
        assert differing(tokenizer, path.read_text(encoding="utf-8").split("\n")[:200]) == []


@pytest.mark.parametrize("at", [-3.0, 0.0, 50.0])
def test_scores_of_any_kind(differing, at):
    """Ties, pieces within pieces; and scores so high that many [UNK] would beat a piece."""
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] ▁ 국 회 국회 회의 ▁국 의 국회의 에 정부 a▁b".split()
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice([*"국회의에정부 a뷁"], 12)) for _ in range(300)]
    for scores in ([at] * len(words), (at + rng.integers(-2, 3, len(words))).tolist()):
        assert differing(Tokenizer(words, scores=scores), texts) == []


def test_line_breaks_in_tokens(differing):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁국", "회", "\n", "국\n"]
    tokenizer = Tokenizer(words, scores=[-1.0] * 9, added_tokens=["\n", "국\n"])
    assert differing(tokenizer, ["국\n회\n\n국 국", "\n"]) == []


@pytest.mark.parametrize("copies", [1, 5000])
def test_control_characters_before_a_text_shift_nothing(model, copies):
    """They are deleted; `tokenizers` then points before the words."""
    text = "\x0f\x0e국회는 글을 [MASK]말"
    offsets = Tokenizer.from_file(model)([text] * copies, return_offsets=True)["offsets"][-1]
    assert [text[start:end] for start, end in offsets.tolist() if end][-1] == "말"
    assert text[offsets[1, 0]] == "국"


def test_what_no_piece_covers_is_ten_worse_than_the_worst_piece(differing):
    """가나 다 is -16; [UNK] 나다 is -8 - 10 + 0."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁", "가나", "나다", "다"]
    tokenizer = Tokenizer(words, scores=[0.0] * 6 + [-8.0, 0.0, -8.0])
    assert tokenizer.tokenize("가나다") == ["▁", "가나", "다"]
    assert differing(tokenizer, ["가나다", "나다 가나다나다"]) == []


@pytest.mark.parametrize(
    ("score", "pieces"), [(-12.5, ["▁가나", "다라"]), (-13.5, ["▁가", "나다", "[UNK]"])]
)
def test_what_decides_between_a_piece_and_an_unknown_character(differing, score, pieces):
    """▁가나 다라 is that and -25; ▁가 나다 [UNK] is -1 - 2 - (25 + 10) = -38."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁가", "나다", "▁가나", "다라"]
    tokenizer = Tokenizer(words, scores=[*[0.0] * 5, -1.0, -2.0, score, -25.0])
    assert tokenizer.tokenize("가나다라") == pieces
    assert differing(tokenizer, ["가나다라", "가나다 가나다라가나다라"]) == []
