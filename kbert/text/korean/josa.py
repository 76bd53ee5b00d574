"""Josa, the particles glued to a Korean word, and which form of one a word takes.

Some have two forms. The word's last sound chooses, not its spelling:

    after a consonant   국민은  국민이  국민을  국민과  국민으로
    after a vowel       국회는  국회가  국회를  국회와  국회로, and after ㄹ 서울로

Source: 국립국어원, 표준국어대사전, which names at each form the words that it follows.
"""

from kbert.text.korean.normalize import nfc

# (after a consonant, after a vowel). Those of 으로 come after ㄹ in their second form.
_PAIRS = [
    *[("은", "는"), ("이", "가"), ("을", "를"), ("아", "야"), ("은커녕", "는커녕")],
    *[("과" + tail, "와" + tail) for tail in ("", "의", "는", "도", "만")],
    *[("이" + rest, rest) for rest in ("나", "나마", "랑", "든", "든지", "라도", "란", "라는")],
    *[("이" + rest, rest) for rest in ("라고", "며", "야말로")],
    *[("으로" + tail, "로" + tail) for tail in ("", "서", "써", "부터", "의", "는", "도", "만")],
]
_FORMS = {form: pair for pair in _PAIRS for form in pair}

# The last sound of a syllable, by its position in Unicode: (code - 0xAC00) % 28.
_FINALS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
# Digits are read in Sino-Korean; a number that ends in 0 ends as 영, 십, 백, 천 or 만: a consonant.
_DIGITS = dict(zip("0123456789", ["ㅇ", "ㄹ", "", "ㅁ", "", "", "ㄱ", "ㄹ", "ㄹ", ""], strict=True))


def final_consonant(word: str) -> str | None:
    """The consonant that a word ends in: "" if it ends in a vowel, None if nobody can tell.

    Signs at the end, such as a closing quotation mark, are not read aloud and do not count. Of
    letters that are not Hangul (Latin, hanja) it is not known how they are read.

    Example:
        >>> [final_consonant(word) for word in ("국민", "국회", "서울", "‘값’", "2026", "AI")]
        ['ㄴ', '', 'ㄹ', 'ㅄ', 'ㄱ', None]
    """
    for character in reversed(nfc(word)):
        if "가" <= character <= "힣":
            return _FINALS[(ord(character) - ord("가")) % len(_FINALS)]
        if character.isalnum():
            return _DIGITS.get(character)
    return None


def forms(particle: str) -> tuple[str, str] | None:
    """Both forms of a particle, after a consonant and after a vowel; None if it has only one.

    Example:
        >>> forms("가"), forms("에게")
        (('이', '가'), None)
    """
    return _FORMS.get(nfc(particle))


def agree(word: str, particle: str) -> str:
    """The form of a particle that goes with a word.

    Args:
        word: what the particle is glued to.
        particle: it, in either form. What has one form only, or is no particle, comes back as it
            is, and so does any particle of a word whose last sound is not known.

    Returns:
        The particle alone.

    Example:
        >>> [word + agree(word, "을") for word in ("법률", "국회", "AI")]
        ['법률을', '국회를', 'AI을']
        >>> [word + agree(word, "으로") for word in ("부산", "서울", "제주")]
        ['부산으로', '서울로', '제주로']
    """
    pair, final = forms(particle), final_consonant(word)
    if pair is None or final is None:
        return particle
    after_consonant, after_vowel = pair
    if final == "ㄹ" and after_consonant.startswith("으로"):
        return after_vowel
    return after_consonant if final else after_vowel
