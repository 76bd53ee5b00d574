"""Byte-pair merges over counted words, in numpy: the engine under `train_vocabulary`.

The rule: count the neighbouring pairs of symbols in all words (each word as often as it occurs),
merge the most frequent pair everywhere, and begin again. Of equally frequent pairs the one with
the smaller ids, (left, right), goes first, so the merges are a function of the counts alone.

Each different word stands once, in one flat array of cells that is a linked list of its symbols:

    symbol   0  국  회  에   0  국  민  0     a 0 before the first word and behind each
    weight   0   3   3   3   0   2   2  0     how often the word occurs

Two things make this fast without being another rule:

- A pair only becomes rarer, until a merge makes one of its symbols anew. So counts are not kept up
  to date: the heap holds what a pair once had, and what comes up is counted again at its cells.
- Only pairs that had `floor` occurrences are watched. When none is left, the cells are packed
  (words that are one symbol by now go) and all pairs are counted again, for a lower floor.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units",
section 3.2, algorithm 1.
"""

import heapq
from collections.abc import Iterator

import numpy as np

_BETWEEN, _MERGED = 0, -1  # symbols of a cell between words, and of one that joined another
_WATCHED = 16000  # pairs that a count of all pairs begins to watch
_BINS = 22  # bits: a count of all pairs has up to 4 million bins
_AT_ONCE = 1 << 20  # cells counted at a time, to keep what lies between small


