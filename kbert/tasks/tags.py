"""Spans <-> a tag for each character, as KLUE-NER's files and scores have them."""

from collections.abc import Iterable, Sequence

from kbert.errors import KbertError

Span = tuple[int, int, str]  # characters, the end exclusive, and what it is


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of a sequence of tags; an I- that nothing goes before begins one, too.

    Example:
        >>> spans_of(["B-PS", "I-PS", "O", "B-LC"])
        [(0, 2, 'PS'), (3, 4, 'LC')]
    """
    spans: list[Span] = []
    start, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            spans.append((start, i, kind))
            kind = ""
        if not kind and tag != "O":
            start, kind = i, tag[2:]
    return spans


def tags_of(length: int, spans: Iterable[Span]) -> list[str]:
    """A tag for each of a text's characters.

    Raises:
        KbertError: if a span is empty, out of the text, or lies in another.

    Example:
        >>> tags_of(4, [(0, 2, "PS"), (3, 4, "LC")])
        ['B-PS', 'I-PS', 'O', 'B-LC']
    """
    tags = ["O"] * length
    for start, end, kind in spans:
        if not 0 <= start < end <= length:
            raise KbertError(f"the span {(start, end, kind)} is not in a text of {length}")
        if any(tag != "O" for tag in tags[start:end]):
            raise KbertError(f"the span {(start, end, kind)} lies in another")
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def characters(texts: Sequence[str], spans: Sequence[Iterable[Span]]) -> list[str]:
    """The tags of all texts' characters but spaces, one text behind the other.

    This is what KLUE scores. An entity that begins with a space loses its B- here, and with it, in
    strict IOB, itself; two of KLUE-NER's dev set do.

    Args:
        texts: N texts.
        spans: N lists of spans.

    Example:
        >>> characters(["이 순신", "나"], [[(0, 4, "PS")], []])
        ['B-PS', 'I-PS', 'I-PS', 'O']
    """
    flat = []
    for text, found in zip(texts, spans, strict=True):
        tags = tags_of(len(text), found)
        flat += [tag for character, tag in zip(text, tags, strict=True) if character != " "]
    return flat
