import pytest

from kbert.text.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("그는 갔다. 나는 왔다.", ["그는 갔다.", "나는 왔다."]),
        ("정말? 그래!! 좋다…", ["정말?", "그래!!", "좋다…"]),
        ("“그는 갔다.” 그가 말했다.", ["“그는 갔다.”", "그가 말했다."]),
        ("2010. 11. 12. 공포하였다. 끝이다.", ["2010. 11. 12. 공포하였다.", "끝이다."]),
        ("J. Kim이 썼다. 좋다.", ["J. Kim이 썼다.", "좋다."]),
        ("3.14는 원주율이다.그렇다.", ["3.14는 원주율이다.그렇다."]),  # no space, no end
        ("가. 목적은 이렇다. 나. 방법은 저렇다.", ["가. 목적은 이렇다.", "나. 방법은 저렇다."]),
        ("한 줄은\n  둘로 나뉜다. ", ["한 줄은 둘로 나뉜다."]),
        ("   ", []),
    ],
)
def test_split(text, sentences):
    assert split_sentences(text) == sentences
