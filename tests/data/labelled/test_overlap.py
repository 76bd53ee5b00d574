"""Which examples of one part are in another."""

from kbert.data.labelled.examples import Examples
from kbert.data.labelled.overlap import overlap

LONG = "이 영화를 벌써 두 번 보았고 세 번째로 또 보러 간다."  # 22 characters without spaces


def examples(texts, pairs=None, groups=None) -> Examples:
    return Examples("sequence-classification", texts, pairs, groups=groups)


def test_whole_examples_texts_and_sentences():
    part = examples(["재미있다.", "재 미있다.", f"정말. {LONG}", "없다"], ["가", "나", "다", "라"])
    other = examples(["재미있다.", "나", f"{LONG} 그랬다."], ["가", "없음", "마"])
    found = overlap(part, other)
    assert found.whole == [0]
    assert found.texts == [0, 1]  # the second by both of its texts, but not in one example
    assert found.sentences == [2]
    assert "of 4 examples 1 are wholly" in str(found)


def test_choices_and_groups_are_texts_too():
    part = examples(["물음 1", "물음 2"], [["가", "나"], ["다", "라"]], ["글 하나", "글 둘"])
    other = examples(["글 둘", "나"])
    assert overlap(part, other).texts == [0, 1]
    assert overlap(other, part).texts == [0, 1]
    assert overlap(part, other).whole == []


def test_short_sentences_are_equal_by_accident():
    assert overlap(examples(["좋다. 또 보자."]), examples(["또 보자."])).sentences == []
