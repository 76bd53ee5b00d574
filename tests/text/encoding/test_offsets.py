"""Offsets on real text: what a model for spans and tags builds on."""

import json
import unicodedata
from functools import partial

import numpy as np
import pytest

from kbert import Tokenizer

EMOJI = ["👨\u200d👩\u200d👧‍👦", "🇰🇷", "👍🏽", "❤️", "ㅋㅋ🤣🤣", "☺︎", "1️⃣"]
nfd = partial(unicodedata.normalize, "NFD")


@pytest.fixture
def real_texts(real_data) -> list[str]:
    """Reviews, news with names, Wikipedia; composed, decomposed, with emoji and what is unknown."""
    texts = []
    for path in sorted((real_data / "heldout").glob("*.txt")):
        texts += path.read_text(encoding="utf-8").split("\n")[:150]
    for path in sorted((real_data / "finetune").rglob("*")):
        if path.suffix in (".tsv", ".txt", ".csv") and path.is_file():
            with path.open(encoding="utf-8") as file:
                texts += [line.rstrip("\n") for _, line in zip(range(400), file, strict=False)]
        elif path.suffix == ".json" and path.is_file():
            with path.open(encoding="utf-8") as file:
                text = file.read(20_000)
            texts += [text[start : start + 200] for start in range(0, len(text), 200)]
        elif path.suffix == ".jsonl" and path.is_file():
            with path.open(encoding="utf-8") as file:
                rows = [json.loads(line) for _, line in zip(range(200), file, strict=False)]
            texts += [v for row in rows for v in row.values() if isinstance(v, str)]
    assert len(texts) > 3000
    texts = [text[:300] for text in texts]
    mixed = [f"{text[:20]}{EMOJI[i % 7]} 뷁{text[20:]}\u3000" for i, text in enumerate(texts[::9])]
    return [*texts, *map(nfd, texts[::4]), *mixed, *map(nfd, mixed)]


def check(tokenizer: Tokenizer, texts: list[str]) -> None:
    asked = {"return_offsets": True, "return_word_ids": True, "return_eojeol_ids": True}
    many = tokenizer(texts, **asked)
    count = many["attention_mask"].sum(axis=1) - 2
    for row, text in enumerate(texts):
        inside = slice(1, 1 + count[row])
        spans = many["offsets"][row, inside]
        begins, ends = spans[:, 0], spans[:, 1]
        assert (begins >= 0).all() and (begins < ends).all() and (ends <= len(text)).all(), text
        assert (np.diff(begins) >= 0).all() and (np.diff(ends) >= 0).all(), text
        # Two pieces share a character only where cleaning or composition made both of it.
        assert (ends[:-1] <= begins[1:]).all(), text
        covered = np.zeros(len(text), bool)
        words = text.split()
        eojeols = many["eojeol_ids"][row, inside].tolist()
        for index, (start, end), eojeol in zip(
            many["input_ids"][row, inside].tolist(), spans.tolist(), eojeols, strict=True
        ):
            covered[start:end] = True
            piece = text[start:end]
            assert piece == piece.strip() and len(piece.split()) == 1, text
            assert piece in words[eojeol], text
            if index != tokenizer.unk_id:
                token = tokenizer.token(index).removeprefix("##").removeprefix("▁")
                form = unicodedata.normalize(tokenizer.form, piece)
                form = form.lower() if tokenizer.lowercase else form
                kept = "".join(c for c in form if unicodedata.category(c) not in ("Cc", "Cf", "Co"))
                assert kept == token, text
        # What is in no piece is white space, or deleted by cleaning.
        rest = {text[i] for i in np.flatnonzero(~covered).tolist()}
        kinds = {unicodedata.category(c) for c in rest if not c.isspace() and c != "\ufffd"}
        assert kinds <= {"Cc", "Cf", "Co", "Cn"}, (text, rest)
        assert (np.diff(eojeols) >= 0).all() and not (
            np.diff(many["word_ids"][row, inside]) < 0
        ).any()
    some = range(0, len(texts), 40)
    for row in some:  # by the other engine
        alone = tokenizer(texts[row], **asked)
        for name, array in alone.items():
            np.testing.assert_array_equal(many[name][row, : array.shape[1]], array[0])


@pytest.mark.real_data
@pytest.mark.parametrize("settings", [{}, {"lowercase": True}])
def test_pieces_slice_their_texts(real_data, real_texts, settings):
    path = real_data / "vocabs" / "klue-bert-base.vocab.txt"
    check(Tokenizer.from_file(path, **settings), real_texts)
