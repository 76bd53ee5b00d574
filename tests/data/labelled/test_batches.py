from types import SimpleNamespace

import numpy as np
import pytest

from kbert import KbertError, Tokenizer
from kbert.data.labelled.batches import LabelledBatches, round_lengths
from kbert.data.labelled.examples import Examples

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 가 ##가 나 ##나 다 ##다 라 ##라 .".split()


def model_for(task, labels=(), problem_type="single_label_classification", max_length=512):
    """What the batches ask of a model."""
    return SimpleNamespace(
        task=task,
        labels=list(labels),
        problem_type=problem_type,
        max_length=max_length,
        tokenizer=Tokenizer(WORDS),
    )


def reviews(count: int) -> Examples:
    rng = np.random.default_rng(0)
    texts = [" ".join(["가나"] * int(size)) for size in rng.integers(1, 40, count)]
    labels = [("긍정", "부정")[len(text) % 3 == 0] for text in texts]
    return Examples("sequence-classification", texts, labels=labels, label_names=["부정", "긍정"])


def same(one, other) -> bool:
    arrays = [(one[0][name], other[0][name]) for name in one[0]] + [
        (one[1], other[1]),
        (one[2], other[2]),
    ]
    return all(np.array_equal(a, b) for a, b in arrays)


def test_each_epoch_shows_each_example_once_with_its_label():
    examples = reviews(101)
    model = model_for("sequence-classification", ["긍정", "부정"])  # another order than the names'
    batches = LabelledBatches(examples, model, batch_size=8, epochs=2, seed=3)
    assert (batches.steps_per_epoch, batches.steps, len(batches)) == (13, 26, 26)
    for epoch in range(2):
        seen = []
        for step in range(13):
            x, y, weights = batches[13 * epoch + step]
            lengths = x["attention_mask"].sum(axis=1)
            assert x["input_ids"].shape == (8, x["input_ids"].shape[1])
            assert x["input_ids"].shape[1] in batches.shapes
            for row in np.flatnonzero(weights):
                text = model.tokenizer.decode(x["input_ids"][row, : lengths[row]])
                seen.append((text, model.labels[y[row]]))
        assert sorted(seen) == sorted(zip(examples.texts, examples.labels, strict=True))


def test_a_batch_is_a_function_of_seed_and_step():
    model = model_for("sequence-classification", ["부정", "긍정"])
    forwards = LabelledBatches(reviews(50), model, batch_size=4, epochs=3, seed=1)
    backwards = LabelledBatches(reviews(50), model, batch_size=4, epochs=3, seed=1)
    kept = {step: backwards[step] for step in reversed(range(len(backwards)))}
    assert all(same(forwards[step], kept[step]) for step in range(len(forwards)))
    assert not same(forwards[0], forwards[13])  # the same place of the next epoch
    assert not same(forwards[0], LabelledBatches(reviews(50), model, 4, seed=2)[0])


def test_rows_of_like_lengths_come_together():
    model = model_for("sequence-classification", ["부정", "긍정"])
    batches = LabelledBatches(reviews(2000), model, batch_size=16, seed=0)
    padded = sum(batches[step][0]["input_ids"].size for step in range(len(batches)))
    each = round_lengths(batches.rows.lengths)
    assert padded < 1.05 * each.sum()  # what rounding costs, and 5% more
    assert padded < 0.65 * len(each) * each.max()  # what rows of all lengths together would take
    assert batches.shapes == [16, 32, 48, 64, 96]


def test_lengths_are_rounded_to_a_handful():
    rounded = round_lengths(np.arange(1, 513))
    assert (rounded >= np.arange(1, 513)).all()
    assert np.unique(rounded).tolist() == [16, 32, 48, 64, 96, 128, 192, 256, 384, 512]


def test_quantities_and_several_labels():
    numbers = Examples(
        "sequence-classification",
        ["가", "나"],
        labels=[2.5, 0],
        label_names=["score"],
        problem_type="regression",
    )
    batches = LabelledBatches(
        numbers, model_for("sequence-classification", ["점수"], "regression"), batch_size=2
    )
    assert sorted(batches[0][1].tolist()) == [0, 2.5]
    several = Examples(
        "sequence-classification",
        ["가"],
        labels=[["다", "나"]],
        label_names=["나", "다"],
        problem_type="multi_label_classification",
    )
    model = model_for("sequence-classification", ["가", "나", "다"], "multi_label_classification")
    _, y, weights = LabelledBatches(several, model, batch_size=2)[0]
    assert (y.tolist(), weights.tolist()) == ([[0, 1, 1], [0, 1, 1]], [1, 0])


