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

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int8)  # of a byte: one level deeper, or back
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def read_json_object(data: bytes, where: str, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Parses the bytes of a JSON object.

    Refused are more than `max_bytes`, more than `MAX_JSON_DEPTH` levels, bytes that are not UTF-8,
    a key that an object has twice, and numbers that are not finite.

    Args:
        data: the bytes.
        where: what they were read from, named in errors.
        max_bytes: how many there may be.

    Raises:
        KbertError: if it is not such an object.

    Example:
        >>> read_json_object(b'{"vocab_size": 32000}', "config.json")
        {'vocab_size': 32000}
        >>> read_json_object(b'{"a": 1, "a": 2}', "config.json")
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: config.json: the key 'a' stands twice in one object
    """
    if len(data) > max_bytes:
        raise KbertError(f"{where}: {len(data):,} bytes of JSON; {max_bytes:,} is the most")
    brackets = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    depth = int(_STEPS[brackets].cumsum(dtype=np.int64).max(initial=0))
    if depth > MAX_JSON_DEPTH:
        raise KbertError(
            f"{where}: not JSON that kbert reads: {depth} levels deep; {MAX_JSON_DEPTH} is the most"
        )

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            raise KbertError(f"{where}: the key {twice!r:.80} stands twice in one object")
        return found

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise KbertError(f"{where}: {number:.40} is no number that a config may have")
        return float(number)

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_float=finite,
            parse_constant=finite,
        )
    except KbertError:
        raise
    except (ValueError, RecursionError) as error:
        raise KbertError(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise KbertError(f"{where}: expected a JSON object, got {value!r:.80}")
    return value
