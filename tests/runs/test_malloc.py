import subprocess
import sys

import pytest

pytestmark = pytest.mark.once

# How many pages of 4 KB a process gets from the system in ten rounds of filling 200 MB: in the main
# thread and, as JAX does it, in another one.
SCRIPT = """
import resource, sys, threading
import numpy as np
from kbert.runs.malloc import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def rounds():
    for number in range(11):
        if number == 1:  # the first gets the memory in any case
            begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.full(25_000_000, number, np.int64)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin)

rounds()
thread = threading.Thread(target=rounds)
thread.start()
thread.join()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_is_not_fetched_again():
    """numpy asks for huge pages where the system has them, so pages are counted, not expected."""
    fetched = {}
    for mode in ("keep", "leave"):
        command = [sys.executable, "-c", SCRIPT, mode]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        fetched[mode] = [int(line) for line in run.stdout.split()]
    for kept, left in zip(fetched["keep"], fetched["leave"], strict=True):
        assert kept * 10 < left
