"""A model without its numbers: to compare sizes before anything of them is made."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras

_Result = TypeVar("_Result")


def without_numbers(build: Callable[[], _Result]) -> _Result:
    """Runs a function whose models get shapes and no numbers, and returns what it returns.

    In a thread of its own: Keras keeps a list of variables that have no numbers yet, one a thread,
    and would draw them all at the next chance, long after the model that they were of is gone.
    """

    def run() -> _Result:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(run).result()
