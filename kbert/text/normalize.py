"""Canonical composition (NFC), with the way back to the original string.

Text typed or saved on macOS is often decomposed (NFD): 한 is then three characters, and a WordPiece
vocabulary, whose syllables are composed, makes every word of it [UNK]. So NFC comes first, always.
NFKC would do too much: it also rewrites ㅋ (U+314B), which Korean writes on its own.
"""

import unicodedata
from itertools import pairwise

from kbert.errors import KbertError


def nfc(text: str) -> str:
    """Composes a text canonically.

    Args:
        text: any string without lone surrogates.

    Returns:
        The NFC form; the same object where the text is composed already.

    Raises:
        TypeError: if `text` is not a string.
        KbertError: if it holds a lone surrogate, which no encoding can write.

    Example:
        >>> len("한글"), len("\u1112\u1161\u11ab\u1100\u1173\u11af"), len(nfc("\u1112\u1161\u11ab"))
        (2, 6, 1)
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a text (str), got {type(text).__name__}: {text!r:.80}")
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        composed = text
    else:
        composed = unicodedata.normalize("NFC", text)
    try:
        composed.encode()
    except UnicodeEncodeError as error:
        raise KbertError(
            f"the text holds a lone surrogate {text[error.start : error.start + 1]!r} at character "
            f"{error.start}: it was probably decoded with errors='surrogateescape'; use UTF-8"
        ) from None
    return composed


def nfc_alignment(text: str) -> list[tuple[int, int]]:
    """For each character of `nfc(text)`, the (start, end) of what it was made of in `text`.

    A run of characters that compose or reorder together (a decomposed syllable, a letter and its
    accents) is one unit: whatever comes out of it points to the whole of it.

    Example:
        >>> nfc_alignment("a\u1112\u1161\u11ab")
        [(0, 1), (1, 4)]
    """
    starts = [0]
    for index in range(1, len(text)):
        if not _joins(text[starts[-1] : index], text[index]):
            starts.append(index)
    alignment = []
    for start, end in pairwise([*starts, len(text)]):
        composed = unicodedata.normalize("NFC", text[start:end])
        if composed == text[start:end]:
            alignment += [(i, i + 1) for i in range(start, end)]
        else:
            alignment += [(start, end)] * len(composed)
    return alignment


def _joins(before: str, character: str) -> bool:
    """Whether a character composes with, or reorders behind, what stands before it."""
    normal = unicodedata.normalize
    return unicodedata.combining(character) > 0 or (
        normal("NFC", before + character) != normal("NFC", before) + normal("NFC", character)
    )
