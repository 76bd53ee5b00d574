"""How often each word occurs in texts of any size, on all cores, in bounded memory.

    texts -> blocks of a million characters -> workers: words, counted -> files -> summed

A worker that holds `_MOST_WORDS` different words (see `word_arrays.py`) writes them to its files, a
share of the hashes to each, and begins anew; in the end the files of a share are summed. So memory
depends neither on the size of the texts nor on who counted what, and nothing is forgotten on the
way: the counts are the same whatever the number of processes and the order of the texts.

Memory: some 250 MB a process, and in the end some 150 MB for a million different words, of which
`max_words` are kept. Disk: some 40 bytes a word that a worker wrote, in the temporary folder.
"""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.text.korean.morphemes import Analyser, Morphemes
from kbert.text.korean.normalize import check_text, check_texts, nfc
from kbert.text.learning.word_arrays import Cutter, Words, summed

_BLOCK = 1 << 20  # characters that a worker is given at a time
_MOST_WORDS = 400_000  # different ones that a worker holds
_SHARES = 16  # files of each worker, summed one after the other


def count_words(
    texts: Iterable[str],
    *,
    lowercase: bool = False,
    morphemes: Analyser | None = None,
    min_count: int = 1,
    max_words: int = 5_000_000,
    processes: int = 1,
) -> Counter[str]:
    """Counts the words of texts as BERT's tokenizer cuts them: at spaces and punctuation.

    Args:
        texts: texts of any length; an iterator is read once, a block at a time.
        lowercase: whether to lowercase.
        morphemes: an analyser (see `Morphemes`) whose morphemes are then the words, as in
            KLUE-BERT's vocabulary: pieces do not cross them, and 에서 is one beside ##에서. Each
            process has an analyser of its own; a function must be one that can be imported.
        min_count: a word that occurs less often is left out. 2 drops some 60% of the words of
            Korean running text, and so of time and memory; a pair of pieces that only such words
            have is then counted too low.
        max_words: the most different words to keep, so that memory is bounded. Where there are
            more, those of the lowest counts are left out, all words of a count or none.
        processes: how many count. With more than one, call from a script whose own work stands
            under `if __name__ == "__main__":`, as Python's `multiprocessing` demands.

    Raises:
        TypeError: if a text is not a string.
        KbertError: if a text holds a lone surrogate, or a process was ended from outside.

    Example:
        >>> sorted(count_words(["국회, 국회에"]).items())
        [(',', 1), ('국회', 1), ('국회에', 1)]
    """
    for name, value in (
        ("min_count", min_count),
        ("max_words", max_words),
        ("processes", processes),
    ):
        if not (isinstance(value, int) and value >= 1):
            raise KbertError(f"{name} is a number from 1, not {value!r}")
    with tempfile.TemporaryDirectory(prefix="kbert-words-") as folder:
        if processes == 1:
            counter = _WordCounter(Path(folder, "0"), lowercase, morphemes)
            for block in _blocks(texts):
                counter.add(block)
            counter.spill()
        else:
            _count_in_processes(_blocks(texts), folder, lowercase, morphemes, processes)
        return _sum_shares(Path(folder), min_count, max_words)


def _blocks(texts: Iterable[str]) -> Iterator[str]:
    """Joins texts to blocks of some `_BLOCK` characters."""
    block: list[str] = []
    size = 0
    for number, text in enumerate(check_texts(texts)):
        try:
            text.encode()
        except (AttributeError, UnicodeEncodeError):
            check_text(text, f"texts[{number}]")
        block.append(text)
        size += len(text)
        if size >= _BLOCK:
            yield "\n".join(block)
            block, size = [], 0
    yield "\n".join(block)


