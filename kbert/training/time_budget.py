"""A run that ends by the clock: its learning rate rises and falls with the time, not with steps.

    rate = peak * min(share / warm-up, (1 - share) / (1 - warm-up))    share = seconds / budget

So the end of the time is the end of the schedule, however fast the device is. The rate is set some
200 times, between calls of `fit`, and stays for as many steps as fit into that time.

What continuing means here. A checkpoint holds the whole state and the seconds that were used, and
the clock stands while the run does not run; what was trained behind the last checkpoint is trained
again, in time that the run still has. Up to a checkpoint nothing differs. Behind it the rate of a
step depends on when it is taken: a run that was ended and goes on has as much time and the same
schedule as one that was never ended, and is not the same to the bit.

Source: Izsak et al. 2021, "How to Train BERT with an Academic Budget" (a schedule over the time
that there is).
"""

import time

from kbert.errors import KbertError, number_from_zero

_INTERVALS = 200  # how often the rate is set


class TimeBudget:
    """The time of a run, and the learning rate that is due in it.

    Args:
        seconds: that the run may take, with all that it does between its steps.
        peak: the highest rate.
        warmup: the share of the time in which the rate rises, in (0, 1).

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> budget = TimeBudget(100.0, peak=1.0, warmup=0.1)
        >>> [round(budget.rate(used), 2) for used in (5.0, 10.0, 55.0, 100.0, 999.0)]
        [0.5, 1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, seconds: float, peak: float, warmup: float = 0.1):
        if not number_from_zero("seconds", seconds) or not number_from_zero("warmup", warmup, 1):
            raise KbertError(f"seconds and warmup are above 0, not {seconds} and {warmup}")
        self.seconds, self.peak, self.warmup = seconds, number_from_zero("peak", peak), warmup
        self._steps_per_second = 0.0
        self.start()

    def start(self, used: float = 0.0) -> None:
        """Lets the clock go; `used` are the seconds that the run had at its checkpoint."""
        self._begin = time.perf_counter() - used

    def used(self) -> float:
        """The seconds that are gone."""
        return time.perf_counter() - self._begin

    def rate(self, used: float) -> float:
        """The learning rate when so many seconds are gone."""
        share = min(used / self.seconds, 1.0)
        return self.peak * min(share / self.warmup, (1 - share) / (1 - self.warmup))

    def interval(self, used: float) -> tuple[int, float]:
        """How many steps come next, and their rate: that of the middle of their time.

        One step where it is not known yet how long one takes.
        """
        seconds = max(0.0, min(self.seconds / _INTERVALS, self.seconds - used))
        return max(1, round(seconds * self._steps_per_second)), self.rate(used + seconds / 2)

    def took(self, steps: int, seconds: float) -> None:
        """Tells how long the steps took."""
        self._steps_per_second = steps / max(seconds, 1e-9)
