"""Documents into sentences: by rule, fast; or by Kiwi, which knows morphemes.

A rule can see what is written, not what is meant: it knows the end marks and the syllables that end
a Korean sentence (다 요 죠 까, and 음 함 됨 in notes), and what only looks like an end (dates,
list marks, initials, addresses, quotations).
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from kbert.text.korean.morphemes import import_analyser

_MARKS = ".!?…。！？"
_CLOSERS = "\"'”’」』〉》)]】"
# A final syllable, with one before it: so not the list mark in 다. 방법.
_FINAL = re.compile(r"[가-힣][다요죠까네음함됨임]")
_SPOKEN_FINAL = re.compile(r"[가-힣][다요죠까네음함됨임지듯군걸야냐]")
_LAUGHTER = "ㅋㅎㅠㅜ~^"
# Where a sentence may end, with the white space behind. One set of characters comes first, for then
# the search is many times as fast as with three beginnings; runs are entered at their first
# character only and never given back, for else a long one would be read from each of its positions.
_CANDIDATE = re.compile(
    rf"""[{_MARKS}{_LAUGHTER}다요]
    (?: (?<=[{_MARKS}]) (?<![{_MARKS}]{{2}})
        [{_MARKS}]*+ [{re.escape(_CLOSERS)}]*+ (?:\s+|$|(?=[가-힣“「『]))
      | (?<=[{_LAUGHTER}]) (?<![{_LAUGHTER}]{{2}}) [{_LAUGHTER}]*+ \s+
      | (?:(?<=[가-힣]니다)|(?<=[가-힣][세어네예군까]요)) \s+ (?=[가-힣A-Za-z\d“「『])
    )""",
    re.VERBOSE,
)
# Quoted or in brackets; with a limit, for what is opened may never close.
_INSIDE = re.compile(
    r"“[^“”]{0,500}”|\"[^\"]{0,500}\"|‘[^‘’]{0,500}’|「[^「」]{0,500}」|『[^『』]{0,500}』"
    r"|\([^()]{0,500}\)|\[[^\[\]]{0,500}\]|【[^【】]{0,500}】|〈[^〈〉]{0,500}〉|《[^《》]{0,500}》"
)
_TRAILING = re.compile(rf"(?:[{_MARKS}{_LAUGHTER}]++(?:\s+|$))+")  # marks and laughter on their own
_QUOTING = re.compile(r"이?라[고는며던]|이?란 |만[ ,]")  # goes on: “갔다.” 라고, 합니다 만
_QUOTING_VERB = re.compile(r"하[고며는던였자]|했|한다|고 ")  # so does “갔다.” 하고
_PARTICLE = re.compile(r"[은는이가을를의도만에로와과고며면라란인]")
_LIST_MARK = re.compile(r"\W*(?:[가나다라마바사아자차카타파하]|제\s?\d+[조항호장절편관])")
_INNER_LIST_MARK = re.compile(r"\s[나다라마바아카]")  # the others are also verbs: 집에 가. 잠을 자.
_ABBREVIATION = re.compile(
    r"(?:^|[^A-Za-z])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|No|Co|Inc|Ltd|Corp|vs|al|Fig|Vol|pp|cf)$"
)
_ADDRESS = re.compile(r"(?:://|www\.|@)\S*$")
_TAIL = 80  # characters before a mark that are looked at


def split_sentences(text: str) -> list[str]:
    """Splits running Korean text into sentences, by rule.

    - A sentence ends at `.`, `!` or `?`, with the quotes and brackets that close behind it, if
      white space follows; after a final syllable (애용한다.또한) also without.
    - A full stop does not end it behind a number (2012. 7. 28.), a list mark at its beginning
      (가. 목적), an initial or an abbreviation (J. Kim).
    - `…` and `..` end it only after a final syllable: 글쎄… 모르겠다.
    - What is in quotes or brackets is not split, nor cut off from a 라고 behind it.
    - Laughter and tears belong to the sentence before; behind a final syllable they end it:
      재밌음ㅋㅋ 또 본다. So do 니다, 세요, 네요 and the like without any mark.

    Args:
        text: one paragraph; a line break counts as a space.

    Returns:
        The sentences, stripped, none empty, white space within them as single spaces.

    Example:
        >>> split_sentences("그는 갔다. 2010. 11. 12. 일이다! 가. 목적은 이렇다.")
        ['그는 갔다.', '2010. 11. 12. 일이다!', '가. 목적은 이렇다.']
    """
    sentences, start = [], 0
    for end in _ends(text):
        sentences.append(text[start:end])
        start = end
    sentences.append(text[start:])
    return [_spaced(sentence) for sentence in sentences if sentence.strip()]


def split_sentences_by_kiwi(text: str) -> list[str]:
    """Splits running Korean text into sentences by Kiwi: slower, and better without marks.

    Raises:
        KbertError: if kiwipiepy is not installed.
    """
    sentences = (sentence.text for sentence in _kiwi().split_into_sents(text))
    return [_spaced(sentence) for sentence in sentences if sentence.strip()]


def _spaced(sentence: str) -> str:
    """White space as single spaces."""
    sentence = sentence.strip()
    if sentence.isprintable() and "  " not in sentence:  # no white space but spaces: the fast way
        return sentence
    return " ".join(sentence.split())


@cache
def _kiwi() -> Any:
    return import_analyser("kiwipiepy").Kiwi()


def _ends(text: str) -> Iterator[int]:
    """The offsets where a sentence ends and the next begins."""
    start, taken = 0, 0
    insides: Iterator[re.Match] | None = None
    inside = None
    for match in _CANDIDATE.finditer(text):
        begin, behind = match.span()
        if behind == len(text):
            return  # the text ends here, whether a sentence does or not
        if insides is None:
            insides = _INSIDE.finditer(text)
            inside = next(insides, None)
        while inside and inside.end() <= begin:
            inside = next(insides, None)
        around = inside if inside and inside.start() < begin else None
        if begin < taken or (around and around.end() > behind):
            continue  # taken already, or within a quotation that goes on
        trailing = _TRAILING.match(text, behind)
        end = taken = trailing.end() if trailing else behind
        opened = around.start() if around else None
        if _is_end(text, start, begin, behind, opened) and not _QUOTING.match(text, end):
            yield end
            start = end


def _is_end(text: str, start: int, begin: int, behind: int, opened: int | None) -> bool:
    """Whether a sentence ends at a candidate.

    Args:
        text: the paragraph.
        start: where the sentence begins.
        begin: where the candidate begins.
        behind: where the text goes on behind it.
        opened: where the quotation or bracket that it closes was opened, if it closes one.
    """
    marks = text[begin:behind].rstrip()
    before = text[max(start, begin - _TAIL) : begin].rstrip()
    if marks[0] not in _MARKS:
        return marks in "다요" or bool(_FINAL.fullmatch(before[-2:]))
    if behind == begin + len(marks):  # no white space
        if marks[-1] in _CLOSERS:
            return False
        is_loud = marks[-1] in "!?！？" and not _PARTICLE.match(text, behind)
        return (is_loud or bool(_FINAL.fullmatch(before[-2:]))) and not _ADDRESS.search(before)
    if marks[-1] in _CLOSERS and _QUOTING_VERB.match(text, behind):
        return False
    if (
        opened is not None and text[opened] in "([【"
    ):  # 그는(?) 갔다, but not 갔다(정말이다.) 그래서
        lead = text[max(start, opened - _TAIL) : opened].rstrip()
        if lead and lead[-1] not in _MARKS and not _FINAL.fullmatch(lead[-2:]):
            return False
    if "…" in marks or ".." in marks:
        return bool(_SPOKEN_FINAL.fullmatch(before[-2:]))
    if marks.rstrip(_CLOSERS) != ".":
        return True
    if before[-1:].isdigit() or _INNER_LIST_MARK.fullmatch(before[-2:]):
        return False
    is_list_mark = begin - start < 10 and _LIST_MARK.fullmatch(text, start, begin)
    return not (is_list_mark or _ABBREVIATION.search(before[-5:]))
