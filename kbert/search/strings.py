"""Many strings end to end in one file, and where each begins in another.

texts.bin         the strings in UTF-8, end to end
texts.starts.bin  (N + 1,) int64, little-endian: string i is the bytes from starts[i] to
                  starts[i + 1] - 1

A string is read when it is asked for: a million texts cost the memory of those that are looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from kbert.errors import KbertError

STARTS = np.dtype("<i8")


class Strings(Sequence[str]):
    """N strings in two files; `strings[i]` reads one.

    Args:
        path: the file of their bytes.
        starts_path: the file of their starts.
        count: N.

    Raises:
        KbertError: if the files are not those of N strings.
    """

    def __init__(self, path: Path, starts_path: Path, count: int):
        wanted = (count + 1) * STARTS.itemsize
        if starts_path.stat().st_size != wanted:
            raise KbertError(
                f"{starts_path}: {starts_path.stat().st_size:,} bytes, where {count:,} strings "
                f"take {wanted:,}; it is damaged"
            )
        self.path = path
        self._starts = np.memmap(starts_path, STARTS, mode="r")
        size = path.stat().st_size
        if self._starts[0] != 0 or self._starts[-1] != size or (np.diff(self._starts) < 0).any():
            raise KbertError(
                f"{starts_path}: the starts do not rise from 0 to {size:,}; it is damaged"
            )
        self._bytes = np.memmap(path, np.uint8, mode="r") if size else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index):
        """String i; or a list of those in a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # negative ones, and an IndexError beyond the end
        start, end = self._starts[place : place + 2].tolist()
        try:
            return self._bytes[start:end].tobytes().decode()
        except UnicodeDecodeError as error:
            raise KbertError(f"{self.path}: string {place} is not UTF-8 ({error})") from None
