"""What the numbers of a label mean, in one place; and in which form its name is."""

from typing import Any
from unicodedata import normalize

# Next-sentence prediction: does the second text follow the first? (google-research/bert)
IS_NEXT = 0
IS_RANDOM = 1
# Sentence order, in its place: are the two texts swapped? (google-research/albert)
IS_IN_ORDER, IS_SWAPPED = 0, 1
NOT_A_PAIR = -1  # it has no second text, so nobody asks

IGNORED = -100  # a label that does not count, as PyTorch and Hugging Face's collators write it

REGRESSION_LABELS = ("score",)  # the name of the one number, where nobody gives it another

_LONGEST_NAME = 1_000  # characters; to compose a run of n accents takes Python n * n steps


def composed(name: Any) -> Any:
    """A name in one form, NFC: 긍정 as macOS writes it, in jamo, looks like 긍정 and is another.

    Args:
        name: a label or a column; or a list or tuple of such, as deep as spans are. What is no text
            stays as it is.

    Returns:
        The same object where nothing changes.

    Example:
        >>> composed("\u1100\u1161"), composed([[(0, 1, "\u1100\u1161")], []]), composed(None)
        ('가', [[(0, 1, '가')], []], None)
    """
    if isinstance(name, str):
        return normalize("NFC", name) if len(name) <= _LONGEST_NAME else name
    # The last of it tells whether it holds names: a vector of numbers is not walked through.
    if isinstance(name, list | tuple) and name and isinstance(name[-1], str | list | tuple):
        parts = [composed(part) for part in name]
        if any(part is not former for part, former in zip(parts, name, strict=True)):
            return parts if isinstance(name, list) else tuple(parts)
    return name
