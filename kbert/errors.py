"""The one exception of kbert, and the checks that several rooms share."""

import math
import operator
from typing import Any


class KbertError(ValueError):
    """Bad input: the message names what was received and what would be right.

    It is a ValueError, so code that already catches ValueError keeps working.

    Example:
        >>> import kbert
        >>> kbert.Tokenizer(["[PAD]", "[UNK]"])
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: the vocabulary has no [CLS], [SEP]...
    """


def how_to_install(extra: str) -> str:
    """The command for one of kbert's extras. On PyPI the name kbert is another project's.

    Example:
        >>> how_to_install("viz")
        '`pip install -e ".[viz]"` in a clone of kbert'
    """
    return f'`pip install -e ".[{extra}]"` in a clone of kbert'


def whole_number(name: str, value: Any, least: int) -> int:
    """A value as an int.

    Raises:
        KbertError: if it is none, or less than it can be.

    Example:
        >>> whole_number("batch_size", 32, 1)
        32
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise KbertError(f"{name} must be a whole number from {least}, not {value!r:.80}")
    return number


def number_from_zero(name: str, value: Any, end: float = math.inf) -> float:
    """A value as a float in [0, end).

    Raises:
        KbertError: if it is no number, or out of that range.

    Example:
        >>> number_from_zero("dropout", 0.1, end=1)
        0.1
    """
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < end:
        raise KbertError(f"{name} is a number in [0, {end}), not {value!r:.80}")
    return number
