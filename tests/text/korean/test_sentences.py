import pytest

from kbert.text.korean.sentences import split_sentences, split_sentences_by_kiwi

# The sentences of each text, parted by |. (What stands between them, a space or nothing, is in the
# text; sentences come back without it.)
HARD = [
    "그는 갔다. | 나는 왔다.",
    "정말? | 그래!! | 좋다…",
    # dates, numbers, versions, amounts
    "2010. 11. 12. 공포하였다. | 끝이다.",
    "2012. 7. 28.에 개봉했다. | 관객은 3.14만 명이다.",
    "회원 수는 1,234.5명이다. | 3.11.7 버전이다. | 값은 95%. | 그렇다.",
    # list marks
    "가. 목적은 이렇다. | 나. 방법은 저렇다. | 다. 기한은 없다.",
    "다음과 같다. | 다. 방법은 저렇다.",
    "다음의 서류 나. 등록필증 다. 허가증. | 집에 가. | 잠을 자.",
    "제1조. 목적은 이렇다. | 1. 국가는 이를 보호한다. | 2. 국민은 이를 지킨다.",
    "예. | 그렇습니다.",  # one syllable, but no list mark
    # initials, abbreviations, addresses
    "J. Kim이 썼다. | 좋다.",
    "Dr. 김이 U.S. 정부에 썼다. | I love you. | 그는 말했다.",
    "www.kbert.kr 또는 https://a.kr/보다.하늘 에 있다. | a.b@c.kr 로 보낸다.",
    "파일은 README.md 이다. | 3.다.나 는 절이다.",
    # quotations and brackets
    "“그는 갔다.” | 그가 말했다.",
    "“그는 갔다. 나는 왔다.” | 그가 말했다.",
    "“그는 갔다.”라고 말했다. | 끝이다.",
    "“그는 갔다.” 라고 말했다. | 끝이다.",
    '"정말?" 하고 물었다. | "그래." 하며 웃었다.',
    "왜?라고 물었다. | 나는 몰랐다.",
    "그는(정말인가?) 갔다. | 그렇다(아니다.). | 또 그렇다.",
    "(그는 갔다. 나는 왔다.) | 그렇다.",
    "「민법」 제2조에 따른다. | 『그는 갔다. 나는 왔다.』에 나온다.",
    "그는 “가지 않는다. | 끝이다.",  # never closed
    # ellipses
    "글쎄… 모르겠다. | 음... 그렇다.",
    "좋았다... | 그런데 길다.. | 끝이다.",
    # no space behind the full stop
    "애용한다.|또한 그렇다.",
    "뭐가 문제?|웃긴 사람. | 정말?인지 모른다.",
    "재밌었어요!|또 볼게요.|진짜 좋았음.|연기도 좋다..|추천",
    "가.나.다 순이다. | 서울.부산.대구 순이다.",
    # notes, laughter, tears
    "재밌음ㅋㅋ | 또 보고 싶다ㅠㅠ | 추천함 ㅋㅋㅋ | 끝",
    "그렇다. ㅋㅋㅋ | 맞다. ㅠㅠ",
    "ㅋㅋㅋ 진짜 웃기다 ^^ | 또 본다~ | 그래",
    "연기가 좋았음. | 음악이 아쉬움. | 다음 편도 처음부터 봄.",
    "추천합니다 | 꼭 보세요 | 2번 봤어요 | 끝",
    "다음과 같습니다 (참고). | 지원합니다 -- 뒤를 보라.",
    "그렇습니다. . . | 이 글은 짧다.",
    "추천합니다 라고 썼다. | 좋습니다 만 깁니다.",
    # other full stops
    "그는 갔다。 | 나는 왔다！ | 정말？",
]


@pytest.mark.parametrize("marked", HARD)
def test_hard_cases(marked):
    expected = [sentence.strip() for sentence in marked.split("|")]
    assert split_sentences(marked.replace(" | ", " ").replace("|", "")) == expected


def test_white_space():
    assert split_sentences("한 줄은\n  둘로 나뉜다. ") == ["한 줄은 둘로 나뉜다."]
    assert split_sentences("   ") == split_sentences("") == []


@pytest.mark.parametrize(
    "text",
    [
        *(piece * 300_000 for piece in ["(", "“", '"', "다", ".", "다.", "ㅋ", "[a", "다 ", "? "]),
        *(piece * 300_000 + "a" for piece in [".", "ㅋ", "?”", "~ㅋ"]),
        "? " * 300_000 + "라고",
    ],
    ids=lambda text: text[:4],
)
def test_long_text_of_anything_takes_no_time(text):
    joined = "".join("".join(split_sentences(text)).split())
    assert joined == "".join(text.split())


def test_kiwi_is_an_option():
    pytest.importorskip("kiwipiepy")
    expected = ["재밌었음", "추천함", "최고"]
    assert split_sentences_by_kiwi("재밌었음 추천함  최고 ") == expected
    assert split_sentences("재밌었음 추천함 최고") == ["재밌었음 추천함 최고"]  # the rules cannot


@pytest.mark.parametrize("syllable", "다요죠까네음함됨임")
def test_each_syllable_that_ends_a_sentence(syllable):
    first = f"그것은 보{syllable}"
    for end, between in ((".", ""), ("…", " "), ("..", " "), ("ㅋㅋ", " "), ("!", "")):
        expected = [first + end, "또한 그렇다."]
        assert split_sentences(between.join(expected)) == expected, end


@pytest.mark.parametrize("syllable", "지듯군걸야냐")
def test_each_spoken_syllable_ends_a_sentence_before_dots_alone(syllable):
    first = f"그때는 그렇{syllable}"
    for dots in ("…", "...", ".."):
        expected = [first + dots, "이제는 다르다."]
        assert split_sentences(" ".join(expected)) == expected
    glued = f"{first}.이제는 다르다."
    assert split_sentences(glued) == [glued]
