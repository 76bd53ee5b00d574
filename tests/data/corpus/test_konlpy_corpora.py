import pytest

from kbert import KbertError
from kbert.data.corpus import konlpy_corpora
from kbert.data.corpus.konlpy_corpora import konlpy_documents, unwrap

PAGE = """지방공무원법 일부개정법률안

제63조제2항제4호 중 “만 6세 이하의 초등학교 취학 전 자녀를”을 “만\x20

8세 이하(취학 중인 경우에는 초등학교 2학년 이하를 말한다)의 자녀를”

로 한다.

- 3 -

  1. 다음 각 호의 어느 하나에 해당하는 경우
  ② 이 법은 공포한 날부터 시행하는 것으로 한다. 다만, 부칙에 정하는 바에 따른다.

신 ·구조문대비표

현      행

제63조(휴직) ① (생  략)를 다음과 같이 개정하는 것으로 한다.

비용추계서

추가 비용은 발생하지 않을 것으로 예상된다.
"""


def test_a_page_becomes_its_sentences():
    assert unwrap(PAGE) == [
        "제63조제2항제4호 중 “만 6세 이하의 초등학교 취학 전 자녀를”을 “만 8세 이하(취학 중인 "
        "경우에는 초등학교 2학년 이하를 말한다)의 자녀를”로 한다.",
        "1. 다음 각 호의 어느 하나에 해당하는 경우",
        "② 이 법은 공포한 날부터 시행하는 것으로 한다.",
        "다만, 부칙에 정하는 바에 따른다.",
        "추가 비용은 발생하지 않을 것으로 예상된다.",
    ]


def test_the_corpus_of_the_quickstart():
    pytest.importorskip("konlpy")
    documents = konlpy_documents()
    sentences = [sentence for document in documents for sentence in document]
    assert len(documents) == 11
    assert sum(map(len, sentences)) == 30_688  # the README's figure
    assert documents[0][1] == "제1조 ① 대한민국은 민주공화국이다."
    assert not any("---" in sentence for sentence in sentences)
    assert len(set(sentences)) > 0.97 * len(sentences)


def test_without_konlpy(monkeypatch):
    monkeypatch.setattr(konlpy_corpora, "find_spec", lambda name: None)
    with pytest.raises(KbertError, match=r"\[konlpy\]\"` in a clone of kbert"):
        konlpy_documents()
