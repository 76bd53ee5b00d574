"""The one exception of kbert, and the checks that several rooms share."""

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

_MOST_MESSAGE = 2_000  # characters


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

    # By which Keras knows an error that it has told the arguments of already: else it would put a
    # sentence from within a layer among some lines of its own.
    _keras_call_info_injected = True

    def __init__(self, message: object = ""):
        # What a file says gets into messages by many ways; none may steer a terminal or fill it.
        text = str(message)
        if not text.isprintable():
            kept = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
            text = "".join(kept)
        super().__init__(text if len(text) <= _MOST_MESSAGE else f"{text[:_MOST_MESSAGE]}...")


def shown(value: Any, most: int = 100) -> str:
    r"""A stranger's value for a message: cut, and without characters that steer a terminal.

    Example:
        >>> shown("bert.국회"), shown("\x1b[2J"), shown("a" * 1000, most=5)
        ('bert.국회', "'\\x1b[2J'", 'aa...')
    """
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def counted(count: int, noun: str) -> str:
    """A number of things, for a message.

    Example:
        >>> counted(1, "row"), counted(1200, "row")
        ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def with_article(name: str) -> str:
    """A name, as of a class, with its article, for a message.

    Example:
        >>> with_article("Bert"), with_article("ElectraForPreTraining")
        ('a Bert', 'an ElectraForPreTraining')
    """
    return f"{'an' if name[:1].upper() in 'AEIO' else 'a'} {name}"


def kind_of(value: Any) -> str:
    """What a value is, for a message.

    Example:
        >>> kind_of(3), kind_of({}), kind_of(None)
        ('an int', 'a dict', 'None')
    """
    return "None" if value is None else with_article(type(value).__name__)


def how_to_install(extra: str) -> str:
    """The command for one of kbert's extras. On PyPI the name kbert is another project's.

    Example:
        >>> how_to_install("viz")
        '`pip install -e ".[viz]"` in a clone of kbert'
    """
    return f'`pip install -e ".[{extra}]"` in a clone of kbert'


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A value as an int.

    Raises:
        KbertError: if it is none, or less or more than it can be.

    Example:
        >>> whole_number("batch_size", 32, 1)
        32
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or (most is not None and number > most):
        end = "" if most is None else f" to {most}"
        raise KbertError(f"{name} must be a whole number from {least}{end}, not {value!r:.80}")
    return number


def in_order(name: str, labels: Any) -> list[Any]:
    """Labels as a list: their order says which is which number.

    Raises:
        KbertError: if they are a dict, of which only the keys would be looked at; a set, which has
            no order; or nothing that holds names.

    Example:
        >>> in_order("labels", ("부정", "긍정"))
        ['부정', '긍정']
        >>> in_order("labels", {"긍정": 1, "부정": 0})
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: labels are a list in the order of their ids, not a dict: labels=...
    """
    if isinstance(labels, Mapping):
        names = _by_id(labels)
        meant = f"{name}={names!r:.300}" if names else f'as {name}=["부정", "긍정"]'
        raise KbertError(
            f"{name} are a list in the order of their ids, not {kind_of(labels)}: {meant}"
        )
    if isinstance(labels, set | frozenset):
        raise KbertError(
            f'{name} are a list in the order of their ids, as {name}=["부정", "긍정"], not '
            f"{kind_of(labels)}, which has no order"
        )
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise KbertError(f'{name} is a list of names, as ["부정", "긍정"], not {labels!r:.80}')
    return list(labels)


def _by_id(labels: Mapping[Any, Any]) -> list[str]:
    """The names in a dict from ids to names, or from names to ids; none if it may be neither."""
    readings = []
    for pairs in (labels.items(), [(number, name) for name, number in labels.items()]):
        names = {
            int(number): name  # "0" in JSON
            for number, name in pairs
            if isinstance(name, str) and (type(number) is int or str(number).isdecimal())
        }
        if names and sorted(names) == [*range(len(labels))]:
            readings.append([names[number] for number in range(len(labels))])
    return readings[0] if readings and all(each == readings[0] for each in readings) else []


def as_number(value: Any) -> float:
    """A value as a float; NaN if it is no number, which then is in no range.

    Example:
        >>> as_number(3), as_number("3"), as_number(True)
        (3.0, nan, nan)
    """
    try:
        return math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def number_from_zero(name: str, value: Any, end: float = math.inf) -> float:
    """A value as a float in [0, end).

    Raises:
        KbertError: if it is no number, or out of that range.

    Example:
        >>> number_from_zero("dropout", 0.1, end=1)
        0.1
    """
    number = as_number(value)
    if not 0 <= number < end:
        raise KbertError(f"{name} is a number in [0, {end}), not {value!r:.80}")
    return number
