"""The official files, as far as they are at hand: how many, what is in them, what gold scores.

Expected numbers are the sets' own (papers, cards, READMEs), less the rows that the README of the
data says were left out.
"""

from collections import Counter
from pathlib import Path

import pytest

from kbert.data.labelled.overlap import overlap
from kbert.tasks.metrics.dependencies import klue_dp
from kbert.tasks.metrics.entities import klue_ner
from kbert.tasks.read import read_task
from kbert.tasks.sets import SETS
from kbert.text.tags import character_tags
from kbert.text.tokenizer import Tokenizer

pytestmark = pytest.mark.real_data

COUNTS = {
    ("klue-sts", "klue"): {"train": 11_666, "dev": 260},
    ("klue-nli", "klue"): {"train": 24_959, "dev": 3000},
    ("klue-ner", "klue"): {"train": 4982, "dev": 5000},
    ("klue-re", "klue"): {"train": 3243},
    ("klue-dp", "klue"): {"dev": 2000},
    ("nsmc", "nsmc"): {"train": 150_000, "test": 50_000},
    ("kornli", "kornlu"): {"dev": 2490, "test": 2505},
    ("korsts", "kornlu"): {"train": 5749, "dev": 1500, "test": 1379},
    ("korquad", "korquad"): {"dev": 4537},
    ("paws-x-ko", "paws_x_ko"): {"dev": 2000, "test": 2000},
    ("question-pair", "question_pair"): {"train": 6136, "dev": 682, "test": 758},
    ("korean-hate-speech", "korean_hate_speech"): {"train": 7896, "dev": 471, "test": 974},
    ("k-mhas", "kmhas"): {"dev": 8776, "test": 21_938},
    ("kote", "kote"): {"dev": 5000, "test": 5000},
    ("3i4k", "3i4k"): {"train": 55_134, "test": 6121},
    ("parakqc", "parakqc"): {"all": 10_000},
    ("kobest-boolq", "kobest/BoolQ"): {"train": 3658, "dev": 696, "test": 1401},
    ("kobest-copa", "kobest/COPA"): {"train": 3076, "dev": 500, "test": 1000},
    ("kobest-wic", "kobest/WiC"): {"train": 3318, "dev": 610, "test": 1260},
    ("kobest-hellaswag", "kobest/HellaSwag"): {"train": 2029, "dev": 500, "test": 500},
    ("kobest-sentineg", "kobest/SentiNeg"): {"train": 3649, "dev": 400, "test": 397},
    ("ud-kaist-pos", "ud_kaist"): {"train": 23_003, "dev": 2066, "test": 2287},
    ("ud-kaist-parsing", "ud_kaist"): {"train": 23_003, "dev": 2066, "test": 2287},
    ("ud-gsd-pos", "ud_gsd"): {"train": 4269, "dev": 950, "test": 989},
    ("ud-gsd-parsing", "ud_gsd"): {"train": 4269, "dev": 950, "test": 989},
    ("ynat-dacon", "ynat_dacon"): {"train": 45_654},
}


def read(data: Path, name: str, part: str):
    folder = next(folder for of, folder in COUNTS if of == name)
    return read_task(name, data / "finetune" / folder, part)


@pytest.mark.parametrize(("name", "folder"), COUNTS)
def test_every_set_at_hand_is_read_whole(real_data, name, folder):
    for part, count in COUNTS[name, folder].items():
        examples = read(real_data, name, part)
        assert len(examples) == count, part
        lists = (examples.pairs, examples.labels, examples.groups, examples.ids, examples.origins)
        assert {len(each) for each in lists if each is not None} == {count}
        assert count <= SETS[name].sizes.get(part, count)
        if examples.is_single_label and examples.labels is not None:
            assert set(examples.labels) == set(examples.label_names), part


def test_how_labels_are_spread(real_data):
    def spread(name: str, part: str) -> Counter:
        return Counter(read(real_data, name, part).labels)

    assert spread("nsmc", "test") == {"negative": 24_827, "positive": 25_173}
    assert spread("nsmc", "train") == {"negative": 75_000, "positive": 75_000}
    nli = {"entailment": 8546, "contradiction": 8475, "neutral": 7938}
    assert spread("klue-nli", "train") == nli
    assert spread("klue-nli", "dev") == dict.fromkeys(nli, 1000)
    assert set(spread("kornli", "dev").values()) == {830}


def test_three_reviews_of_the_nsmc_test_are_empty(real_data):
    examples = read(real_data, "nsmc", "test")
    assert sum(not text.strip() for text in examples.texts) == 3
    assert sum('"""' in text for text in examples.texts) > 100  # quotation marks are text


def test_how_numbers_of_klue_sts_are_spread(real_data):
    train = read(real_data, "klue-sts", "train").labels
    # Of all 11,668, rounded as Python does; two pairs are not here.
    rounded = Counter(map(round, train))
    assert [rounded[i] for i in range(6)] == pytest.approx(
        [3711, 1181, 807, 1436, 4072, 461], abs=2
    )


def test_no_premise_of_klue_nli_is_in_both_parts(real_data):
    train, dev = (read(real_data, "klue-nli", part) for part in ("train", "dev"))
    assert len(set(dev.groups)) == 1000
    assert not set(train.groups) & set(dev.groups)
    found = overlap(dev, train)
    assert (len(found.whole), len(found.texts), len(found.sentences)) == (0, 3, 0)


