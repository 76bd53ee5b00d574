"""Jamo as a fallback: a syllable that the vocabulary lacks is spelt with its letters.

    11,172 syllables can be written, and a vocabulary has some 2,400 of them. Without a fallback 뷁
    makes its whole word [UNK]; with one it is ᄇ ##ᅰ ##ᆰ, and no syllable is ever unknown.

The jamo are the conjoining ones (U+1100 to U+11C2). Text is composed first, so that in running text
they come from here alone, and composing a decoded text puts the syllables together again.

Source: Unicode, section 3.12 (conjoining jamo behavior).
"""

from collections.abc import Collection, Iterable

import numpy as np

from kbert.errors import KbertError

INITIALS = [chr(0x1100 + i) for i in range(19)]  # ᄀ to ᄒ
VOWELS = [chr(0x1161 + i) for i in range(21)]  # ᅡ to ᅵ
FINALS = [chr(0x11A8 + i) for i in range(27)]  # ᆨ to ᇂ
FIRST_SYLLABLE, SYLLABLES = 0xAC00, 11_172  # 가 to 힣
_OF_INITIAL, _OF_VOWEL = 21 * 28, 28  # how many syllables share one

# A syllable is spelt where a word begins, or within one.
JAMO_TOKENS = [*INITIALS, *(f"##{jamo}" for jamo in [*INITIALS, *VOWELS, *FINALS])]


def spelt_codes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The jamo of syllables.

    Args:
        codes: (N,) code points of syllables.

    Returns:
        (N, 3) code points: initial, vowel and final, and (N,) how many of them count: 2 where
        there is no final.
    """
    number = codes - FIRST_SYLLABLE
    final = number % _OF_VOWEL
    jamo = [
        ord(INITIALS[0]) + number // _OF_INITIAL,
        ord(VOWELS[0]) + number % _OF_INITIAL // _OF_VOWEL,
        ord(FINALS[0]) - 1 + final,
    ]
    return np.stack(jamo, axis=1), 2 + (final > 0)


def spellings(vocabulary: Collection[str]) -> dict[int, str]:
    """How the syllables are spelt that a vocabulary lacks at the beginning of words or within.

    Returns:
        code point -> jamo, for `str.translate`.

    Example:
        >>> found = spellings({"국", "##국", "회"})
        >>> "국" in "국".translate(found), len("뷁".translate(found)), len("회".translate(found))
        (True, 3, 2)
    """
    codes = np.arange(FIRST_SYLLABLE, FIRST_SYLLABLE + SYLLABLES)
    jamo, sizes = spelt_codes(codes)
    return {
        code: "".join(map(chr, letters[:size]))
        for code, letters, size in zip(codes.tolist(), jamo.tolist(), sizes.tolist(), strict=True)
        if not (chr(code) in vocabulary and f"##{chr(code)}" in vocabulary)
    }


def fallback_spellings(
    vocabulary: Collection[str], added_tokens: Iterable[str], composed: bool
) -> dict[int, str]:
    """The `spellings` of a tokenizer, if it can fall back on jamo.

    Args:
        vocabulary: its tokens.
        added_tokens: those that are cut out of a text as they stand.
        composed: whether it is WordPiece over composed text.

    Raises:
        KbertError: if it is not, or lacks a jamo, or an added token would be spelt.
    """
    lacking = [token for token in JAMO_TOKENS if token not in vocabulary]
    if lacking or not composed:
        raise KbertError(
            "jamo_fallback is for WordPiece over composed text (form='NFC') with all "
            f"{len(JAMO_TOKENS)} jamo in the vocabulary, which lacks {len(lacking)}: "
            f"{' '.join(lacking[:3])}; train it with jamo_fallback=True"
        )
    found = spellings(vocabulary)
    spelt = [token for token in added_tokens if token.translate(found) != token]
    if spelt:
        raise KbertError(
            f"the added tokens {spelt!r:.80} have syllables that jamo_fallback would take "
            "apart: put each into the vocabulary, as it is and with ##, or leave them out"
        )
    return found
