import pytest

from kbert import KbertError, Tokenizer
from kbert.text.korean.web import clean_as_kcbert, clean_web_text, space_by_kiwi
from kbert.text.reports.robustness import VARIANTS, robustness_report


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("ㅋㅋㅋㅋㅋ 진짜ㅠㅠㅠㅠ", "ㅋㅋ 진짜ㅠㅠ"),
        ("정말??!!!!!! 아...... 네~~~~", "정말??!! 아.. 네~~"),
        ("1000원 하하하하", "1000원 하하하하"),  # digits and syllables mean what they say
        ("https://ko.wikipedia.org/wiki/BERT에서 봤다", "에서 봤다"),
        ("www.a.kr 그리고 me.you@mail.co.kr로", "그리고 로"),
        ("좋다😂😂😂👍", "좋다 😂 😂 👍"),
        ("가족👨\u200d👩\u200d👧은", "가족 👨\u200d👩\u200d👧 은"),  # one emoji of three
        ("한국🇰🇷팀 👍🏽", "한국 🇰🇷 팀 👍🏽"),
        ("가\x00나\u200b다\ufeff라\n마", "가나다라 마"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("", ""),
    ],
)
def test_cleaning_by_hand(text, cleaned):
    assert clean_web_text(text) == cleaned
    assert clean_web_text(cleaned) == cleaned  # a second time changes nothing


def test_settings():
    assert clean_web_text("ㅋㅋㅋㅋ!!!", most_repeats=1) == "ㅋ!"
    assert clean_web_text("좋다😂👍", emoji="out") == "좋다"
    assert clean_web_text("좋다😂👍", emoji="keep") == "좋다😂👍"
    for settings in ({"most_repeats": 0}, {"emoji": "text"}):
        with pytest.raises(KbertError, match="most_repeats is from 1 and emoji"):
            clean_web_text("가", **settings)
    with pytest.raises(TypeError, match="expected a text"):
        clean_web_text(None)


def test_long_runs_are_not_slow():
    for text in (
        "ㅋ" * 10**6,
        "!?" * 10**6,
        "a@" * 10**5,
        "a" * 10**6,
        "a." * 10**5,
        "👨\u200d" * 10**5,
    ):
        assert isinstance(clean_web_text(text), str)
        assert isinstance(clean_as_kcbert(text), str)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("ㅋㅋㅋㅋㅋ 대박아아아아", "ㅋㅋ 대박아아"),
        ("1000원", "100원"),
        ("《책》 ☆별☆ 漢字", "책 ☆별☆"),
        ("보세요 https://a.b/c?d=1", "보세요"),
        ("좋다😂 ♥", "좋다😂 ♥"),
    ],
)
def test_the_procedure_of_kcbert(text, cleaned):
    assert clean_as_kcbert(text) == cleaned


def test_spaces_by_kiwi():
    pytest.importorskip("kiwipiepy")
    assert space_by_kiwi(["아버지가방에들어가신다."])[0].count(" ") >= 2


def test_robustness_by_hand():
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##국회 A ##ㅋ".split()
    report = robustness_report(Tokenizer(words), ["국회 A", "국회"])
    assert list(report) == list(VARIANTS)
    assert report["as it is"] == {"unk_rate": 0.0, "tokens_per_character": 3 / 5, "same": 1.0}
    # 국회A is [UNK] as a whole; the second text has no space to lose.
    assert report["without spaces"] == {"unk_rate": 1 / 2, "tokens_per_character": 0.4, "same": 0.5}
    assert report["decomposed (NFD)"] == report["as it is"]
    assert report["full-width"]["unk_rate"] == 1 / 3  # Ａ
    assert report["with laughter"]["tokens_per_character"] == 3 * 6 / 5
    with pytest.raises(KbertError, match="there is none"):
        robustness_report(Tokenizer(words), [" "])


def test_robustness_counts_characters_without_spaces():
    tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##국회 는 ##는".split())
    report = robustness_report(tokenizer, ["국회  국회는", "\n"])
    assert report["as it is"]["tokens_per_character"] == 3 / 5
    assert report["without spaces"]["tokens_per_character"] == 3 / 5


def test_the_rule_of_width_mends_full_width():
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 A".split()
    plain, mended = Tokenizer(words), Tokenizer(words, rules=("width",))
    assert robustness_report(plain, ["국회 A"])["full-width"]["same"] == 0.0
    assert robustness_report(mended, ["국회 A"])["full-width"]["same"] == 1.0