@pytest.mark.parametrize(
    ("name", "part", "other", "texts", "sentences", "whole"),
    [
        ("ud-gsd-pos", "test", "dev", 30, 24, 30),
        ("kobest-boolq", "dev", "train", 2, 11, 0),
        ("kobest-boolq", "test", "train", 4, 30, 0),
        ("kobest-hellaswag", "dev", "train", 9, 9, 9),
        ("kobest-hellaswag", "test", "train", 0, 1, 0),
        ("klue-ner", "dev", "train", 0, 0, 0),
        ("ud-kaist-pos", "test", "dev", 0, 0, 0),
    ],
)
def test_overlaps_that_were_counted_before(real_data, name, part, other, texts, sentences, whole):
    found = overlap(read(real_data, name, part), read(real_data, name, other))
    assert (len(found.texts), len(found.sentences), len(found.whole)) == (texts, sentences, whole)


def test_the_entities_of_klue_ner_dev(real_data):
    examples = read(real_data, "klue-ner", "dev")
    kinds = Counter(kind for spans in examples.labels for *_, kind in spans)
    assert kinds == {"PS": 4418, "QT": 3151, "DT": 2312, "OG": 2182, "LC": 1649, "TI": 545}
    assert max(map(len, examples.texts)) == 145
    spaces = Counter(
        tag[0]
        for text, spans in zip(examples.texts, examples.labels, strict=True)
        for character, tag in zip(text, character_tags(text, spans), strict=True)
        if character == " "
    )
    assert spaces == {"O": 57_501, "I": 2876, "B": 2}


def test_what_the_vocabulary_of_klue_bert_costs_in_klue_ner(real_data):
    """Gold through the official labels of pieces and back, which is the best that can be had."""
    examples = read(real_data, "klue-ner", "dev")
    tokenizer = Tokenizer.from_file(real_data / "vocabs" / "klue-bert-base.vocab.txt")
    words, tags = [], []
    for text, spans in zip(examples.texts, examples.labels, strict=True):
        of_text, start = character_tags(text, spans), 0
        for word in text.split(" "):
            words.append(word)
            tags.append(of_text[start : start + len(word)])
            start += len(word) + 1
    pieces = tokenizer.encode_pieces(words, ("offsets",))
    unknown = pieces.ids == tokenizer.id("[UNK]")
    back, with_unknown = [], 0
    for number, gold in enumerate(tags):
        here = slice(pieces.starts[number], pieces.starts[number + 1])
        offsets = pieces.columns["offsets"][here].tolist()
        if unknown[here].any():  # all pieces of the word have the tag of its first character
            with_unknown += 1
            offsets = [[0, len(gold)]]
        for start, end in offsets:
            first = gold[start]
            inside = first if first == "O" else f"I-{first[2:]}"
            back += [first, *[inside] * (end - start - 1)]
    flat = [tag for gold in tags for tag in gold]
    scores = {name: round(100 * score, 2) for name, score in klue_ner(flat, back).items()}
    assert (len(words), with_unknown) == (65_379, 628)
    assert (scores["entity_f1"], scores["entity_micro_f1"]) == (97.78, 97.43)
    assert (scores["char_f1"], scores["char_f1_without_o"]) == (99.45, 99.42)
    assert set(klue_ner(flat, flat).values()) == {1.0}

    nothing = klue_ner(flat, ["O"] * len(flat))
    assert (nothing["entity_f1"], nothing["char_f1_without_o"]) == (0, 0)
    # With [CLS] and the last token of each sentence, as the official code counts.
    with_ends = [*flat, *["O"] * 2 * len(examples)]
    official = klue_ner(with_ends, ["O"] * len(with_ends))["char_f1"]
    assert (round(100 * nothing["char_f1"], 2), round(100 * official, 2)) == (6.72, 6.77)


def test_the_trees_of_klue_dp_dev(real_data):
    gold = read(real_data, "klue-dp", "dev").labels
    heads = [[head for head, *_ in sentence] for sentence in gold]
    assert sum(map(len, heads)) == 22_496
    assert max(map(max, heads)) == 35
    assert all(sentence.count(0) == 1 for sentence in heads)
    assert all(h == 0 or h > i for sentence in heads for i, h in enumerate(sentence, 1))


def test_scores_of_no_model_on_klue_dp_dev(real_data):
    def percent(predicted: list) -> list[float]:
        return [round(100 * score, 2) for score in klue_dp(gold, predicted).values()]

    gold = read(real_data, "klue-dp", "dev").labels
    following = [[*range(2, len(words) + 1), 0] for words in gold]
    always_np = [[(head, "NP") for head in heads] for heads in following]
    assert percent(always_np) == [64.49, 2.41, 66.58, 17.75]
    gold_relation = [
        [(head, word[1]) for head, word in zip(heads, words, strict=True)]
        for heads, words in zip(following, gold, strict=True)
    ]
    assert percent(gold_relation)[1] == 76.81
    (_, *rest), *others = gold[0], *gold[1:]
    one_wrong = [[(3, *gold[0][0][1:]), *rest], *others]
    assert percent(one_wrong)[:2] == [100.0, 94.12]  # of 22,496 words one
    assert percent(gold) == [100.0] * 4


def test_answers_of_korquad_stand_where_they_should(real_data):
    examples = read(real_data, "korquad", "dev")
    for context, answers in zip(examples.pairs, examples.labels, strict=True):
        assert all(context[start : start + len(text)] == text for start, text in answers)
    metric = SETS["korquad"].metric
    gold = [[text for _, text in answers] for answers in examples.labels]
    assert metric(gold, [texts[0] for texts in gold]) == {"em": 1, "f1": 1}
