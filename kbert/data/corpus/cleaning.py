"""Lines that teach a model nothing, out of documents: boilerplate, and what is hardly Korean.

Each rule looks at one line alone, so cleaning is the same in any order and on any machine.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from kbert.data.corpus.corpus import Document
from kbert.errors import KbertError
from kbert.text.korean.normalize import may_compose, nfc

MIN_HANGUL = 0.3
_SHORT, _LONGEST = 30, 150  # characters: a longer line says something beside it
_CODES = 0x110000

_ORNAMENT = " <>()[]{}【】「」|·•▶▷■□◆◇●○★☆※→-–—=:"
# What stands around an article on a page, without white space and ornament.
_PAGE_WORDS = frozenset(
    """로그인 로그아웃 회원가입 마이페이지 장바구니 이용약관 개인정보처리방침 개인정보취급방침
    청소년보호정책 이메일무단수집거부 고객센터 사이트맵 전체메뉴 메뉴열기 메뉴닫기 메뉴바로가기
    본문바로가기 본문으로이동 바로가기 이전글 다음글 이전기사 다음기사 이전페이지 다음페이지
    목록보기 목록으로 글목록 맨위로 처음으로 더보기 기사더보기 공유하기 기사공유하기 스크랩하기
    인쇄하기 글자크기 글씨크기 댓글쓰기 댓글달기 댓글보기 구독하기 관련기사 관련뉴스 관련글
    관련키워드 많이본기사 많이본뉴스 기사제보 페이스북 트위터 카카오톡 카카오스토리 네이버밴드
    페이스북트위터 페이스북공유하기 트위터공유하기 카카오톡공유하기""".split()
)
_COUNTED = re.compile(r"(?:(?:조회|추천|댓글|좋아요|공감|공유)수?:?[\d,]+[개회건명]?[|·,/]?)+")
_DATED = re.compile(
    r"(?:(?:기사)?(?:입력|수정|등록|송고|작성|승인)(?:일|일시|시간)?:?"
    r"\d{4}[-./년]\d{1,2}[-./월]\d{1,2}[\d:.일시분오전후|]*)+"
)
_REPORTER = re.compile(
    r"(?:[(\[]?[가-힣]{2,4}=[가-힣]{2,8}[)\]]? ?|[가-힣]{2,8} )?"
    r"[가-힣]{2,4} ?(?:인턴|수습|선임)?(?:기자|특파원)?"
    r"[ =(\[<]*[\w.+-]{1,40}@[\w-]{1,40}(?:\.[\w-]{1,20})+[)\]>]*"
)
_NOTICE = re.compile(  # no sentence: ⓒ is a list mark too, and statutes speak of the 저작권자
    r"(?!.*[다요죠까]\W*$)(?:"
    r"(?:ⓒ|©|copyright\W{0,3}(?:ⓒ|©|\(c\)|by|\d{4})|all rights reserved|저작권자\W).*"
    r"|.*무단 ?(?:전재|복제|배포|수집).*금지\W*)",
    re.IGNORECASE,
)
_SIGNS = ("@", "ⓒ", "©", "opyright", "OPYRIGHT", "ights", "IGHTS", "저작권자", "무단")


def clean(
    documents: list[Document], *, boilerplate: bool = True, min_hangul: float = MIN_HANGUL
) -> tuple[list[Document], Counter[str]]:
    """Drops lines, and documents that have none left; composes what is left (NFC).

    - Boilerplate is a line of at most 150 characters that is nothing but a copyright notice, a
      reporter's address, a date of entry, or what stands around an article on a page (로그인, 댓글
      3개, 공유하기, 관련기사).
    - Too little Hangul is a share below `min_hangul` of syllables and jamo among the characters
      that are no white space; so is a line of signs, or of numbers.

    Args:
        documents: lists of lines, which need not be stripped.
        boilerplate: whether to drop such lines.
        min_hangul: in [0, 1]; 0 drops none.

    Returns:
        The documents that are left, of stripped lines; and counts: `lines` and `documents` that
        came, `boilerplate_lines`, `little_hangul_lines` and `emptied_documents` that went.

    Raises:
        KbertError: if `min_hangul` is no share.

    Example:
        >>> kept, counts = clean([["국회는 예산안을 의결한다.", "ⓒ 한국신문", "Page 3 of 12"]])
        >>> kept
        [['국회는 예산안을 의결한다.']]
        >>> counts["boilerplate_lines"], counts["little_hangul_lines"]
        (1, 1)
    """
    if not 0 <= min_hangul <= 1:
        raise KbertError(f"min_hangul is a share from 0 to 1, not {min_hangul!r:.40}")
    lines = [line.strip() for line in chain.from_iterable(documents)]
    counts = Counter(documents=len(documents))
    codes, lengths = _codes(lines)
    for number in _may_compose(codes, lengths):
        lines[number] = nfc(lines[number])
    codes, lengths = _codes(lines)
    keep = lengths > 0
    counts["lines"] = int(keep.sum())
    if boilerplate:
        maybe = (lengths <= _SHORT) | _has_sign(lines, lengths)
        maybe = np.flatnonzero(keep & maybe & (lengths <= _LONGEST)).tolist()
        found = [number for number in maybe if _is_boilerplate(lines[number])]
        keep[found] = False
        counts["boilerplate_lines"] = len(found)
    if min_hangul > 0:
        little = keep & (_hangul_shares(codes, lengths) < min_hangul)
        keep &= ~little
        counts["little_hangul_lines"] = int(little.sum())
    kept, flags, begin = [], keep.tolist(), 0
    for document in documents:
        end = begin + len(document)
        left = [lines[number] for number in range(begin, end) if flags[number]]
        if left:
            kept.append(left)
        begin = end
    counts["emptied_documents"] = len(documents) - len(kept)
    return kept, counts


def _is_boilerplate(line: str) -> bool:
    bare = "".join(line.split()).strip(_ORNAMENT)
    if bare in _PAGE_WORDS or _COUNTED.fullmatch(bare) or _DATED.fullmatch(bare):
        return True
    return bool(_REPORTER.fullmatch(line) or _NOTICE.fullmatch(line.lstrip("<([ ")))


def _has_sign(lines: list[str], lengths: np.ndarray) -> np.ndarray:
    """Which lines have one of _SIGNS, without which a long line is no boilerplate."""
    joined, offsets = "\n".join(lines), []
    for sign in _SIGNS:
        offset = joined.find(sign)
        while offset >= 0:
            offsets.append(offset)
            offset = joined.find(sign, offset + 1)
    found = np.zeros(len(lines), bool)
    found[_lines_at(offsets, lengths)] = True
    return found


def _codes(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The characters of all lines, with a line break behind each; the lines' lengths."""
    codes = np.frombuffer("\n".join([*lines, ""]).encode("utf-32-le"), "<u4")
    return codes, np.fromiter(map(len, lines), np.int64, len(lines))


def _may_compose(codes: np.ndarray, lengths: np.ndarray) -> list[int]:
    """The lines that may not be in NFC yet."""
    table = np.zeros(_CODES, bool)
    table[codes] = True
    for code in np.flatnonzero(table).tolist():
        table[code] = may_compose(chr(code))
    return np.unique(_lines_at(np.flatnonzero(table[codes]), lengths)).tolist()


def _lines_at(offsets: Sequence[int] | np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """In which line each character is, counted in all lines with a line break behind each."""
    return np.searchsorted(np.cumsum(lengths + 1), offsets, side="right")


def _hangul_shares(codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The share of Hangul among the characters of each line that are no white space."""
    hangul = (codes >= 0xAC00) & (codes <= 0xD7A3)
    hangul |= (codes >= 0x3131) & (codes <= 0x318E)
    solid = (codes > 0x20) & (codes != 0xA0) & (codes != 0x3000)
    ends = np.cumsum(lengths + 1)
    sums = []
    for wanted in (hangul, solid):
        before = np.concatenate([[0], np.cumsum(wanted, dtype=np.int32)])
        sums.append(np.diff(before[ends], prepend=0))
    return sums[0] / np.maximum(sums[1], 1)
