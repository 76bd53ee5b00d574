import unicodedata

import pytest

from kbert.text.korean.josa import agree, final_consonant, forms


@pytest.mark.parametrize(
    ("word", "final"),
    [
        ("국민", "ㄴ"),
        ("국회", ""),
        ("서울", "ㄹ"),
        ("값", "ㅄ"),
        ("가", ""),  # the first syllable of Unicode
        ("힣", "ㅎ"),  # and the last
        ("국가(", ""),
        ("‘법률’", "ㄹ"),
        ("제3", "ㅁ"),  # 삼
        ("1", "ㄹ"),  # 일
        ("6", "ㄱ"),  # 육
        ("2020", "ㅇ"),  # 이천이십 ends in ㅂ; what counts is that it is a consonant
        ("2025", ""),  # 오
        ("AI", None),
        ("國會", None),
        ("ㅋㅋ", None),
        ("?!", None),
        ("", None),
    ],
)
def test_final_consonant(word, final):
    assert final_consonant(word) == final
    assert final_consonant(unicodedata.normalize("NFD", word)) == final


def test_every_digit_as_it_is_read():
    """영 일 이 삼 사 오 육 칠 팔 구."""
    read = "영일이삼사오육칠팔구"
    for digit, syllable in enumerate(read):
        assert final_consonant(str(digit)) == final_consonant(syllable), digit


@pytest.mark.parametrize(
    "row",
    """
    은 국민은 국회는 서울은      는 국민은 국회는 서울은
    이 국민이 국회가 서울이      가 국민이 국회가 서울이
    을 국민을 국회를 서울을      를 국민을 국회를 서울을
    과 국민과 국회와 서울과      와 국민과 국회와 서울과
    으로 국민으로 국회로 서울로  로 국민으로 국회로 서울로
    으로서 국민으로서 국회로서 서울로서  로부터 국민으로부터 국회로부터 서울로부터
    아 국민아 국회야 서울아      야 국민아 국회야 서울아
    이나 국민이나 국회나 서울이나  나 국민이나 국회나 서울이나
    랑 국민이랑 국회랑 서울이랑  와의 국민과의 국회와의 서울과의
    에게 국민에게 국회에게 서울에게  도 국민도 국회도 서울도
    했다 국민했다 국회했다 서울했다
    """.split("\n")[1:-1],
)
def test_agreement(row):
    cells = row.split()
    for i in range(0, len(cells), 4):
        particle, *expected = cells[i : i + 4]
        words = ("국민", "국회", "서울")
        assert [word + agree(word, particle) for word in words] == expected


def test_a_word_of_unknown_sound_keeps_the_particle():
    assert agree("AI", "을") == "을" and agree("AI", "를") == "를"
    assert agree("3", "으로") == "으로"  # 삼으로
    assert agree("7", "으로") == "로"  # 칠로
    assert agree("국회", unicodedata.normalize("NFD", "은")) == "는"


def test_forms():
    assert forms("는") == forms("은") == ("은", "는")
    assert forms("로써") == ("으로써", "로써")
    assert forms("까지") is None and forms("") is None
