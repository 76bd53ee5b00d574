import random
import shutil
import sys
from importlib.util import find_spec
from itertools import pairwise

import pytest

from kbert import KbertError
from kbert.text.korean.morphemes import Morphemes

pytestmark = pytest.mark.once

HAS_JAVA = bool(shutil.which("java")) and find_spec("konlpy") is not None
ODD = [
    "",
    "  \n ",
    "했다ㅋㅋㅋ  가셨어요!!",
    "대한민국(大韓民國)의 GDP는 1.6조 달러다…",
    "\u1112\u1161\u11ab\u1100\u1173\u11af NFD와 👩‍👩‍👧 이모지\u200b도",
    "아" * 2500,
    "긴 글이다. " * 400,
]


def rejoined(text: str, morphemes: Morphemes) -> str:
    spans = morphemes.spans(text)
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert [text[start:end] for start, end in spans] == morphemes.split(text)
    return "".join(morphemes.split(text))


@pytest.fixture(scope="module")
def mecab() -> Morphemes:
    pytest.importorskip("mecab")
    return Morphemes()


@pytest.fixture(scope="module")
def kiwi() -> Morphemes:
    pytest.importorskip("kiwipiepy")
    return Morphemes("kiwi")


def test_mecab(mecab):
    text = "축구는  정말 재미있었다."
    assert mecab.split(text) == ["축구", "는", "정말", "재미있", "었", "다", "."]
    assert mecab.spans(text)[:3] == [(0, 2), (2, 3), (5, 7)]
    assert set(mecab.versions) == {"python-mecab-ko", "python-mecab-ko-dic"}


def test_kiwi_keeps_the_surface(kiwi):
    # Kiwi itself says 하 + 었 + 다 for 했다, and 가 + 시 + 었 + 어요 for 가셨어요.
    assert kiwi.split("축구는 재미있었다. 했다") == "축구 는 재미있 었 다 . 했 다".split()
    assert kiwi.split("가셨어요") == ["가", "셨", "어요"]
    assert set(kiwi.versions) == {"kiwipiepy", "kiwipiepy-model"}


@pytest.mark.parametrize("analyser", ["mecab", "kiwi"])
@pytest.mark.parametrize("text", ODD)
def test_morphemes_rejoin_to_the_text(analyser, text, request):
    assert rejoined(text, request.getfixturevalue(analyser)) == "".join(text.split())


@pytest.mark.skipif(not HAS_JAVA, reason="needs Java and konlpy")
def test_konlpy_through_one_adapter():
    komoran = Morphemes("komoran")
    # Komoran gives 가시 + 었 + 어요: 가 and 어요 are in the text, 었 is within 셨.
    expected = "축구 는 정말 재미있 었 다 . 가셨 어요".split()
    assert komoran.split("축구는 정말 재미있었다. 가셨어요") == expected
    assert set(komoran.versions) == {"konlpy"}
    for odd in ODD[2:4]:
        assert rejoined(odd, komoran) == "".join(odd.split())


def test_a_function_that_gives_base_forms():
    given = {"했다 하늘": ["하", "았", "다", "하늘"], "갔던": ["가", "았", "던"]}
    morphemes = Morphemes(given.__getitem__)
    assert morphemes.split("했다 하늘") == ["했", "다", "하늘"]
    assert morphemes.split("갔던") == ["갔", "던"]
    assert morphemes.versions == {}


def test_a_morpheme_that_is_not_written_cuts_behind_the_one_before():
    """이다's 이 is left out of 국회는; what stands there is not cut where it would be."""
    assert Morphemes(lambda text: ["국회", "이", "는"]).split("국회는") == ["국회", "는"]
    assert Morphemes(lambda text: ["이", "국회", "는"]).split("국회는") == ["국회", "는"]
    assert Morphemes(lambda text: ["국회", "는", "이"]).split("국회는") == ["국회", "는"]


def test_any_function_at_all():
    rng = random.Random(0)
    letters = "가나다 ㅋ.a"
    for _ in range(300):
        text = "".join(rng.choices(letters, k=rng.randrange(12)))
        answer = [
            "".join(rng.choices(letters, k=rng.randrange(3))) for _ in range(rng.randrange(5))
        ]
        assert rejoined(text, Morphemes(lambda _, answer=answer: answer)) == "".join(text.split())


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(KbertError, match="no morpheme analyser 'mekab': it is one of mecab, kiwi"):
        Morphemes("mekab")
    with pytest.raises(TypeError, match="got bytes"):
        Morphemes(str.split).spans(b"x")
    for name, module in (("mecab", "mecab"), ("kiwi", "kiwipiepy"), ("okt", "konlpy.tag")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(KbertError, match=r"pip install -e \"\.\["):
            Morphemes(name)


def test_java_that_does_not_start(monkeypatch):
    tag = pytest.importorskip("konlpy.tag")

    def no_java():
        raise SystemError("no JVM shared library file (libjvm.so) found")

    monkeypatch.setattr(tag, "Okt", no_java)
    with pytest.raises(KbertError, match=r"Okt needs Java.*libjvm.*JDK"):
        Morphemes("okt")