def test_what_is_cut_off_is_told(caplog):
    texts = ["가 " * 14, "가 " * 15, "가 " * 1200]
    model = model_for("sequence-classification", ["참", "거짓"], max_length=16)
    LabelledBatches((texts, ["참", "거짓", "참"]), model)
    assert caplog.messages == [
        "texts of more than 16 tokens are cut off at the end: 2 of 3, the longest of 1,202; "
        "the model reads no more"
    ]
    choices = Examples("multiple-choice", ["가"] * 2, [["나", "다 " * 20], ["나", "다"]], [0, 1])
    caplog.clear()
    LabelledBatches(choices, model_for("multiple-choice"), max_length=16)
    assert "16 tokens are cut off at the end: 1 of 2, the longest of 24;" in caplog.text
    caplog.clear()
    tagged = Examples("token-classification", texts, labels=[[], [], []])
    LabelledBatches(tagged, model_for("token-classification", ["O"]), max_length=16)  # windows
    assert not caplog.messages


def test_numbers_that_a_head_does_not_reach_are_told(caplog):
    model = model_for("sequence-classification", ["점수"], "regression")
    for numbers in ([0, 5, 4], [9, 10.5], [-12, 0, 12]):
        LabelledBatches((["가"] * len(numbers), numbers), model)
    assert not caplog.messages
    LabelledBatches((["가", "나"], [50, 99]), model)
    (told,) = caplog.messages
    assert "from 50 to 99, their mean 74.5 and deviation 24.5," in told and "by 99, or" in told
    LabelledBatches((["가", "나"], [-11, 11]), model)  # whose mean is 0
    assert "from -11 to 11, their mean 0 and deviation 11," in caplog.messages[1]


def test_pairs_are_cut_and_have_segments(caplog):
    pairs = Examples(
        "sequence-classification",
        ["가 " * 30, "가"],
        pairs=["나 나", "나 " * 30],
        labels=["참", "거짓"],
        label_names=["참", "거짓"],
    )
    model = model_for("sequence-classification", ["참", "거짓"])
    batches = LabelledBatches(pairs, model, batch_size=2, max_length=16)
    assert caplog.messages == [
        "pairs of texts of more than 16 tokens are cut off at the end: 2 of 2, the longest of 35; "
        "max_length=... keeps more of them, and the model reads up to 512"
    ]
    x, _, _ = batches[0]
    assert x["input_ids"].shape == (2, 16) and x["attention_mask"].all()
    counts = sorted(
        map(tuple, zip((x["input_ids"] == 5).sum(1), (x["input_ids"] == 7).sum(1), strict=True))
    )
    assert counts == [(1, 12), (11, 2)]
    assert (x["token_type_ids"][x["input_ids"] == 7] == 1).all()


def test_tags_of_long_texts_are_windows_that_lose_nothing():
    text = "가나 " * 40
    spans = [(0, 1, "PS"), (3, 5, "PS"), (117, 119, "PS")]
    examples = Examples(
        "token-classification", [text], labels=[spans], label_names=["O", "B-PS", "I-PS"]
    )
    model = model_for("token-classification", ["O", "B-PS", "I-PS"])
    batches = LabelledBatches(examples, model, batch_size=8, max_length=32)
    x, y, weights = batches[0]
    rows = np.flatnonzero(weights.any(axis=1))
    assert len(rows) == 4  # 80 pieces, 30 a row, of which 7 are shared
    special = np.isin(x["input_ids"], [0, 2, 3])
    assert not weights[special].any() and weights[rows][~special[rows]].all()
    assert (y[rows] == 1).sum() == 3 and (y[rows] == 2).sum() == 2


def test_words_are_labelled_once():
    examples = Examples(
        "token-classification",
        ["가나 다"],
        labels=[[(0, 2, "NNG"), (3, 4, "VV")]],
        label_names=["NNG", "VV"],
    )
    batches = LabelledBatches(examples, model_for("token-classification", ["VV", "NNG"]), 1)
    _, y, weights = batches[0]
    assert y[0, weights[0] > 0].tolist() == [1, 0]  # the first pieces of two words
    assert np.flatnonzero(weights[0]).tolist() == [1, 3]


