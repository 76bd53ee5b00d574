"""WordPiece for a few texts: what stands between spaces is looked up, or cut in plain Python.

A call for one sentence costs numpy (`numpy_wordpiece.py`) more to start than to do, and Rust more
to cross over to. WordPiece never looks beyond a space; so the ids of what stands between two, an
eojeol, are kept by its spelling, and put together they are those of the text.
"""

import re
from collections.abc import Iterable
from itertools import chain

import tokenizers

from kbert.text.encoding.characters import written_out
from kbert.text.encoding.rust import Model
from kbert.text.special_tokens import any_of
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH

# What is kept takes 12 MB where it is Korean text, and 35 MB at most; then it is forgotten.
MOST_KEPT = 1 << 16  # eojeols, and characters
LONGEST_KEPT = 24  # characters of an eojeol


class FewWordPiece:
    """Encodes a few short texts.

    Args:
        model: of WordPiece.
    """

    def __init__(self, model: Model):
        self._ids, self._tokens = model.ids, model.whole_tokens
        self._pattern = re.compile(f"({any_of(self._tokens)})")
        characters = _Characters(model.engine, model.spellings, set().union(*model.ids))
        self._eojeols = _Eojeols(model.ids, characters, model.unk_id)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, which is in its form already."""
        for token in self._tokens:
            if token in text:
                return self._around_tokens(text)
        return [*chain.from_iterable(map(self._eojeols.__getitem__, text.split(" ")))]

    def _around_tokens(self, text: str) -> list[int]:
        found = []
        for place, part in enumerate(self._pattern.split(text)):
            if place % 2:
                found.append(self._ids[part])
            else:
                found += chain.from_iterable(map(self._eojeols.__getitem__, part.split(" ")))
        return found


class _Eojeols(dict[str, tuple[int, ...]]):
    """What stands between spaces -> its ids."""

    def __init__(self, ids: dict[str, int], characters: dict[int, str], unk_id: int):
        super().__init__()
        self._begin, self._characters, self._unk_id = ids, characters, unk_id
        size = len(CONTINUATION)
        self._continue = {t[size:]: i for t, i in ids.items() if t.startswith(CONTINUATION)}

    def __missing__(self, eojeol: str) -> tuple[int, ...]:
        found = []
        for word in eojeol.translate(self._characters).split(" "):
            if word:
                whole = self._begin.get(word)
                found += self._cut(word) if whole is None else (whole,)
        ids = (*found,)
        if len(eojeol) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[eojeol] = ids
        return ids

    def _cut(self, word: str) -> list[int]:
        """The longest pieces, from first to last."""
        length = len(word)
        if length > MAX_WORD_LENGTH:
            return [self._unk_id]
        ids, pieces, start = [], self._begin, 0
        while start < length:
            end = length
            while (found := pieces.get(word[start:end])) is None:
                end -= 1
                if end == start:
                    return [self._unk_id]
            ids.append(found)
            pieces, start = self._continue, end
        return ids


class _Characters(dict[int, str]):
    """A character -> what cleaning makes of it, with spaces around words of their own."""

    def __init__(
        self, engine: tokenizers.Tokenizer, spellings: dict[int, str], first: Iterable[str]
    ):
        super().__init__()
        self._engine, self._spellings = engine, spellings
        self._ask(first)

    def __missing__(self, code: int) -> str:
        if len(self) >= MOST_KEPT:
            self.clear()
        self._ask(chr(code))
        return self[code]

    def _ask(self, characters: Iterable[str]) -> None:
        for character, written in written_out(self._engine, characters).items():
            code = ord(character)
            self[code] = self._spellings.get(code, written)
