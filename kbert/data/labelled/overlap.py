"""Which examples of one part are in another: what makes a score look better than it is.

Texts are compared without spaces. Short ones (네., 최고) are equal by chance, and are in the tests
of many sets; a sentence of 20 characters is not.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from kbert.data.labelled.examples import Examples

MIN_LENGTH = 20  # characters of a sentence, without spaces
# A plain rule: what is cut wrongly is cut wrongly in both parts.
_END = re.compile(r"(?<=[가-힣][.!?])\s+|\n+")
_SPACE = re.compile(r"\s+")


class Overlap(NamedTuple):
    """The examples of a part that another part has, by their numbers from 0.

    Attributes:
        examples: how many there are in all.
        whole: those whose texts are all equal to those of one example there.
        texts: those of which a text, first or second, is a text there.
        sentences: those of which a text or a sentence, of 20 characters and more without spaces,
            is a text or a sentence there.
    """

    examples: int
    whole: list[int]
    texts: list[int]
    sentences: list[int]

    def __str__(self) -> str:
        return (
            f"of {self.examples:,} examples {len(self.whole):,} are whole in the other part, "
            f"{len(self.texts):,} share a text with it, {len(self.sentences):,} a sentence of "
            f"{MIN_LENGTH} characters or more"
        )


def overlap(part: Examples, other: Examples) -> Overlap:
    """Which examples of a part (of those that are scored) are in another (of those learned).

    A group, such as the sentence without the marks of its entities, counts as a text of each of
    its examples. Labels are not looked at.

    Args:
        part: the examples that are asked about.
        other: the examples in which they are looked for.

    Example:
        >>> dev = Examples("sequence-classification", ["정말 재미있는 영화였어요"])
        >>> train = Examples("sequence-classification", ["정말 재미 있는 영화였어요", "별로"])
        >>> print(overlap(dev, train))
        of 1 examples 1 are whole in the other part, 1 share a text with it, 0 a sentence of 20
        characters or more
    """
    rows, texts, sentences = set(), set(), set()
    for row, all_texts in _rows(other):
        rows.add(row)
        texts.update(map(_bare, all_texts))
        sentences.update(_sentences(all_texts))
    found = Overlap(len(part), [], [], [])
    for number, (row, all_texts) in enumerate(_rows(part)):
        if row in rows:
            found.whole.append(number)
        if any(_bare(text) in texts for text in all_texts):
            found.texts.append(number)
        if any(sentence in sentences for sentence in _sentences(all_texts)):
            found.sentences.append(number)
    return found


def _rows(examples: Examples) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """(what makes an example the same, its texts) of each example."""
    pairs = examples.pairs or [()] * len(examples)
    groups = examples.groups or examples.texts
    for text, pair, group in zip(examples.texts, pairs, groups, strict=True):
        texts = [text, *([pair] if isinstance(pair, str) else pair)]
        row = tuple(map(_bare, texts))
        yield row, texts if group == text else [*texts, group]


def _bare(text: str) -> str:
    return _SPACE.sub("", text)


def _sentences(texts: list[str]) -> Iterator[str]:
    """The texts and their sentences that are long enough, without spaces."""
    for text in texts:
        parts = _END.split(text)
        for sentence in [text, *parts] if len(parts) > 1 else parts:
            bare = _bare(sentence)
            if len(bare) >= MIN_LENGTH:
                yield bare
