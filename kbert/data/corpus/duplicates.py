"""Documents and lines that stood before, word for word, anywhere in the corpus.

    units of documents -> hashes, sorted (a file a unit) -> by share of the hashes: who came later
                       -> the indices to drop, in each unit

A line or document is known by a hash of 64 bits of its characters without spaces. The hashes
are divided into SHARES, looked at one after the other or side by side, so memory is some
40 bytes * lines / SHARES a process: 4 MB for the 6 million sentences of a gigabyte, 240 MB for
60 GB. The temporary files have 12 bytes a line. That any two different lines among the 380 million
of 60 GB have the same hash, so that one is lost, has a probability of 1 in 250.
"""

from collections import Counter
from hashlib import blake2b

import numpy as np

from kbert.data.corpus.corpus import Document

SHARES = 64  # of all hashes
MIN_LENGTH = 25  # characters of a line: 네. and 감사합니다. may come back

HASH = np.dtype([("hash", "<u8"), ("index", "<u4")])
INDEX = np.dtype([("unit", "<u4"), ("index", "<u4")])


def hash_unit(
    documents: list[Document], *, lines: bool, whole: bool, min_length: int = MIN_LENGTH
) -> np.ndarray:
    """The hashes of the lines and documents of a unit.

    Args:
        documents: lists of lines.
        lines: whether to hash lines, of at least `min_length` characters without spaces.
        whole: whether to hash documents.
        min_length: of a line; documents of any length count.

    Returns:
        (N,) HASH, sorted. A line's index is its number in the unit, from 0; a document's is its
        number behind all lines.
    """
    hashes, indices = [], []
    line, end = 0, sum(map(len, documents))
    for number, document in enumerate(documents):
        bare = [text.replace(" ", "") for text in document]
        if lines:
            for index, text in enumerate(bare, line):
                if len(text) >= min_length:
                    hashes.append(blake2b(text.encode(), digest_size=8).digest())
                    indices.append(index)
        if whole:
            text = "\n".join(bare).encode()
            hashes.append(blake2b(text, digest_size=8, person=b"document").digest())
            indices.append(end + number)
        line += len(document)
    found = np.empty(len(hashes), HASH)
    found["hash"], found["index"] = np.frombuffer(b"".join(hashes), "<u8"), indices
    return found[np.argsort(found["hash"], kind="stable")]


def share_of(hashes: np.ndarray, share: int) -> np.ndarray:
    """The part of a unit's hashes that belongs to one of SHARES."""
    width = (1 << 64) // SHARES
    start = np.searchsorted(hashes["hash"], np.uint64(share * width))
    if share == SHARES - 1:
        return hashes[start:]
    return hashes[start : np.searchsorted(hashes["hash"], np.uint64((share + 1) * width))]


def find_later(units: list[np.ndarray]) -> np.ndarray:
    """Which lines and documents of a share stood before.

    Args:
        units: the share's hashes of each unit, in the order of the corpus.

    Returns:
        (N,) INDEX, sorted: the unit and the index in it of all but the first of equal ones.
    """
    hashes = np.concatenate([np.zeros(0, np.uint64), *(unit["hash"] for unit in units)])
    order = np.argsort(hashes, kind="stable")  # so the first of the corpus comes first
    hashes = hashes[order]
    later = order[1:][hashes[1:] == hashes[:-1]]
    later.sort()
    sizes = [len(unit) for unit in units]
    found = np.empty(len(later), INDEX)
    found["unit"] = np.repeat(np.arange(len(units), dtype=np.uint32), sizes)[later]
    indices = np.concatenate([np.zeros(0, np.uint32), *(unit["index"] for unit in units)])
    found["index"] = indices[later]
    return found


def drop(documents: list[Document], indices: np.ndarray) -> tuple[list[Document], Counter[str]]:
    """A unit's documents without the lines and documents of those indices.

    Returns:
        The documents that are left, and counts: `duplicate_documents` that went, and of the others
        `duplicate_lines` and `emptied_documents`, of which nothing but duplicates was left.

    Example:
        >>> first = [["가나다라.", "마바사."]]
        >>> units = [first, [["가나다라.", "새 글이다."], ["가나다 라.", "마바사."]]]
        >>> hashes = [hash_unit(unit, lines=True, whole=True, min_length=4) for unit in units]
        >>> later = find_later(hashes)
        >>> kept, counts = drop(units[1], later["index"][later["unit"] == 1])
        >>> kept, dict(counts)
        ([['새 글이다.']], {'duplicate_lines': 1, 'duplicate_documents': 1, 'emptied_documents': 0})
    """
    gone, line, end = set(indices.tolist()), 0, sum(map(len, documents))
    kept = []
    counts = Counter(duplicate_lines=0, duplicate_documents=0, emptied_documents=0)
    for number, document in enumerate(documents):
        if end + number in gone:
            counts["duplicate_documents"] += 1
        else:
            left = [text for index, text in enumerate(document, line) if index not in gone]
            counts["duplicate_lines"] += len(document) - len(left)
            counts["emptied_documents"] += not left
            if left:
                kept.append(left)
        line += len(document)
    return kept, counts
