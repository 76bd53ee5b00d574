"""One form for a text: composition, and what else is to be read alike.

Text typed or saved on macOS is often decomposed (NFD): 한 is then three characters, and a WordPiece
vocabulary, whose syllables are composed, makes every word of it [UNK]. So NFC comes first, always.
NFKC would do too much: it also rewrites ㅋ (U+314B), which Korean writes on its own. NFKD, whole
jamo, is for the checkpoints whose vocabulary is made of them (KR-BERT's sub-characters).

Three further rules are off unless asked for, since the published checkpoints were trained without:

    middle_dots   ․ ‧ ∙ ㆍ (U+2024 2027 2219 318D) become · (U+00B7), which stands alone. To BERT
                  the last two are no punctuation: 국회ㆍ정부 would be one word.
    fillers       the Hangul fillers U+3164 and U+FFA0, which look like a space, become one.
    width         full-width ＡＢＣ and half-width ﾡ become ABC and ㄱ.

Each replaces one character by one, so the offsets in the text stay as they are.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from os import PathLike
from typing import Literal

from kbert.errors import KbertError

RULES = ("middle_dots", "fillers", "width")
FORMS = ("NFC", "NFKD")
Form = Literal["NFC", "NFKD"]
MOST_MARKS = 100
_LIKE_MARKS = (0xF73, 0xF75, 0xF81, 0xFF9E, 0xFF9F)  # the first three compose no more


def nfc(text: str) -> str:
    """Composes a text canonically: `normalize` with nothing else."""
    return normalize(text)


def normalize(text: str, form: Form = "NFC", replacements: Mapping[int, str] | None = None) -> str:
    """Brings a text into one form.

    Args:
        text: any string without lone surrogates.
        form: "NFC" or "NFKD".
        replacements: one character for another, before; see `replacements_of`.

    Returns:
        The form; the same object where nothing changes. A text with more than MOST_MARKS accents
        on one letter is no language, and stays as it is.

    Raises:
        TypeError: if `text` is not a string.
        KbertError: if it holds a lone surrogate, which no encoding can write.

    Example:
        >>> len(normalize("\u1112\u1161\u11ab")), len(normalize("한글", "NFKD"))
        (1, 6)
        >>> normalize("국회ㆍ정부", replacements=replacements_of(("middle_dots",)))
        '국회·정부'
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a text (str), got {type(text).__name__}: {text!r:.80}")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise KbertError(
            f"the text holds a lone surrogate {text[error.start : error.start + 1]!r} at character "
            f"{error.start}: it was probably decoded with errors='surrogateescape'; use UTF-8"
        ) from None
    if replacements:
        text = text.translate(replacements)
    if unicodedata.is_normalized(form, text) or _most_marks(text, form) > MOST_MARKS:
        return text
    return unicodedata.normalize(form, text)


def check_texts(texts: Iterable[str]) -> Iterable[str]:
    """The texts, as they are; what each is, is checked where it is used.

    Raises:
        TypeError: if they are not several texts. (One text is not, though Python would walk through
            its characters.)
    """
    if isinstance(texts, str | bytes | Mapping | PathLike) or not isinstance(texts, Iterable):
        hint = ""
        if isinstance(texts, PathLike):
            hint = "; pass the lines of the file: open(path, encoding='utf-8')"
        elif isinstance(texts, str):
            hint = (
                "; one text alone is [text], the lines of a file are open(path, encoding='utf-8')"
            )
        raise TypeError(
            f"expected a list of texts, got {type(texts).__name__}: {texts!r:.80}{hint}"
        )
    return texts


def check_text(text: str, name: str) -> None:
    """Raises what `normalize` does if something is no text, and says which it is.

    Example:
        >>> check_text(float("nan"), "texts[3]")
        Traceback (most recent call last):
        ...
        TypeError: texts[3]: expected a text (str), got float: nan; leave such rows out, or write ''
    """
    try:
        normalize(text)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; leave such rows out, or write ''") from None
    except KbertError as error:
        raise KbertError(f"{name}: {error}") from None


def decomposes_into_marks(form: Form) -> tuple[int, ...]:
    """The characters that are no marks to Unicode, but that a form writes as marks."""
    return _LIKE_MARKS if form == "NFKD" else _LIKE_MARKS[:3]


def _most_marks(text: str, form: Form) -> int:
    """The most combining marks in a row. To sort n of them takes Python n * n steps."""
    for code in decomposes_into_marks(form):
        text = text.replace(chr(code), "\u0301")
    return max(map(len, bytes(map(unicodedata.combining, text)).split(b"\0")))


def may_compose(character: str) -> bool:
    """Whether a text with this character may not be in NFC; a marked letter never says no.

    Example:
        >>> may_compose("가"), may_compose("é"), may_compose("\u11ab"), may_compose("\u0301")
        (False, False, True, True)
    """
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\u1160" <= character <= "\u11ff"  # vowels and finals of Hangul
        or not unicodedata.is_normalized("NFC", character)
    )


def check_settings(form: str, rules: tuple[str, ...]) -> None:
    """Raises KbertError if `form` is none of FORMS, or `rules` are not some of RULES."""
    if form not in FORMS or set(rules) - set(RULES):
        raise KbertError(
            f"form is one of {FORMS} and the rules are some of {RULES}, not {form!r:.40} and "
            f"{rules!r:.80}"
        )


@cache
def replacements_of(rules: tuple[str, ...]) -> dict[int, str]:
    """What some of RULES replace: code point -> character. `rules` is a tuple."""
    tables = {
        "middle_dots": dict.fromkeys((0x2024, 0x2027, 0x2219, 0x318D), "·"),
        "fillers": dict.fromkeys((0x3164, 0xFFA0), " "),
        "width": _narrow_and_wide(),
    }
    return {code: character for rule in rules for code, character in tables[rule].items()}


def _narrow_and_wide() -> dict[int, str]:
    """Unicode's own table of half-width and full-width forms, the filler left out."""
    table = {}
    for code in range(0xFF00, 0xFFF0):
        kind, _, plain = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>") and code != 0xFFA0:
            table[code] = chr(int(plain, 16))
    return table
