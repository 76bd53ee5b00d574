"""A WordPiece vocabulary: what its tokens look like, and the file that holds it.

Source: google-research/bert, tokenization.py; the published `vocab.txt` files.
"""

from pathlib import Path

from kbert.errors import KbertError
from kbert.files.atomic_files import written_beside

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
MAX_WORD_LENGTH = 100  # characters; BERT makes a longer word [UNK]


def read_vocabulary(path: str | Path) -> list[str]:
    r"""Reads a `vocab.txt`: one token a line, its line number from 0 is its id.

    Raises:
        KbertError: if the file is not UTF-8, is empty, or has a token twice.
    """
    return parse_vocabulary(Path(path).read_bytes(), str(path))


def parse_vocabulary(data: bytes, where: str) -> list[str]:
    """Reads the bytes of a `vocab.txt`; `where` they come from is named in errors."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KbertError(
            f"{where}: not UTF-8 at byte {error.start}; a vocab.txt is UTF-8"
        ) from None
    tokens = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if tokens == [""]:
        raise KbertError(f"{where}: the vocabulary is empty; it needs one token a line")
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
