import unicodedata

import pytest

from kbert import KbertError
from kbert.data.corpus.cleaning import clean

BOILERPLATE = """ⓒ 한국신문
Copyright © 2020 연합뉴스. All rights reserved.
<저작권자(c) 연합뉴스, 무단 전재-재배포 금지>
무단전재 및 재배포 금지
홍길동 기자 hong@abc.co.kr
서울=연합뉴스 홍길동 기자 = hong@yna.co.kr
댓글 3개
조회수 1,234 | 추천 3
입력 2019.03.02 오후 3:12
▶ 관련기사
[ 더보기 ]
로그인""".split("\n")

# What only looks like it: from novels, statutes, documentation and petitions.
TEXT = """저작권자의 허락을 받아야 한다.
저작권자는 공표권을 가진다.
무단 복제를 금지한다.
싫어요.
Copyright 컴포넌트가 클라이언트 컴포넌트의 자식으로 렌더링됩니다.
문의는 abc@de.com 으로 바랍니다.
로그인을 하면 목록으로 돌아간다.
댓글 3개가 달렸다.
ⓒ 세 번째 항목은 이렇다.
(c) 이 항의 경우
저작권자(원저작자를 말한다)는 이를 허락할 수 있다.""".split("\n")


def test_boilerplate_goes_and_text_stays():
    kept, counts = clean([BOILERPLATE, [*TEXT, *BOILERPLATE]], min_hangul=0)
    assert kept == [TEXT]
    assert counts == {
        "documents": 2,
        "lines": 2 * len(BOILERPLATE) + len(TEXT),
        "boilerplate_lines": 2 * len(BOILERPLATE),
        "emptied_documents": 1,
    }
    assert clean([BOILERPLATE], boilerplate=False, min_hangul=0)[0] == [BOILERPLATE]
    long = "ⓒ 한국신문 " + "가" * 150
    assert clean([[long]])[0] == [[long]]


def test_share_of_hangul():
    # 3 of 10, 2 of 7, 1 of 3 characters; jamo count; a line of signs has none
    lines = ["가나다 1234567", "가나 12345", "ㅋ12", "-----", "  ", "가나다"]
    kept, counts = clean([lines])
    assert kept == [["가나다 1234567", "ㅋ12", "가나다"]]
    assert counts["little_hangul_lines"] == 2 and counts["lines"] == 5
    assert clean([lines], min_hangul=0)[0] == [[line for line in lines if line.strip()]]
    assert clean([lines], min_hangul=1)[0] == [["가나다"]]
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(KbertError, match="min_hangul is a share from 0 to 1"):
            clean([lines], min_hangul=bad)


def test_decomposed_text_is_composed_and_counted_as_hangul():
    line = "축구는 재미있다."
    decomposed = unicodedata.normalize("NFD", line)
    assert clean([["abc가나다"], [f" {decomposed}\n"]])[0] == [["abc가나다"], [line]]
    assert clean([])[0] == []
