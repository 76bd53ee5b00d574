"""JSON from a stranger: read strictly, within bounds.

Python's own reader is generous: of a key that stands twice it keeps the last, it makes numbers of
NaN and Infinity, and it follows brackets as deep as the stack allows. A file that two programs read
differently is one that was checked in vain, so all of that is refused here.
"""

import json
import math
import re
from typing import Any

import numpy as np

from kbert.errors import KbertError

MAX_JSON_BYTES = 1 << 20  # the header of BERT-large in safetensors has 50,000
MAX_JSON_DEPTH = 32
MAX_JSON_VALUES = 1_000_000  # XLM-RoBERTa's vocabulary has 750,000
_MOST_TO_NAME = 100_000  # values: in a larger file the key is not looked for
MAX_NUMBER = 40  # digits of a whole number; 10^30 is what tokenizers have for "no limit"

# A string, or what begins as one and has no end. No byte is read twice: with an end that must be
# there, each quote of `"\"\"\"...` would be tried as a beginning, and followed to the end.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_STEPS = np.zeros(256, np.int8)  # of a byte: one level deeper, or back
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def read_json_object(
    data: bytes, where: str, *, max_bytes: int = MAX_JSON_BYTES, max_values: int = MAX_JSON_VALUES
) -> dict[str, Any]:
    """Parses the bytes of a JSON object, as `read_json` does.

    Raises:
        KbertError: if it is not such an object.

    Example:
        >>> read_json_object(b"[1, 2]", "config.json")
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: config.json: expected a JSON object, got [1, 2]
    """
    value = read_json(data, where, max_bytes=max_bytes, max_values=max_values)
    if not isinstance(value, dict):
        raise KbertError(f"{where}: expected a JSON object, got {value!r:.80}")
    return value


def read_json(
    data: bytes, where: str, *, max_bytes: int = MAX_JSON_BYTES, max_values: int = MAX_JSON_VALUES
) -> Any:
    """Parses the bytes of a JSON file.

    Refused are more than `max_bytes`, more than `max_values` values, more than `MAX_JSON_DEPTH`
    levels, bytes that are not UTF-8, a key that an object has twice, and numbers that are not
    finite or have more than `MAX_NUMBER` digits.

    Args:
        data: the bytes.
        where: what they were read from, named in errors.
        max_bytes: how many there may be.
        max_values: how many values: small ones cost the most time and memory by their bytes.

    Raises:
        KbertError: if it is not such a file.

    Example:
        >>> read_json(b'{"vocab_size": 32000}', "config.json")
        {'vocab_size': 32000}
        >>> read_json(b'{"a": 1, "a": 2}', "config.json")
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: config.json: the key 'a' stands twice in one object
    """
    if len(data) > max_bytes:
        raise KbertError(f"{where}: {len(data):,} bytes of JSON; {max_bytes:,} is the most")
    plain = _STRING.sub(b"", data)
    values = sum(plain.count(mark) for mark in (b",", b"[", b"{"))
    if values > max_values:
        raise KbertError(f"{where}: some {values:,} values of JSON; {max_values:,} is the most")
    opened, closed = (sum(map(plain.count, marks)) for marks in ((b"[", b"{"), (b"]", b"}")))
    if closed > opened:
        raise KbertError(f"{where}: not JSON: {opened:,} brackets open and {closed:,} close")
    too_long = plain.translate(_DIGITS).find(b"0" * (MAX_NUMBER + 1))
    if too_long >= 0:
        digits = plain[too_long : too_long + MAX_NUMBER].decode()
        raise KbertError(f"{where}: {digits}... is no number that a config may have")
    steps = _STEPS[np.frombuffer(plain, np.uint8)]
    depth = int(steps[steps != 0].cumsum(dtype=np.int32).max(initial=0))
    if depth > MAX_JSON_DEPTH:
        raise KbertError(
            f"{where}: not JSON that kbert reads: {depth} levels deep; {MAX_JSON_DEPTH} is the most"
        )

    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise KbertError(f"{where}: the key {key!r:.80} stands twice in one object")
            seen.add(key)

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise KbertError(f"{where}: {number:.40} is no number that a config may have")
        return float(number)

    try:
        value = json.loads(data.decode("utf-8"), parse_float=finite, parse_constant=finite)
        if _count_keys(value) != plain.count(b":"):  # a colon stands behind each of them
            if values < _MOST_TO_NAME:
                json.loads(data, object_pairs_hook=unique)
            raise KbertError(f"{where}: a key stands twice in one object")
    except KbertError:
        raise
    except (ValueError, RecursionError) as error:
        raise KbertError(f"{where}: not JSON ({error})") from None
    return value


def _count_keys(value: Any) -> int:
    """How many keys the objects within a value have altogether."""
    count, todo = 0, [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            count += len(each)
            todo += [inner for inner in each.values() if isinstance(inner, dict | list)]
        elif isinstance(each, list):
            todo += [inner for inner in each if isinstance(inner, dict | list)]
    return count
