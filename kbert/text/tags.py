"""Labels of characters beside labels of pieces, and back.

A span is (start, end, name): characters of the original text, the end exclusive. By the BIO scheme
its first character is tagged B-name and the others I-name; all else is O. A piece gets the tag of
its first character. So a span that begins or ends within a piece comes back longer or shorter, and
how many do is what the vocabulary costs before anything is learned (the ceiling).

Where every word has a tag of its own and nothing else, as parts of speech, a span is a word, and
its first piece gets its name (`scheme` "word").

Shapes: T pieces.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from kbert.errors import KbertError

Span = tuple[int, int, str]
Scheme = Literal["BIO", "word"]
OUTSIDE = "O"


def scheme_of(label_names: Sequence[str]) -> Scheme:
    """Which scheme labels are of: BIO if their names are O, B-... and I-..., else words.

    Example:
        >>> scheme_of(["O", "B-PS", "I-PS"]), scheme_of(["NNG", "JKS"])
        ('BIO', 'word')
    """
    is_bio = all(name == OUTSIDE or name[:2] in ("B-", "I-") for name in label_names)
    return "BIO" if is_bio and OUTSIDE in label_names else "word"


def character_tags(text: str, spans: Sequence[Span]) -> list[str]:
    """Spans as a BIO tag for each character.

    Raises:
        KbertError: if a span is empty, outside the text, or overlaps another.

    Example:
        >>> character_tags("유희열이 왔다", [(0, 3, "PS")])
        ['B-PS', 'I-PS', 'I-PS', 'O', 'O', 'O', 'O']
    """
    tags = [OUTSIDE] * len(text)
    for start, end, name in spans:
        if not 0 <= start < end <= len(text):
            raise KbertError(
                f"the span ({start}, {end}, {name!r}) is empty or outside its text of {len(text)} "
                f"characters, {text!r:.60}"
            )
        if any(tag != OUTSIDE for tag in tags[start:end]):
            raise KbertError(
                f"the span ({start}, {end}, {name!r}) overlaps another in {text!r:.60}"
            )
        tags[start:end] = [f"B-{name}", *[f"I-{name}"] * (end - start - 1)]
    return tags


def spans_of(tags: Sequence[str]) -> list[Span]:
    """BIO tags of characters as spans; an I- that continues nothing begins a span.

    Example:
        >>> spans_of(["O", "B-PS", "I-PS", "I-LC"])
        [(1, 3, 'PS'), (3, 4, 'LC')]
    """
    spans: list[list] = []
    open_name = None
    for index, tag in enumerate(tags):
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name == open_name:
            spans[-1][1] = index + 1
        elif prefix in ("B", "I"):
            spans.append([index, index + 1, name])
        open_name = name if prefix in ("B", "I") else None
    return [(start, end, name) for start, end, name in spans]


def piece_labels(
    text: str, spans: Sequence[Span], offsets: np.ndarray, scheme: Scheme, ids: dict[str, int]
) -> np.ndarray:
    """The label of each piece of a text.

    Args:
        text: the original string.
        spans: of its characters.
        offsets: (T, 2) where its pieces stand.
        scheme: "BIO" or "word".
        ids: the labels' numbers by name.

    Returns:
        (T,) int32; -1 where a piece has no label: all but the first of a word.

    Raises:
        KbertError: as `character_tags`, or if a label has no number.

    Example:
        >>> offsets = np.array([[0, 3], [3, 4], [5, 7]])
        >>> ids = {"O": 0, "B-PS": 1, "I-PS": 2}
        >>> piece_labels("유희열이 왔다", [(0, 3, "PS")], offsets, "BIO", ids)
        array([1, 0, 0], dtype=int32)
    """
    labels = np.full(len(offsets), -1, np.int32)
    if scheme == "word":
        for start, end, name in spans:
            inside = np.flatnonzero((offsets[:, 0] >= start) & (offsets[:, 0] < end))
            labels[inside[:1]] = _id(name, ids, text)
        return labels
    tags = character_tags(text, spans)
    begun = None  # the entity that the last piece was of, by the offset where it begins
    entity = _entity_starts(spans, len(text))
    for index, start in enumerate(offsets[:, 0].tolist()):
        tag = tags[start]
        if tag != OUTSIDE:
            # Where an entity begins within a piece, the next piece is its first.
            tag = ("I" if entity[start] == begun else "B") + tag[1:]
        begun = entity[start]
        labels[index] = _id(tag, ids, text)
    return labels


def _entity_starts(spans: Sequence[Span], length: int) -> list[int]:
    """For each character the start of the span that it is in; -1 outside."""
    starts = [-1] * length
    for start, end, _ in spans:
        starts[start:end] = [start] * (end - start)
    return starts


def _id(name: str, ids: dict[str, int], text: str) -> int:
    if name not in ids:
        raise KbertError(f"{text!r:.60} has the label {name!r}, which is none of {[*ids]!r:.200}")
    return ids[name]


def tags_from_pieces(text: str, labels: Sequence[str], offsets: np.ndarray) -> list[str]:
    """The BIO tags of a text's characters, from those of its pieces.

    The first character of a piece keeps the piece's tag, the others continue it. What stands
    between two pieces (a space) is within an entity if the second continues it.

    Args:
        text: the original string.
        labels: (T,) names of labels.
        offsets: (T, 2) where the pieces stand.

    Example:
        >>> tags_from_pieces("서울 시는", ["B-LC", "I-LC", "O"], np.array([[0, 2], [3, 4], [4, 5]]))
        ['B-LC', 'I-LC', 'I-LC', 'I-LC', 'O']
    """
    tags = [OUTSIDE] * len(text)
    end_before, name_before = 0, ""
    for label, (start, end) in zip(labels, offsets.tolist(), strict=True):
        prefix, _, name = label.partition("-")
        inside = f"I-{name}" if name else OUTSIDE
        start = max(start, end_before)  # two pieces of one decomposed character share it
        if prefix == "I" and name == name_before:
            tags[end_before:start] = [inside] * (start - end_before)
        if start < end:
            tags[start:end] = [label, *[inside] * (end - start - 1)]
            end_before = end
        name_before = name
    return tags


def eojeols(text: str) -> list[tuple[int, int]]:
    """Where the words between spaces stand.

    Example:
        >>> eojeols(" 국회는  연다")
        [(1, 4), (6, 8)]
    """
    return [(found.start(), found.end()) for found in re.finditer(r"\S+", text)]
