import hashlib
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from kbert import KbertError, Tokenizer
from kbert.text.learning.vocabulary_trainer import train_vocabulary
from kbert.text.learning.word_counts import count_words
from kbert.text.vocabulary import SPECIAL_TOKENS, ksx1001_syllables

pytestmark = pytest.mark.once

TEXTS = [
    "대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있고,",
    "모든 권력은 국민으로부터 나온다. 대한민국의 국민이 되는 요건은 법률로 정한다.",
    "국가는 법률이 정하는 바에 의하여 재외국민을 보호할 의무를 진다. 😀😀 𝒳𝒳 漢字 漢字",
]


def test_words_are_cut_as_bert_cuts_them():
    words = count_words(["국회ㆍ정부, 국회·정부 漢字\u200b가 ＡＢ"])
    # U+318D is a letter to Unicode, U+00B7 a mark; hanja stand alone; U+200B goes.
    assert words == Counter("국회ㆍ정부 , 국회 · 정부 漢 字 가 ＡＢ".split())


def test_merges_worked_by_hand():
    # Pairs of {국회 x5, 국회에 x3, 국민 x2}: (국, ##회) 8, (##회, ##에) 3, (국, ##민) 2. After
    # 국회: (국회, ##에) 3, (국, ##민) 2.
    words = Counter({"국회": 5, "국회에": 3, "국민": 2})
    characters = ["국", "##민", "##에", "##회"]
    expected = [*SPECIAL_TOKENS, *characters, "국회", "국회에", "국민"]
    assert train_vocabulary(words, 12) == expected
    assert train_vocabulary(words, 11) == expected[:11]
    with pytest.raises(KbertError, match="11 tokens at the most, and 12 were asked"):
        train_vocabulary(words, 12, min_frequency=3)


def test_same_bytes_whatever_order_threads_and_hash_seed():
    script = (
        "import sys, hashlib; from kbert.text.learning.vocabulary_trainer import train_vocabulary; "
        "from kbert.text.learning.word_counts import count_words; "
        "texts = sys.stdin.buffer.read().decode().split('\\n'); "
        "words = count_words(texts); size = int(sys.argv[1]); "
        "print(hashlib.sha256('\\n'.join(train_vocabulary(words, size)).encode()).hexdigest())"
    )
    digests = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("2", "4")):
        texts = TEXTS * 3
        random.Random(seed).shuffle(texts)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", script, "110"],
            input="\n".join(texts).encode(),
            capture_output=True,
            env=environment,
            check=True,
        )
        digests.add(run.stdout)
    assert len(digests) == 1
    here = train_vocabulary(count_words(TEXTS * 3), 110)
    assert digests.pop().decode().strip() == hashlib.sha256("\n".join(here).encode()).hexdigest()


def test_what_is_trained_covers_the_text():
    tokenizer = Tokenizer.train(TEXTS, 116, min_frequency=1)
    assert tokenizer.unk_id not in tokenizer.encode([" ".join(TEXTS)])[0]
    assert tokenizer.tokenize("대한민국")[0].startswith("대한")


def test_alphabet_limit_leaves_out_the_rarest():
    tokens = train_vocabulary(Counter({"가나": 9, "다": 1}), 8, limit_alphabet=2)
    assert tokens[5:] == ["가", "##나", "가나"]


def test_layout_of_klue():
    """Special tokens, characters, ##characters, merges, [unused]; the sum is the size asked for."""
    words = Counter({"국회": 5, "국회에": 3, "국민": 2})
    tokens = train_vocabulary(
        words, 14, unused=2, special_tokens=["<s>", "<pad>"], characters=["뷁", "국"]
    )
    characters = ["국", "뷁", "##국", "##민", "##뷁", "##에", "##회"]
    assert tokens == [
        "<s>",
        "<pad>",
        *characters,
        "국회",
        "국회에",
        "국민",
        "[unused0]",
        "[unused1]",
    ]


def test_both_positions():
    tokens = train_vocabulary(Counter({"국회": 5, "에": 3}), 12, both_positions=True)
    assert tokens[5:] == ["국", "에", "회", "##국", "##에", "##회", "국회"]


def test_a_floor_of_syllables_leaves_no_hangul_unknown():
    syllables = ksx1001_syllables()
    assert len(set(syllables)) == 2350 and (syllables[0], syllables[-1]) == ("가", "힝")
    assert {"뷁", "찦", "똠"}.isdisjoint(syllables)
    tokens = train_vocabulary(count_words(TEXTS), 4721, characters=[*syllables, "뷁"])
    tokenizer = Tokenizer(tokens)
    assert tokenizer.tokenize("웹툰 뷁뷁") == ["웹", "##툰", "뷁", "##뷁"]
    assert tokenizer.tokenize("찦차") == ["[UNK]"]


def test_bad_words():
    with pytest.raises(KbertError, match="without white space"):
        train_vocabulary(Counter({"국 회": 2}), 100)
    with pytest.raises(KbertError, match="'\\[UNK\\]' stands twice"):
        train_vocabulary(Counter({"[UNK]": 2}), 14)


def test_bad_requests():
    with pytest.raises(KbertError, match="empty"):
        train_vocabulary(Counter(), 100)
    with pytest.raises(KbertError, match="need 9"):
        train_vocabulary(Counter({"국회": 5, "국회에": 3, "국민": 2}), 8)


def spaced(text: str) -> list[str]:
    return text.replace("에서", " 에서").split()


def test_train_is_counting_and_training():
    texts = ["국회에서 국회"] * 3 + ["정부에서"]
    words = count_words(texts, morphemes=spaced, min_count=2)
    assert words == Counter({"국회": 6, "에서": 4})
    expected = train_vocabulary(words, 15, both_positions=True)
    trained = Tokenizer.train(texts, 15, morphemes=spaced, min_count=2)
    assert trained.vocabulary == expected and "##에" in expected
    plain = Tokenizer.train(texts, 11, morphemes=spaced, min_count=2, both_positions=False)
    assert plain.vocabulary[5:] == ["국", "에", "##서", "##회", "국회", "에서"]
