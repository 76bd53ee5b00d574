"""Texts into pieces, by the engine that fits: ids, and where each piece comes from.

Two engines give the same. Hugging Face's `tokenizers` (Rust) knows all that there is, and is quick
to start: it is the reference, and takes few texts. Many are numpy's (`numpy_wordpiece.py`,
`numpy_unigram.py`), several times as fast. `Encoder._by_numpy` chooses. Composition comes before,
and the way back to the original string behind.
"""

from collections.abc import Collection
from functools import cached_property

import numpy as np

from kbert.errors import KbertError
from kbert.text.encoding.after_mask import GluedToMask
from kbert.text.encoding.alignment import alignment, is_space
from kbert.text.encoding.numpy_unigram import BulkUnigram
from kbert.text.encoding.numpy_wordpiece import BulkWordPiece
from kbert.text.encoding.pieces import Pieces, concatenate, taken
from kbert.text.encoding.rust import Model, pieces_of
from kbert.text.korean.normalize import Form, check_text, normalize, replacements_of

BULK_FROM = 1 << 10  # characters: on fewer, numpy's start costs more than the work
MAKE_BULK_FROM = 1 << 14  # characters: for fewer, its trie is not built (0.2 s)


class Encoder:
    """Cuts texts into pieces, without special tokens at the ends.

    Args:
        model: WordPiece, a unigram model or byte-level BPE.
        mask_id: the id of [MASK].
        form: the Unicode form that texts are brought into.
        rules: see `normalize.py`.
    """

    def __init__(self, model: Model, mask_id: int, form: Form, rules: tuple[str, ...]):
        self._model, self._engine, self._spellings = model, model.engine, model.spellings
        self._is_bytes = model.merges is not None
        self._is_wordpiece = model.scores is None and not self._is_bytes
        self._mask_id = mask_id
        self._form: Form = form
        self._replacements = replacements_of(rules)

    def pieces(
        self,
        texts: list[str],
        columns: Collection[str] = (),
        glued_to_mask: str = "word",
        called: str = "texts",
    ) -> Pieces:
        """The pieces of each text.

        Args:
            texts: any number.
            columns: which of "offsets", "word_ids" and "eojeol_ids" to give.
            glued_to_mask: "word" or "continuation".
            called: what the caller calls the texts, for errors.

        Raises:
            TypeError, KbertError: as `check_text`, which names the text.
        """
        if glued_to_mask not in ("word", "continuation"):
            raise KbertError(f"glued_to_mask is 'word' or 'continuation', not {glued_to_mask!r}")
        unknown = sorted({*columns} - {"offsets", "word_ids", "eojeol_ids"})
        if unknown:
            raise KbertError(f"columns are offsets, word_ids and eojeol_ids, not {unknown[0]!r}")
        wanted = set(columns) - {"eojeol_ids"} | ({"offsets"} if "eojeol_ids" in columns else set())
        try:
            if self._by_numpy(texts, glued_to_mask):
                pieces, normal = self._encode_in_bulk(texts, wanted)
            else:
                pieces, normal = self._encode_by_engine(texts, wanted, glued_to_mask)
        except (TypeError, KbertError):
            for number, text in enumerate(texts):
                check_text(text, f"{called}[{number}]")
            raise
        if "offsets" in wanted:
            self._point_into_originals(pieces, texts, normal)
        if "eojeol_ids" in columns:
            pieces.columns["eojeol_ids"] = eojeol_ids(texts, pieces)
        return Pieces(pieces.ids, pieces.starts, {name: pieces.columns[name] for name in columns})

    def _by_numpy(self, texts: list[str], glued_to_mask: str) -> bool:
        """Whether numpy encodes these texts, or the engine."""
        if glued_to_mask != "word" or self._is_bytes:
            return False
        is_there = "_bulk" in vars(self) or "_bulk_unigram" in vars(self)
        least = BULK_FROM if is_there else MAKE_BULK_FROM
        return sum(len(text) for text in texts if isinstance(text, str)) >= least

    @cached_property
    def _glued(self) -> GluedToMask:
        return GluedToMask(self._model, self._mask_id)

    @cached_property
    def _bulk(self) -> BulkWordPiece:
        return BulkWordPiece(self._model)

    @cached_property
    def _bulk_unigram(self) -> BulkUnigram:
        return BulkUnigram(self._model)

    def _encode_in_bulk(self, texts: list[str], wanted: set[str]) -> tuple[Pieces, list[str]]:
        composes = self._is_wordpiece and self._form == "NFC" and not self._replacements
        if not composes:
            texts = [self._normalize(text) for text in texts]
        if not self._is_wordpiece:
            return self._bulk_unigram.encode(texts, wanted), texts
        pieces, normal, others = self._bulk.encode(texts, wanted, compose=composes)
        if others:
            theirs, _ = self._encode_by_engine([texts[i] for i in others], wanted, "word")
            row = np.arange(len(texts))
            row[others] = len(texts) + np.arange(len(others))
            pieces = taken(concatenate([pieces, theirs]), row)
        return pieces, normal

    def _encode_by_engine(
        self, texts: list[str], wanted: set[str], glued_to_mask: str
    ) -> tuple[Pieces, list[str]]:
        normal = [self._normalize(text) for text in texts]
        composed = normal
        if self._spellings:
            normal = [text.translate(self._spellings) for text in normal]
        if not wanted and glued_to_mask == "word":
            encodings = self._engine.encode_batch_fast(normal, add_special_tokens=False)
            found = [(encoding.ids, [], []) for encoding in encodings]
        else:
            found = self._model.encode_with_offsets(normal)
        if (
            glued_to_mask == "continuation" and not self._is_bytes
        ):  # there without a space is within
            found = [self._glued(*each) for each in zip(normal, found, strict=True)]
        pieces = pieces_of(found, wanted)
        if self._spellings and "offsets" in wanted:
            self._point_to_syllables(pieces, composed)
        return pieces, composed

    def _normalize(self, text: str) -> str:
        return normalize(text, self._form, self._replacements)

    def _point_to_syllables(self, pieces: Pieces, composed: list[str]) -> None:
        """Turns offsets in spelt texts into offsets in the texts before."""
        spans = pieces.columns["offsets"]
        for i, text in enumerate(composed):
            sizes = [len(self._spellings.get(ord(character), " ")) for character in text]
            source = np.repeat(np.arange(len(text), dtype=np.int32), sizes)
            mine = spans[pieces.starts[i] : pieces.starts[i + 1]]
            mine[:] = np.stack([source[mine[:, 0]], source[mine[:, 1] - 1] + 1], axis=1)

    def _point_into_originals(self, pieces: Pieces, texts: list[str], normal: list[str]) -> None:
        """Turns offsets in the normal forms into offsets in the texts themselves."""
        spans = pieces.columns["offsets"]
        changed = []
        for i, (text, form) in enumerate(zip(texts, normal, strict=True)):
            replaced = text.translate(self._replacements) if self._replacements else text
            if form != replaced:
                changed.append((i, replaced))
        if not changed:
            return
        offsets = alignment("\n".join(text for _, text in changed), self._form)
        before, formed = 0, 0  # characters of the texts and of their forms before this one
        for i, text in changed:
            mine = spans[pieces.starts[i] : pieces.starts[i + 1]]
            begins, ends = mine[:, 0] + formed, mine[:, 1] + formed - 1
            mine[:] = np.stack([offsets[begins, 0], offsets[ends, 1]], axis=1) - before
            before, formed = before + len(text) + 1, formed + len(normal[i]) + 1


