"""Texts into pieces, by the engine that fits: ids, and where each piece comes from.

WordPiece of a few texts is looked up (`few_texts.py`), that of many is numpy's
(`numpy_wordpiece.py`). Where a few texts' pieces stand, unigram models and what is glued to a
[MASK] are the part of Hugging Face's `tokenizers` (Rust). All give the same. Composition comes
before, and the way back to the original string behind.
"""

from collections.abc import Collection
from functools import cached_property
from itertools import chain

import numpy as np

from kbert.errors import KbertError
from kbert.text.encoding.after_mask import continue_masks
from kbert.text.encoding.alignment import alignment
from kbert.text.encoding.few_texts import FewWordPiece
from kbert.text.encoding.numpy_unigram import BulkUnigram
from kbert.text.encoding.numpy_wordpiece import BulkWordPiece
from kbert.text.encoding.pieces import Pieces
from kbert.text.encoding.rust import Model, pieces_of
from kbert.text.korean.normalize import (
    Form,
    decomposes_into_marks,
    may_compose,
    normalize,
    replacements_of,
)

BULK_FROM = 1 << 11  # characters: on fewer, numpy's start costs more than the work
MAKE_BULK_FROM = 1 << 14  # characters: for fewer, its trie is not built (0.2 s)
_IS_SPACE = np.array([chr(code).isspace() for code in range(0x3002)])  # none stands behind U+3000


