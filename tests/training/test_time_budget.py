import math

import pytest

from kbert import KbertError
from kbert.training import time_budget
from kbert.training.time_budget import TimeBudget


def test_steps_of_an_interval_fill_a_200th_of_the_time():
    budget = TimeBudget(1000.0, peak=1.0)
    assert budget.interval(0.0) == (1, pytest.approx(0.025))  # nothing is known of the speed
    budget.took(1, 20.0)  # it compiled
    assert budget.interval(20.0)[0] == 1
    budget.took(1, 0.1)
    assert budget.interval(20.0) == (50, pytest.approx(0.225))
    assert budget.interval(998.0) == (20, pytest.approx(1 / 900))  # of what is left
    assert budget.interval(2000.0) == (1, 0.0)


def test_the_clock_begins_where_the_checkpoint_was(monkeypatch):
    class Clock:
        now = 70.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(time_budget, "time", clock)
    budget = TimeBudget(10.0, peak=1.0)
    clock.now += 3
    assert budget.used() == 3
    budget.start(used=8.0)
    clock.now += 1
    assert budget.used() == 9


@pytest.mark.parametrize(
    "numbers",
    [(0, 1), (-1, 1), (math.nan, 1), (math.inf, 1), (9, -1), (9, 1, 0), (9, 1, 1), ("9", 1)],
)
def test_numbers_that_cannot_be(numbers):
    with pytest.raises(KbertError):
        TimeBudget(*numbers)
