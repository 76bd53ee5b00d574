import pytest

from kbert import KbertError, Tokenizer
from kbert.text.reports.vocabulary_report import vocabulary_report

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 에 ##서 ##국민 ##".split()


def test_worked_by_hand():
    # 국회에서 -> 국회 ##에 ##서 (twice), 국회 -> 국회, 뷁 -> [UNK], 뷁에, -> [UNK] and , -> [UNK].
    report = vocabulary_report(Tokenizer(TOKENS), ["국회에서 국회 뷁", "국회에서 뷁에,"], longest=2)
    assert report == {
        "tokens": 11,
        "tokens_per_eojeol": 10 / 5,
        "unk_rate": 3 / 10,
        "unk_eojeols": 2 / 5,
        "used": 4 / 11,
        "syllables": 1,
        "ksx1001_syllables": 1,
        "lengths": {1: 3, 2: 3},
        "longest": ["국민", "국회"],
    }


def test_without_text():
    with pytest.raises(KbertError, match="needs some text"):
        vocabulary_report(Tokenizer(TOKENS), ["  "])


@pytest.mark.real_data
def test_klue_lacks_most_syllables(real_data):
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / "klue-bert-base.vocab.txt")
    report = vocabulary_report(tokenizer, ["뷁 찦차 웹툰"])
    assert report["syllables"] == 11_172 - 9_741
    assert report["unk_eojeols"] == 2 / 3
