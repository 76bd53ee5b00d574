"""Comments and messages, made plainer: optional, and before anything else that reads them.

    https://a.b/c 와 진짜ㅋㅋㅋㅋㅋㅋ 대박!!!!!😂😂😂  ->  와 진짜ㅋㅋ 대박!! 😂 😂

Laughter and stress of any length mean the same, and a vocabulary that must spell each length wastes
pieces on it. A model that was trained on cleaned text needs its text cleaned alike.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

from kbert.errors import KbertError
from kbert.text.korean.morphemes import import_analyser
from kbert.text.korean.normalize import nfc

# Only ASCII belongs to an address: a particle may be glued to it (https://a.b에서).
# A run is entered at its first character only, for else a long one would be read from each.
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[!-~]+"
    r"|(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)+"
)
_PICTURE = (
    "\u203c\u2049\u2139\u231a-\u23ff\u25aa-\u25fe\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff"
)
_EMOJI = re.compile(
    rf"[\U0001f1e6-\U0001f1ff]{{2}}"  # a flag is two letters
    rf"|[{_PICTURE}][\ufe0f\U0001f3fb-\U0001f3ff]*(?:\u200d[{_PICTURE}][\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
_REPEATS = re.compile(r"([ㄱ-ㅣ]|[^\w\s])\1+")  # of jamo and of signs; 1000 and 하하하 stay
_NOT_KCBERT = re.compile(rf"[^ .,?!/@$%~％·∼()\x00-\x7fㄱ-ㅣ가-힣{_PICTURE}\ufe0f\u200d]+")
_KCBERT_REPEATS = re.compile(r"(\w)\1{2,}")


def clean_web_text(
    text: str, *, most_repeats: int = 2, emoji: Literal["apart", "out", "keep"] = "apart"
) -> str:
    """Cleans a comment or message.

    Web and mail addresses and control characters go; a jamo or sign that is repeated (ㅋㅋㅋ, ㅠㅠ,
    !!!) stands `most_repeats` times at the most; white space becomes single spaces.

    Args:
        text: the text.
        most_repeats: from 1.
        emoji: "apart" puts spaces around each, so that it is a token of its own; "out" drops them.

    Raises:
        KbertError: if an argument is not what it can be.

    Example:
        >>> clean_web_text("https://a.b/c 와 진짜ㅋㅋㅋㅋㅋㅋ 대박!!!!!😂😂😂")
        '와 진짜ㅋㅋ 대박!! 😂 😂'
    """
    if most_repeats < 1 or emoji not in ("apart", "out", "keep"):
        raise KbertError(
            f"most_repeats is from 1 and emoji 'apart', 'out' or 'keep', not {most_repeats!r:.40} "
            f"and {emoji!r:.40}"
        )
    text = _ADDRESS.sub(" ", nfc(text))
    text = "".join(
        character
        for character in text
        if character in "\t\n\r\u200d" or unicodedata.category(character) not in ("Cc", "Cf")
    )
    text = _REPEATS.sub(lambda run: run[0][:most_repeats], text)
    if emoji != "keep":
        text = _EMOJI.sub(r" \g<0> " if emoji == "apart" else " ", text)
    return " ".join(text.split())


def clean_as_kcbert(text: str) -> str:
    """Cleans a text as those were that KcBERT and KcELECTRA were trained on.

    Characters other than Hangul, jamo, ASCII, emoji and a few signs become a space; web addresses
    go; letters, digits and syllables stand at most twice in a row. (So 1000 becomes 100: it is
    their procedure, and not a good one for numbers.)

    Example:
        >>> clean_as_kcbert("너무너무 좋아요오오오오ㅋㅋㅋㅋ 《최고》 https://a.b")
        '너무너무 좋아요오오ㅋㅋ 최고'

    Source: Lee 2020, "KcBERT: Korean comments BERT", the repository's README.
    """
    text = _ADDRESS.sub("", _NOT_KCBERT.sub(" ", nfc(text)))
    return " ".join(_KCBERT_REPEATS.sub(r"\1\1", text).split())


# What a corpus can be cleaned by, by name.
WEB_CLEANERS: dict[str, Callable[[str], str]] = {
    "plainer": clean_web_text,
    "kcbert": clean_as_kcbert,
}


def space_by_kiwi(texts: list[str]) -> list[str]:
    """Puts spaces where Kiwi finds that they belong: `아버지가방에` -> `아버지가 방에`.

    Raises:
        KbertError: if kiwipiepy is not installed.
    """
    kiwi = import_analyser("kiwipiepy").Kiwi()
    return [kiwi.space(nfc(text)) for text in texts]
