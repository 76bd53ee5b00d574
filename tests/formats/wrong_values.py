"""A JSON value with one thing in it that cannot be, for every thing in it."""

from collections.abc import Iterator
from typing import Any

WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**400, 1.5, 1e308, "", "x", "\x1b[2J\x07", "a" * 5000),
    *([], ["x"], [[]], {}, {"x": {}}, [{"content": 5}]),
)
_MOST = 6  # things of a list or an object that are changed; the others are like them
_DEEPEST = 6


def with_one_change(value: Any, depth: int = 0) -> Iterator[Any]:
    """Copies of a value, each with one thing replaced by one of WRONG, or left out."""
    if depth > _DEEPEST or not isinstance(value, dict | list):
        return
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    for key in keys if depth == 0 else keys[:_MOST]:
        rest = dict(value) if isinstance(value, dict) else list(value)
        del rest[key]
        yield rest
        for other in (*WRONG, *with_one_change(value[key], depth + 1)):
            copy: Any = dict(value) if isinstance(value, dict) else list(value)
            copy[key] = other
            yield copy
