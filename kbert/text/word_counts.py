"""How often each word occurs in texts of any size: exact, on all cores, in bounded memory.

    texts -> blocks of 2 million characters -> workers: chunks between spaces, counted
          -> words, at punctuation -> a file a share of the words -> summed, share by share

A worker that has seen `_MOST_CHUNKS` different chunks cuts them into words, adds the counts to its
files and begins anew; each word always goes to the same share. So memory depends neither on the
size of the texts nor on who counted what, and the counts are exact: the same whatever the number of
processes and the order of the texts. (Forgetting rare words along the way, the usual method, makes
them depend on the order.)

Memory: some 200 MB a process, and in the end some 150 MB for a million different words, of which
`max_words` are kept. Disk: some 20 bytes a word that a worker wrote, in the temporary folder.
"""

import marshal
import multiprocessing
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from kbert.errors import KbertError
from kbert.text.morphemes import Analyser, Morphemes
from kbert.text.normalize import nfc

_BLOCK = 1 << 21  # characters that a worker is given at a time
_MOST_CHUNKS = 700_000  # different ones that a worker holds
_SHARES = 32  # files of each worker, summed one after the other
# Python splits at these, and BERT removes them: they are control characters.
_NO_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"


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


class _Cut(dict[int, str]):
    """What BERT's cleaning and cutting make of each character: a table for `str.translate`."""

    def __init__(self, lowercase: bool):
        self._lowercase = lowercase

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\t\n\r":
            new = character
        elif category in ("Cc", "Cf", "Co") or character == "\ufffd":
            new = ""
        elif category[0] == "P" or (code < 128 and category[0] == "S") or _is_cjk(code):
            new = f" {character} "
        else:
            new = character.lower() if self._lowercase else character
        self[code] = new
        return new


def _is_cjk(code: int) -> bool:
    """Whether BERT makes a word of the character: hanja, but neither Hangul nor kana."""
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2A6DF
        or 0x2A700 <= code <= 0x2B73F
        or 0x2B740 <= code <= 0x2B81F
        or 0x2B920 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )


def _blocks(texts: Iterable[str]) -> Iterator[str]:
    """Joins texts to blocks of some `_BLOCK` characters."""
    block: list[str] = []
    size = 0
    for text in texts:
        if not isinstance(text, str):
            nfc(text)  # raises the TypeError that says so
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
        self._chunks: Counter[str] = Counter()
        self._folder, self._table = folder, _Cut(lowercase)
        folder.mkdir()

    def add(self, block: str) -> None:
        text = nfc(block)
        for mark in _NO_SPACES:
            text = text.replace(mark, "")
        if self._morphemes:
            text = " ".join(" ".join(self._morphemes.split(line)) for line in text.split("\n"))
        self._chunks.update(text.split())
        if len(self._chunks) >= _MOST_CHUNKS:
            self.spill()

    def spill(self) -> None:
        if not self._chunks:
            return
        shares: list[dict[str, int]] = [{} for _ in range(_SHARES)]
        # One translation for all chunks, since a call costs more than a chunk's characters.
        cut = "\n".join(self._chunks).translate(self._table).split("\n")
        for chunk, count in zip(cut, self._chunks.values(), strict=True):
            for word in chunk.split():
                share = shares[ord(word[0]) % _SHARES]
                share[word] = share.get(word, 0) + count
        self._chunks.clear()
        for number, share in enumerate(shares):
            with Path(self._folder, str(number)).open("ab") as file:
                marshal.dump(share, file)


def _sum_shares(folder: Path, min_count: int, max_words: int) -> Counter[str]:
    words: Counter[str] = Counter()
    for share in range(_SHARES):
        total: dict[str, int] = {}
        for path in folder.glob(f"*/{share}"):
            with path.open("rb") as file:
                while file.peek(1):
                    for word, count in marshal.load(file).items():
                        total[word] = total.get(word, 0) + count
        # Not Counter.update, which is slower and looks for words that cannot be there yet.
        dict.update(words, {word: n for word, n in total.items() if n >= min_count})
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
    workers = {}
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


def _first_that_asks(connections: Iterable[Connection]) -> Connection:
    connection = wait(list(connections))[0]
    assert isinstance(connection, Connection)
    _receive(connection)
    return connection


def _receive(connection: Connection) -> None:
    try:
        message = connection.recv()
    except (EOFError, OSError):
        raise KbertError(
            "a process that counted words ended too early: it was killed (for want of memory?), or "
            'the script that called has no `if __name__ == "__main__":`'
        ) from None
    if isinstance(message, Exception):
        raise message


def _work(
    connection: Connection, folder: Path, lowercase: bool, morphemes: Analyser | None
) -> None:
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