class _WordCounter:
    """Counts blocks, and adds the words to one file a share whenever it holds too many."""

    def __init__(self, folder: Path, lowercase: bool, morphemes: Analyser | None):
        self._morphemes = None if morphemes is None else Morphemes(morphemes)
        self._cutter, self._folder = Cutter(lowercase), folder
        self._runs: list[Words] = []
        self._held = 0  # words in the runs
        folder.mkdir()

    def add(self, block: str) -> None:
        text = nfc(block)
        if self._morphemes:
            text = "\n".join(" ".join(self._morphemes.split(line)) for line in text.split("\n"))
        self._runs.append(self._cutter.words(text))
        self._held += len(self._runs[-1].hashes)
        if self._held > 2 * _MOST_WORDS:
            self._runs = [summed(self._runs)]
            self._held = len(self._runs[0].hashes)
            if self._held > _MOST_WORDS:
                self.spill()

    def spill(self) -> None:
        if not self._runs:
            return
        words = summed(self._runs)
        self._runs, self._held = [], 0
        limits = np.arange(1, _SHARES, dtype=np.uint64) * np.uint64((1 << 64) // _SHARES)
        cuts = [0, *np.searchsorted(words.hashes, limits).tolist(), len(words.hashes)]
        ends = np.concatenate([[0], np.cumsum(words.lengths)])
        for number, (start, stop) in enumerate(pairwise(cuts)):
            share = [array[start:stop] for array in words[:3]]
            share.append(words.codes[ends[start] : ends[stop]])
            with Path(self._folder, str(number)).open("ab") as file:
                for array in share:
                    np.save(file, array)


def _sum_shares(folder: Path, min_count: int, max_words: int) -> Counter[str]:
    words: Counter[str] = Counter()
    for share in range(_SHARES):
        runs = []
        for path in folder.glob(f"*/{share}"):
            with path.open("rb") as file:
                while file.peek(1):
                    runs.append(Words(*(np.load(file) for _ in Words._fields)))
        if not runs:
            continue
        total = summed(runs)
        text = total.codes.tobytes().decode("utf-32-le")
        ends = np.cumsum(total.lengths)
        kept = np.flatnonzero(total.counts >= min_count)
        spans = zip((ends - total.lengths)[kept].tolist(), ends[kept].tolist(), strict=True)
        found = (text[start:end] for start, end in spans)
        # Not Counter.update, which is slower and looks for words that cannot be there yet.
        dict.update(words, zip(found, total.counts[kept].tolist(), strict=True))
        if len(words) > max_words:
            min_count = _count_to_keep(words, max_words)
            words = Counter({word: n for word, n in words.items() if n >= min_count})
    return words


def _count_to_keep(words: Counter[str], most: int) -> int:
    """The smallest count that no more than `most` words reach."""
    reached = 0
    for count, number in sorted(Counter(words.values()).items(), reverse=True):
        reached += number
        if reached > most:
            return count + 1
    return 1


def _count_in_processes(
    blocks: Iterable[str],
    folder: str,
    lowercase: bool,
    morphemes: Analyser | None,
    processes: int,
) -> None:
    """Gives each block to a process that asks for one."""
    context = multiprocessing.get_context("spawn")  # to fork a process that has threads may hang
    workers: dict[Any, Any] = {}  # connection -> process
    try:
        for number in range(processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, Path(folder, str(number)), lowercase, morphemes)
            workers[ours] = context.Process(target=_work, args=arguments, daemon=True)
            workers[ours].start()
            theirs.close()
        for block in blocks:
            _first_that_asks(workers).send(block)
        asking = list(workers)
        while asking:
            connection = _first_that_asks(asking)
            asking.remove(connection)
            connection.send(None)
        for connection in workers:
            _receive(connection)
    finally:
        for process in workers.values():
            process.terminate()
            process.join()


def _first_that_asks(connections: Iterable[Any]) -> Any:
    connection = wait(list(connections))[0]
    _receive(connection)
    return connection


def _receive(connection: Any) -> None:
    """Takes a worker's question for more, or raises what went wrong there."""
    try:
        message = connection.recv()
    except (EOFError, OSError):
        raise KbertError(
            "a process that counted words ended too early: it was killed (for want of memory?), or "
            'the script that called has no `if __name__ == "__main__":`'
        ) from None
    if isinstance(message, Exception):
        raise message


def _work(connection: Any, folder: Path, lowercase: bool, morphemes: Analyser | None) -> None:
    """A counting process: asks (None), gets a block, until it gets None."""
    try:
        counter = _WordCounter(folder, lowercase, morphemes)
        connection.send(None)
        while (block := connection.recv()) is not None:
            counter.add(block)
            connection.send(None)
        counter.spill()
        connection.send(None)
    except Exception as error:  # the caller raises it
        connection.send(error)
