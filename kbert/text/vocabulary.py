"""A WordPiece vocabulary: what its tokens look like, and the file that holds it.

Source: google-research/bert, tokenization.py; the published `vocab.txt` files.
"""

import logging
from pathlib import Path

from kbert.errors import KbertError, shown
from kbert.files.atomic_files import written_beside

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
MOST_TOKENS = 1 << 20  # of a file
_MOST_REPEATED = 1_000  # lines that say a token again
MAX_WORD_LENGTH = 100  # characters; BERT makes a longer word [UNK]
_log = logging.getLogger("kbert")


def read_vocabulary(path: str | Path) -> list[str]:
    r"""Reads a `vocab.txt`: one token a line, its line number from 0 is its id.

    Raises:
        KbertError: if the file is not UTF-8 or is empty.
    """
    return parse_vocabulary(Path(path).read_bytes(), str(path))


def parse_vocabulary(data: bytes, where: str, *, strict: bool = False) -> list[str]:
    """Reads the bytes of a `vocab.txt`; `where` they come from is named in errors.

    Published files have blank lines at the end, and tokens that stand twice. The former are left
    out. Of the latter the last counts, as in transformers; the others keep their ids under names
    that occur in no text, so that all ids stay what the checkpoint was trained with. Both are said
    by a warning of the logger "kbert". In a strict reading, of files that kbert wrote, a token that
    stands twice is an error.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KbertError(
            f"{where}: not UTF-8 at byte {error.start}; a vocab.txt is UTF-8"
        ) from None
    lines = text.replace("\r\n", "\n")
    tokens = (lines.removesuffix("\n") if strict else lines.rstrip("\n")).split("\n")
    if tokens == [""]:
        raise KbertError(f"{where}: the vocabulary is empty; it needs one token a line")
    if len(tokens) > MOST_TOKENS:
        raise KbertError(f"{where}: {len(tokens):,} tokens; {MOST_TOKENS:,} is the most")
    if strict:
        check_unique(tokens, where)
        return tokens
    blank = len(lines) - len(lines.rstrip("\n")) - 1
    if blank > 0:
        _log.warning("%s: ends with %d blank lines, which are no tokens", where, blank)
    return _one_id_each(tokens, where)


def _one_id_each(tokens: list[str], where: str) -> list[str]:
    last = {token: index for index, token in enumerate(tokens)}
    if len(last) == len(tokens):
        return tokens
    repeated = [index for index, token in enumerate(tokens) if last[token] != index]
    token = tokens[repeated[0]]
    if len(repeated) > _MOST_REPEATED:
        raise KbertError(
            f"{where}: no vocabulary: {len(repeated):,} lines repeat a token, as {token!r:.80}"
        )
    _log.warning(
        "%s: %d lines repeat a token, as %s with the ids %d and %d; the last of each counts",
        *(where, len(repeated), shown(repr(token)), repeated[0], last[token]),
    )
    tokens = list(tokens)
    for index in repeated:
        tokens[index] = f"[repeated {index}]"
    check_unique(tokens, where)
    return tokens


def write_vocabulary(tokens: list[str], path: str | Path) -> None:
    """Writes a `vocab.txt`, one token a line, with Unix line ends on every system.

    Raises:
        KbertError: if a token holds a line break, so that it would come back as two, or the file
            cannot be written; then a former one is as it was.
    """
    path = Path(path)
    data = vocabulary_bytes(tokens, str(path))
    try:
        with written_beside(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise KbertError(f"{path}: the vocabulary could not be written: {error}") from error


def vocabulary_bytes(tokens: list[str], where: str) -> bytes:
    """The bytes of a `vocab.txt`; `where` they go is named in errors."""
    broken = [token for token in tokens if "\n" in token or token.endswith("\r")]
    if broken:
        raise KbertError(f"{where}: the token {broken[0]!r:.80} holds a line break; leave it out")
    return "".join(f"{token}\n" for token in tokens).encode()


def numbered(tokens: list[str]) -> dict[str, int]:
    """Token -> id, of tokens that stand for themselves.

    Raises:
        KbertError: if a token is no text, cannot be written, or stands twice.
    """
    try:
        "".join(tokens).encode()
    except TypeError as error:
        raise KbertError(f"a vocabulary is a list of texts ({error})") from None
    except UnicodeEncodeError as error:
        raise KbertError(f"a token of the vocabulary holds a lone surrogate ({error})") from None
    check_unique(tokens, "vocabulary")
    return {token: index for index, token in enumerate(tokens)}


def check_unique(tokens: list[str], where: str) -> None:
    """Raises KbertError if a token stands twice in a vocabulary."""
    first: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if first.setdefault(token, index) != index:
            raise KbertError(
                f"{where}: the token {token!r:.80} stands twice, as ids {first[token]} and {index}"
            )


def ksx1001_syllables() -> list[str]:
    """The 2,350 syllables of KS X 1001, which write nearly all Korean text, in order.

    Source: KS X 1001:2004, rows 16 to 40, as Python's `euc_kr` codec has them.

    Example:
        >>> len(ksx1001_syllables()), ksx1001_syllables()[0], "뷁" in ksx1001_syllables()
        (2350, '가', False)
    """
    rows = range(16, 41)
    return [
        bytes([0xA0 + row, cell]).decode("euc_kr") for row in rows for cell in range(0xA1, 0xFF)
    ]