def test_answers_are_found_in_the_window_that_holds_them():
    context = "가 " * 40 + "나 다." + " 라" * 10
    start = context.index("나")
    examples = Examples(
        "question-answering",
        ["다", "라"],
        pairs=[context, "가 가"],
        labels=[[(start, "나 다")], []],
    )
    model = model_for("question-answering")
    x, y, weights = LabelledBatches(examples, model, batch_size=4, max_length=40)[0]
    found = 0
    for row in np.flatnonzero(weights["start"]):
        begin, end = int(y["start"][row]), int(y["end"][row])
        ids = x["input_ids"][row]
        if begin:
            assert ids[begin : end + 1].tolist() == [7, 9]
            found += 1
        else:  # [CLS]: no answer in this window
            assert end == 0 and 7 not in ids.tolist()
    assert found >= 1


def test_choices_are_rows_of_their_own():
    examples = Examples(
        "multiple-choice", ["가", "나"], pairs=[["다", "라"], ["라 라", "다"]], labels=[1, 0]
    )
    x, y, _ = LabelledBatches(examples, model_for("multiple-choice"), batch_size=2)[0]
    assert x["input_ids"].shape == (2, 2, 16)
    row = int(np.flatnonzero(x["input_ids"][:, 0, 1] == 5)[0])
    assert x["input_ids"][row, :, 3].tolist() == [9, 11] and y[row] == 1


SINGLE = model_for("sequence-classification", ["부정", "긍정"])


@pytest.mark.parametrize(
    ("examples", "model", "what"),
    [
        (([], []), SINGLE, "there are no examples"),
        ((["가"], ["중립"]), SINGLE, r"example 0: the label '중립' is none of \['부정', '긍정'\]"),
        ((["가"], [2]), SINGLE, "the label 2 is no index in"),
        ((["가", "나"], ["긍정"]), SINGLE, "2 texts and 1 label do"),
        (["가"], SINGLE, "examples need labels"),
        ("가", SINGLE, "expected Examples, as kbert.read_table"),
        (reviews(3), model_for("token-classification", ["O"]), "load the model with task="),
        *(
            (
                (["가", "나"], labels),
                model_for(task),
                f"is for '{task}', which learns from no labels: load the model with "
                "task='sequence-classification', or another of",
            )
            for task, labels in [
                ("pretraining", [0, 1]),
                ("masked-lm", ["긍정", "부정"]),
                ("encoder", None),
                ("next-sentence-prediction", [0, 1]),
                ("replaced-token-detection", [0, 1]),
            ]
        ),
        (
            reviews(3),
            model_for("sequence-classification", ["부정", "긍정"], "regression"),
            "load it with problem_type='single_label_classification'",
        ),
        (reviews(3), model_for("sequence-classification", ["a", "b"]), "have the label '부정'"),
        (
            Examples("multiple-choice", ["가"], pairs=[["나", "다"]], labels=[2]),
            model_for("multiple-choice"),
            "which choice is right, from 0, not 2",
        ),
        (
            Examples("multiple-choice", ["가"], pairs=[["나"]], labels=[0]),
            model_for("multiple-choice"),
            "the same number of choices, 2 or more",
        ),
        (
            Examples("question-answering", ["가"], pairs=["나 다"], labels=[[(0, "다")]]),
            model_for("question-answering"),
            "the answer '다' does not stand at character 0 of its context, where '나' is",
        ),
        (
            Examples(
                "sequence-classification",
                ["가"],
                labels=[float("nan")],
                problem_type="regression",
            ),
            model_for("sequence-classification", ["점수"], "regression"),
            "example 0: a label of regression is a finite number, not nan",
        ),
    ],
)
def test_what_does_not_fit_is_named(examples, model, what):
    with pytest.raises(KbertError, match=what):
        LabelledBatches(examples, model)


def test_one_label_only_is_told(caplog):
    model = model_for("sequence-classification", ["부정", "긍정"])
    LabelledBatches((["가", "나"], ["긍정", "부정"]), model)
    LabelledBatches((["가"], ["긍정"]), model)
    assert not caplog.records
    LabelledBatches((["가", "나"], ["긍정", "긍정"]), model)
    assert "all 2 examples have the label '긍정': nothing else can be learned" in caplog.text


def test_numbers_that_cannot_be_are_named():
    for settings in ({"batch_size": 0}, {"epochs": 0}, {"seed": -1}, {"max_length": 1}):
        with pytest.raises(KbertError, match=next(iter(settings))):
            LabelledBatches(reviews(3), SINGLE, **settings)
    with pytest.raises(KbertError, match="max_length 999 is more than the 512"):
        LabelledBatches(reviews(3), SINGLE, max_length=999)
    with pytest.raises(IndexError):
        LabelledBatches(reviews(3), SINGLE)[1]
