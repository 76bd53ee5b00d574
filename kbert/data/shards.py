"""A corpus as one flat array of ids, with the places where sentences and documents begin.

Tokens become ids once. Nothing is padded or masked here, so every epoch can cut the same ids
anew: a next-sentence pair is four numbers, not a copy.

Shapes: T tokens, S sentences, C documents.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from kbert.data.corpus import Document
from kbert.errors import KbertError
from kbert.text.tokenizer import Tokenizer

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
    """

    ids: np.ndarray
    sentence_starts: np.ndarray
    document_starts: np.ndarray

    @property
    def num_documents(self) -> int:
        """C."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """S."""
        return len(self.sentence_starts) - 1


def encode_documents(documents: Iterable[Document], tokenizer: Tokenizer) -> Shard:
    """Encodes documents; a sentence or document that gives no token is left out.

    Raises:
        KbertError: if no token remains.

    Example:
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가", "나"])
        >>> shard = encode_documents([["가 나", "나"], ["가"]], tokenizer)
        >>> shard.ids, shard.sentence_starts, shard.document_starts
        (array([5, 6, 6, 5], dtype=uint16), array([0, 2, 3, 4]), array([0, 2, 3]))
    """
    dtype = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    pieces: list[np.ndarray] = []
    sentence_lengths: list[np.ndarray] = []
    document_lengths: list[np.ndarray] = []
    waiting: list[Document] = []

    def encode_waiting() -> None:
        ids, starts = tokenizer.encode_flat(list(chain.from_iterable(waiting)))
        lengths = np.diff(starts)
        document = np.repeat(np.arange(len(waiting)), [len(each) for each in waiting])
        counts = np.bincount(document[lengths > 0], minlength=len(waiting))  # of sentences
        pieces.append(ids.astype(dtype))
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
    ids = np.concatenate(pieces)
    if not len(ids):
        raise KbertError("the corpus is empty: it has no text to train on")
    return Shard(ids, _starts(sentence_lengths), _starts(document_lengths))


def _starts(lengths: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