def eojeol_ids(texts: list[str], pieces: Pieces) -> np.ndarray:
    """Which word between spaces of its text each piece begins in, from 0; (T,) int32.

    Example:
        >>> offsets = {"offsets": np.array([[0, 2], [2, 3], [4, 5], [0, 1]])}
        >>> eojeol_ids(["국회에 나", "너"], Pieces(np.arange(4), np.array([0, 3, 4]), offsets))
        array([0, 0, 1, 0], dtype=int32)
    """
    codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), "<u4")
    space = is_space(codes)
    space_before = np.concatenate([[True], space[:-1]])
    eojeols = np.cumsum(~space & space_before, dtype=np.int32)  # begun up to each character
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    starts = np.cumsum(sizes) - sizes  # of the texts
    before = eojeols[starts - 1] if len(starts) else eojeols
    before[:1] = 0  # nothing has begun before the first text
    begins, ends = (np.repeat(starts, pieces.lengths) + pieces.columns["offsets"].T).astype(
        np.int64
    )
    # A token may take the white space before it along, or be nothing else.
    letters = np.append(np.flatnonzero(~space), len(codes))
    begins = np.minimum(letters[np.searchsorted(letters, begins)], ends - 1)
    return np.maximum(eojeols[begins] - np.repeat(before, pieces.lengths) - 1, 0)
