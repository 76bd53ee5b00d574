"""Kinds of text, and how much of each a batch has.

Shapes: M sources, N rows asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kbert.data.shards.shards import Shard
from kbert.errors import KbertError

_PERIOD = 10_000  # rows, after which the order of the sources repeats


@dataclass(frozen=True, eq=False)
class Source:
    """Texts of one kind.

    Attributes:
        shards: their ids.
        weight: how often an epoch goes through them. Sources of weight 1 are mixed as their sizes
            are; one of weight 2 is seen twice as often as these.
        next_sentence: whether it is running text, in which one sentence leads to the next.
            Comments and lists are not: they are masked like the others, but packed into full
            rows, and not asked about next sentences.
        name: for messages.
    """

    shards: Sequence[Shard]
    weight: float = 1.0
    next_sentence: bool = True
    name: str = "the corpus"


class Mixture:
    """Which row of a run is of which source, by number.

    The sources take turns as evenly as their shares allow, in an order that repeats after some
    10,000 rows; so each of any run of rows, a batch or a host's part of it, has its share of each.

    Args:
        shares: (M,) of each source, in any unit. A share of less than one row in 10,000 is
            rounded up to that.

    Raises:
        KbertError: if there is no source, or a share is not above 0.

    Attributes:
        counts: (M,) how many rows of each source a period has.

    Example:
        >>> mixture = Mixture([3, 1])
        >>> which, number = mixture.locate(np.arange(8))
        >>> which.tolist(), number.tolist()
        ([0, 0, 1, 0, 0, 0, 1, 0], [0, 1, 0, 2, 3, 4, 1, 5])
    """

    def __init__(self, shares: Sequence[float]):
        parts = np.array(shares, float)
        if not len(parts) or not (np.isfinite(parts) & (parts > 0)).all():
            raise KbertError(f"weights must be above 0, and there must be one, not {shares}")
        self.counts = np.maximum(np.rint(parts / parts.sum() * _PERIOD), 1).astype(np.int64)
        # A source with n rows has them in the middle of n equal parts of the period.
        moments = np.concatenate([(np.arange(count) + 0.5) / count for count in self.counts])
        order = np.argsort(moments, kind="stable")
        self._which = np.repeat(np.arange(len(parts)), self.counts)[order]
        self._number = np.concatenate([np.arange(count) for count in self.counts])[order]

    def locate(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source of each row (N,), and how many rows of that source come before (N,)."""
        periods, indices = np.divmod(rows, len(self._which))
        which = self._which[indices]
        return which, periods * self.counts[which] + self._number[indices]