class BytePairs:
    """Words as cells, and the merges that their counts call for.

    Args:
        symbols: (cells,) ids from 1; words end to end, a 0 before the first and behind each.
        weights: (cells,) how often the word of a cell occurs.
        names: what the symbols 1, 2, ... are called. A merged symbol has the joined name; two
            merges that join to one name (가나 + 다, 가 + 나다) make one symbol.
        min_frequency: a pair is merged only if it occurs this often.

    Example:
        >>> symbols = np.array([0, 1, 2, 0, 1, 2, 3, 0, 1, 3, 0])
        >>> weights = np.array([0, 5, 5, 0, 3, 3, 3, 0, 2, 2, 0])
        >>> pairs = BytePairs(symbols, weights, ["가", "나", "다"])
        >>> list(pairs.merges())
        ['가나', '가나다', '가다']
    """

    def __init__(
        self, symbols: np.ndarray, weights: np.ndarray, names: list[str], min_frequency: int = 1
    ):
        self._names = ["", *names]
        self._ids = {name: index for index, name in enumerate(self._names)}
        self._min_frequency = max(1, min_frequency)
        self._symbol, self._weight = symbols.astype(np.int32, copy=False), weights

    def merges(self) -> Iterator[str]:
        """Merges, and yields the name of each new symbol, from the first to the last."""
        self._floor = 0
        while self._floor != self._min_frequency:
            self._count_all_pairs()
            while self._heap:
                negative, left, right = heapq.heappop(self._heap)
                cells = self._cells.pop((left, right), None)
                if cells is None:  # watched twice, merged once
                    continue
                here = (self._symbol[cells] == left) & (self._symbol[self._next[cells]] == right)
                cells = cells[here]
                count = int(self._weight[cells].sum(dtype=np.int64))
                if count != -negative:  # rarer than it was: back into the queue
                    self._watch(left, right, cells, count)
                    continue
                name = self._names[left] + self._names[right]
                is_new = name not in self._ids
                self._merge(left, right, cells, name)
                if is_new:
                    yield name

    def _pack(self) -> None:
        """Lays the cells out again, without merged ones and words of one symbol: no pairs there."""
        self._next = self._before = np.empty(0, np.int32)  # not in memory beside the new ones
        kept = self._symbol != _MERGED
        between = np.flatnonzero(self._symbol == _BETWEEN)
        symbols = np.add.reduceat(kept[1:], between[:-1], dtype=np.int32)  # and the 0 behind a word
        kept[1:] &= np.repeat(symbols > 2, np.diff(between))
        self._symbol, self._weight = self._symbol[kept], self._weight[kept]
        self._next = np.arange(1, len(self._symbol) + 1, dtype=np.int32)
        self._before = self._next - 2

    def _count_all_pairs(self) -> None:
        """Watches the most frequent pairs of all.

        All pairs are counted in so many bins that few share one. A bin's count is no less than
        that of any pair in it, so only the pairs of large bins need to be told apart.
        """
        self._pack()
        self._heap: list[tuple[int, int, int]] = []
        self._cells: dict[tuple[int, int], np.ndarray] = {}

        bits = min(_BINS, len(self._symbol).bit_length())
        counts = np.zeros(1 << bits)
        for cells, bins in self._bins(bits):
            counts += np.bincount(bins, self._weight[cells], minlength=len(counts))
        floor = int(np.partition(counts, -_WATCHED)[-_WATCHED]) if len(counts) > _WATCHED else 0
        if self._floor:
            floor = min(floor, self._floor * 7 // 8)  # even where rare pairs fill a bin together
        self._floor = max(self._min_frequency, floor)
        large = counts >= self._floor
        kept = [cells[large[bins]] for cells, bins in self._bins(bits)]
        self._watch_frequent(np.concatenate([np.empty(0, np.int32), *kept]))

    def _bins(self, bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the cells where a pair begins, some at a time, and the bin of each pair."""
        for start in range(0, len(self._symbol) - 1, _AT_ONCE):
            stop = min(start + _AT_ONCE, len(self._symbol) - 1)
            left, right = self._symbol[start:stop], self._symbol[start + 1 : stop + 1]
            within = np.flatnonzero((left != _BETWEEN) & (right != _BETWEEN)).astype(np.int32)
            left, right = left[within].view(np.uint32), right[within].view(np.uint32)
            mixed = left * np.uint32(0x9E3779B1) + right * np.uint32(0x85EBCA77)
            yield start + within, (mixed >> np.uint32(32 - bits)).astype(np.int32)

    def _watch_frequent(self, cells: np.ndarray) -> None:
        """Counts the pairs that begin at cells, and watches those that are frequent enough."""
        left, right = self._symbol[cells], self._symbol[self._next[cells]]
        within = (left > _BETWEEN) & (right > _BETWEEN)
        cells = cells[within]
        pairs = (left[within].astype(np.int64) << 32) | right[within]
        order = np.argsort(pairs)
        pairs, cells = pairs[order], cells[order]
        if not len(cells):
            return
        starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
        counts = np.add.reduceat(self._weight[cells], starts, dtype=np.int64)
        ends = np.append(starts[1:], len(cells))
        for index in np.flatnonzero(counts >= self._floor).tolist():
            start, end = starts[index], ends[index]
            pair = int(pairs[start])
            count = int(counts[index])
            self._watch(pair >> 32, pair & 0xFFFFFFFF, cells[start:end].copy(), count)

    def _watch(self, left: int, right: int, cells: np.ndarray, count: int) -> None:
        if count >= self._floor:
            self._cells[left, right] = cells
            heapq.heappush(self._heap, (-count, left, right))

    def _merge(self, left: int, right: int, cells: np.ndarray, name: str) -> None:
        """Joins a pair at its cells, and watches the pairs that this makes."""
        if left == right:
            cells = _without_overlaps(np.sort(cells), self._next)
        is_new = name not in self._ids
        if is_new:
            self._ids[name] = len(self._names)
            self._names.append(name)
        symbol = self._ids[name]
        second = self._next[cells]
        third = self._next[second]
        self._symbol[cells] = symbol
        self._symbol[second] = _MERGED
        self._next[cells] = third
        self._before[third] = cells
        if not is_new:  # it stands in other cells as well, and all its pairs count
            cells = np.flatnonzero(self._symbol == symbol).astype(np.int32)
        before = self._before[cells]
        before = before[self._symbol[before] != symbol]  # such a one is among the cells
        self._watch_frequent(np.concatenate([before, cells]))


def _without_overlaps(cells: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Of a run aaaa, which is a pair at each a but the last, every other cell from the left."""
    begins = np.ones(len(cells), bool)
    begins[1:] = following[cells[:-1]] != cells[1:]
    index = np.arange(len(cells))
    turn = index - np.maximum.accumulate(np.where(begins, index, 0))
    return cells[turn % 2 == 0]
