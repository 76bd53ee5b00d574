"""Which examples of one part are in another: what makes a score look better than it is."""

from collections.abc import Iterator
from typing import NamedTuple

from kbert.data.labelled.examples import Examples
from kbert.data.labelled.split import LONG, text_keys


class Overlap(NamedTuple):
    """The examples of a part that another part has, by their indices.

    Short texts (네., 최고) are equal by chance, and the tests of many sets have some that train
    has, too; a sentence of 20 characters is not.

    Attributes:
        examples: how many the part has.
        whole: those whose texts are all equal to those of one example there.
        texts: those of which a text, first or second, is a text there.
        sentences: those of which a text or a sentence, of 20 characters or more without spaces, is
            one there.
    """

    examples: int
    whole: list[int]
    texts: list[int]
    sentences: list[int]

    def __str__(self) -> str:
        return (
            f"of {self.examples:,} examples {len(self.whole):,} are wholly in the other part, "
            f"{len(self.texts):,} share a text with it, and {len(self.sentences):,} a sentence of "
            f"{LONG} characters or more"
        )


def overlap(part: Examples, other: Examples) -> Overlap:
    """Which examples of a part (that is scored) are in another (that is learned from).

    Texts are compared without spaces and case, labels not at all. A group, such as the sentence
    without the marks of its entities, counts as a text of each of its examples.

    Args:
        part: the examples that are asked about.
        other: those among which they are looked for.

    Example:
        >>> dev = Examples("sequence-classification", ["정말 재미있는 영화였어요"])
        >>> train = Examples("sequence-classification", ["정말 재미 있는 영화였어요", "별로"])
        >>> print(overlap(dev, train))
        of 1 examples 1 are wholly in the other part, 1 share a text with it, and 0 a sentence of
        20 characters or more
    """
    rows, texts, sentences = set(), set(), set()
    for row, keys in _rows(other):
        rows.add(row)
        texts.update(text for text, *_ in keys)
        sentences.update(key for each in keys for key in each if len(key) >= LONG)
    found = Overlap(len(part), [], [], [])
    for index, (row, keys) in enumerate(_rows(part)):
        if row in rows:
            found.whole.append(index)
        if any(text in texts for text, *_ in keys):
            found.texts.append(index)
        if any(key in sentences for each in keys for key in each):  # only long ones are in there
            found.sentences.append(index)
    return found


def _rows(examples: Examples) -> Iterator[tuple[tuple[str, ...], list[list[str]]]]:
    """Of each example what it is known by as a whole, and the keys of each of its texts."""
    pairs = examples.pairs or [()] * len(examples)
    groups = examples.groups or examples.texts
    for text, pair, group in zip(examples.texts, pairs, groups, strict=True):
        keys = [
            list(text_keys(each)) for each in (text, *([pair] if isinstance(pair, str) else pair))
        ]
        row = tuple(plain for plain, *_ in keys)
        yield row, keys if group == text else [*keys, list(text_keys(group))]
