"""A corpus as one flat array of ids, with the indices where sentences and documents begin.

Tokens become ids once. Nothing is padded or masked here, so every epoch can cut the same ids
anew: a next-sentence pair is four numbers, not a copy.

Shapes: T tokens, S sentences, C documents.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from kbert.data.corpus.corpus import Document
from kbert.errors import KbertError
from kbert.text.encoding.pieces import Pieces
from kbert.text.korean.morphemes import Morphemes
from kbert.text.tokenizer import Tokenizer

EOJEOL, MORPHEME = 1, 2  # bits of a mark: the token begins an eojeol, a morpheme
_AT_ONCE = 10_000  # sentences handed to the tokenizer together


@dataclass(frozen=True)
class Shard:
    """The ids of documents.

    Attributes:
        ids: (T,) uint16 or uint32, without special tokens.
        sentence_starts: (S + 1,) int64: sentence i is the ids from sentence_starts[i] to
            sentence_starts[i + 1] - 1.
        document_starts: (C + 1,) int64, in sentences: document i has the sentences
            document_starts[i] to document_starts[i + 1] - 1.
        marks: (T,) uint8, or None where nobody asked for them: bit EOJEOL is set where a token
            begins a word between spaces, bit MORPHEME where it begins a morpheme. So every
            sentence begins with both.
    """

    ids: np.ndarray
    sentence_starts: np.ndarray
    document_starts: np.ndarray
    marks: np.ndarray | None = None

    @property
    def num_documents(self) -> int:
        """C."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """S."""
        return len(self.sentence_starts) - 1


def encode_documents(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    *,
    eojeols: bool = False,
    morphemes: Morphemes | None = None,
    may_be_empty: bool = False,
) -> Shard:
    """Encodes documents; a sentence or document that gives no token is left out.

    Args:
        documents: lists of sentences.
        tokenizer: what makes ids of them.
        eojeols: whether to mark the tokens that begin an eojeol.
        morphemes: an analyser, to mark also those that begin a morpheme; it takes far longer than
            all the rest.
        may_be_empty: whether no token at all is no error.

    Raises:
        KbertError: if no token remains.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 가 나 ##나".split())
        >>> shard = encode_documents([["가나 나", "나"], ["가"]], tokenizer, eojeols=True)
        >>> shard.ids, shard.sentence_starts, shard.document_starts
        (array([5, 7, 6, 6, 5], dtype=uint16), array([0, 3, 4, 5]), array([0, 2, 3]))
        >>> shard.marks
        array([1, 0, 1, 1, 1], dtype=uint8)
    """
    dtype = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    ids: list[np.ndarray] = []
    marks: list[np.ndarray] = []
    sentence_lengths: list[np.ndarray] = []
    document_lengths: list[np.ndarray] = []
    waiting: list[Document] = []

    def encode_waiting() -> None:
        sentences = list(chain.from_iterable(waiting))
        columns = (["eojeol_ids"] if eojeols else []) + (["offsets"] if morphemes else [])
        pieces = tokenizer.encode_pieces(sentences, columns)
        lengths = pieces.lengths
        document = np.repeat(np.arange(len(waiting)), [len(each) for each in waiting])
        counts = np.bincount(document[lengths > 0], minlength=len(waiting))  # of sentences
        ids.append(pieces.ids.astype(dtype))
        if columns:
            marks.append(_marks(sentences, pieces, morphemes))
        sentence_lengths.append(lengths[lengths > 0])
        document_lengths.append(counts[counts > 0])
        waiting.clear()

    count = 0
    for document in documents:
        waiting.append(document)
        count += len(document)
        if count >= _AT_ONCE:
            encode_waiting()
            count = 0
    encode_waiting()
    flat = np.concatenate(ids)
    if not len(flat) and not may_be_empty:
        raise KbertError("the corpus is empty: it has no text to train on")
    return Shard(
        flat,
        _starts(sentence_lengths),
        _starts(document_lengths),
        np.concatenate(marks) if marks else None,
    )


def _starts(lengths: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])


def _marks(sentences: list[str], pieces: Pieces, morphemes: Morphemes | None) -> np.ndarray:
    """(T,) the marks of the pieces of sentences."""
    marks = np.zeros(len(pieces.ids), np.uint8)
    if "eojeol_ids" in pieces.columns:
        marks |= EOJEOL * _begins(pieces, pieces.columns["eojeol_ids"])
    if morphemes:
        found = np.zeros(len(pieces.ids), np.int64)  # the morpheme that each piece begins in
        offsets = pieces.columns["offsets"][:, 0]
        bounds = pieces.starts.tolist()
        for sentence, start, end in zip(sentences, bounds, bounds[1:], strict=False):
            starts = [start for start, _ in morphemes.spans(sentence)]
            found[start:end] = np.searchsorted(starts, offsets[start:end], side="right")
        marks |= MORPHEME * _begins(pieces, found)
    return marks


def _begins(pieces: Pieces, units: np.ndarray) -> np.ndarray:
    """(T,) uint8: 1 where a piece is the first of its unit, which is numbered in its sentence."""
    first = np.diff(units, prepend=-1) != 0
    first[pieces.starts[:-1][pieces.lengths > 0]] = True
    return first.astype(np.uint8)