class Encoder:
    """Cuts texts into pieces, without special tokens at the ends.

    Args:
        model: WordPiece or a unigram model.
        mask_id: the id of [MASK].
        form: the Unicode form that texts are brought into.
        rules: see `normalize.py`.
    """

    def __init__(self, model: Model, mask_id: int, form: Form, rules: tuple[str, ...]):
        self._model, self._engine, self._spellings = model, model.engine, model.spellings
        self._is_wordpiece = model.scores is None
        self._mask_id = mask_id
        self._form: Form = form
        self._replacements = replacements_of(rules)

    def pieces(
        self, texts: list[str], places: Collection[str] = (), glued_to_mask: str = "word"
    ) -> Pieces:
        """The pieces of each text.

        Args:
            texts: any number.
            places: which of "offsets", "word_ids" and "eojeol_ids" to give.
            glued_to_mask: "word" or "continuation".
        """
        if glued_to_mask not in ("word", "continuation"):
            raise KbertError(f"glued_to_mask is 'word' or 'continuation', not {glued_to_mask!r}")
        unknown = sorted({*places} - {"offsets", "word_ids", "eojeol_ids"})
        if unknown:
            raise KbertError(f"places are offsets, word_ids and eojeol_ids, not {unknown[0]!r}")
        wanted = set(places) - {"eojeol_ids"} | ({"offsets"} if "eojeol_ids" in places else set())
        few = self.few(texts) if glued_to_mask == "word" and not wanted else None
        if few is not None:
            starts = np.cumsum([0, *map(len, few)], dtype=np.int64)
            return Pieces(np.array([*chain.from_iterable(few)], np.int32), starts)
        if glued_to_mask == "word" and self._in_bulk(texts):
            pieces, normal = self._encode_in_bulk(texts, wanted)
        else:
            pieces, normal = self._encode_by_engine(texts, wanted, glued_to_mask)
        if "offsets" in wanted:
            self._point_into_originals(pieces, texts, normal)
        if "eojeol_ids" in places:
            pieces.places["eojeol_ids"] = eojeol_ids(texts, pieces)
        return Pieces(pieces.ids, pieces.starts, {name: pieces.places[name] for name in places})

    def few(self, texts: list[str]) -> list[list[int]] | None:
        """The ids of each text in lists; None if they are too many, or not WordPiece's."""
        if not self._is_wordpiece or self._are_many(texts):
            return None
        return [self._few.encode(self._normalize(text)) for text in texts]

    def _are_many(self, texts: list[str]) -> bool:
        """Whether numpy's start, or Rust's, is worth it."""
        is_there = "_bulk" in vars(self) or "_bulk_unigram" in vars(self)
        least = BULK_FROM if is_there else MAKE_BULK_FROM
        return sum(len(text) for text in texts if isinstance(text, str)) >= least

    def _in_bulk(self, texts: list[str]) -> bool:
        """Whether numpy can do it, and is worth its start."""
        return self._are_many(texts) and (not self._is_wordpiece or self._model.breaks_at_lines)

    @cached_property
    def _few(self) -> FewWordPiece:
        return FewWordPiece(self._model)

    @cached_property
    def _bulk(self) -> BulkWordPiece:
        return BulkWordPiece(self._model)

    @cached_property
    def _bulk_unigram(self) -> BulkUnigram:
        return BulkUnigram(self._model)

    def _encode_in_bulk(self, texts: list[str], places: set[str]) -> tuple[Pieces, list[str]]:
        composes = self._is_wordpiece and self._form == "NFC" and not self._replacements
        if not composes:
            texts = [self._normalize(text) for text in texts]
        if self._is_wordpiece:
            return self._bulk.encode(texts, places, compose=composes)
        return self._bulk_unigram.encode(texts, places), texts

    def _encode_by_engine(
        self, texts: list[str], places: set[str], glued_to_mask: str
    ) -> tuple[Pieces, list[str]]:
        normal = [self._normalize(text) for text in texts]
        composed = normal
        if self._spellings:
            normal = [text.translate(self._spellings) for text in normal]
        if not places and glued_to_mask == "word":
            encodings = self._engine.encode_batch_fast(normal, add_special_tokens=False)
            found = [(encoding.ids, [], []) for encoding in encodings]
        else:
            found = self._model.encode_with_places(normal)
        if glued_to_mask == "continuation":
            ids = self._model.ids if self._is_wordpiece else None
            found = [
                continue_masks(*each, self._mask_id, self._engine, ids, self._model.unk_id)
                for each in zip(normal, found, strict=True)
            ]
        pieces = pieces_of(found, places)
        if self._spellings and "offsets" in places:
            self._point_to_syllables(pieces, composed)
        return pieces, composed

    def _normalize(self, text: str) -> str:
        return normalize(text, self._form, self._replacements)

    def _point_to_syllables(self, pieces: Pieces, composed: list[str]) -> None:
        """Turns offsets in spelt texts into offsets in the texts before."""
        spans = pieces.places["offsets"]
        for i, text in enumerate(composed):
            sizes = [len(self._spellings.get(ord(character), " ")) for character in text]
            source = np.repeat(np.arange(len(text), dtype=np.int32), sizes)
            mine = spans[pieces.starts[i] : pieces.starts[i + 1]]
            mine[:] = np.stack([source[mine[:, 0]], source[mine[:, 1] - 1] + 1], axis=1)

    def _point_into_originals(self, pieces: Pieces, texts: list[str], normal: list[str]) -> None:
        """Turns offsets in the normal forms into offsets in the texts themselves."""
        spans = pieces.places["offsets"]
        together, alone = [], []  # the texts that change; marks at the beginning would join others
        marks = decomposes_into_marks(self._form)
        for i, (text, form) in enumerate(zip(texts, normal, strict=True)):
            replaced = text.translate(self._replacements) if self._replacements else text
            if form != replaced:
                joins = may_compose(replaced[0]) or ord(replaced[0]) in marks
                (alone if joins else together).append((i, replaced))
        for group in [together, *([each] for each in alone)]:
            places = alignment("\n".join(text for _, text in group), self._form)
            before, formed = 0, 0  # characters of the texts and of their forms before this one
            for i, text in group:
                mine = spans[pieces.starts[i] : pieces.starts[i + 1]]
                begins, ends = mine[:, 0] + formed, mine[:, 1] + formed - 1
                mine[:] = np.stack([places[begins, 0], places[ends, 1]], axis=1) - before
                before, formed = before + len(text) + 1, formed + len(normal[i]) + 1


def eojeol_ids(texts: list[str], pieces: Pieces) -> np.ndarray:
    """Which word between spaces of its text each piece begins in, from 0; (T,) int32.

    Example:
        >>> offsets = {"offsets": np.array([[0, 2], [2, 3], [4, 5], [0, 1]])}
        >>> eojeol_ids(["국회에 나", "너"], Pieces(np.arange(4), np.array([0, 3, 4]), offsets))
        array([0, 0, 1, 0], dtype=int32)
    """
    codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), "<u4")
    space = _IS_SPACE[np.minimum(codes, len(_IS_SPACE) - 1)]
    space_before = np.concatenate([[True], space[:-1]])
    eojeols = np.cumsum(~space & space_before, dtype=np.int32)  # begun up to each character
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    starts = np.cumsum(sizes) - sizes  # of the texts
    before = eojeols[starts - 1] if len(starts) else eojeols
    before[:1] = 0  # nothing has begun before the first text
    begins = np.repeat(starts, pieces.lengths) + pieces.places["offsets"][:, 0]
    return eojeols[begins] - np.repeat(before, pieces.lengths) - 1
