"""Memory that a process keeps, where it would hand it back to the system after every step.

A training step allocates hundreds of megabytes and frees them. glibc returns arrays of that size to
the system at once, and the next step gets them back a page of 4 KB at a time, each filled with
zeros when it is first written: with JAX some 180,000 pages a step of size mini. PyTorch does the
same for its largest arrays; TensorFlow keeps its memory by itself.

Source: mallopt(3), Linux man-pages.
"""

import ctypes
import sys

# glibc's malloc.h: name of the parameter -> its number, and what it is set to.
_SETTINGS = {
    "M_MMAP_MAX": (-4, 0),  # no array gets a mapping of its own
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),  # what is free at the heap's end stays
    "M_TOP_PAD": (-2, 64 << 20),  # the heap grows by 64 MB
    "M_ARENA_MAX": (-8, 1),  # one heap for all threads; the others' cannot hold large arrays
}


def keep_freed_memory() -> bool:
    """Has the C library keep what is freed, for the next step to take. Affects the whole process.

    To be called before the backend computes anything: its threads would have heaps of their own.
    The process then holds as much memory as it ever needed at once.

    Returns:
        Whether it was done: only on Linux with glibc.

    Example:
        >>> keep_freed_memory()  # doctest: +SKIP
        True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) for setting in _SETTINGS.values())
