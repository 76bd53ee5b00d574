import keras
import numpy as np
import pytest

from kbert import BertForMultipleChoice, KbertError, Tokenizer, read_task
from kbert.data.labelled.batches import LabelledBatches
from kbert.data.labelled.examples import Examples, Origin
from kbert.training.losses import objective


@pytest.fixture
def model(small, tokenizer):
    model = BertForMultipleChoice(**small)
    model.tokenizer = tokenizer
    return model


def choices(pairs, labels, **settings):
    texts = ["축구는 재미있다", "국회", "나"][: len(pairs)]
    return Examples("multiple-choice", texts, pairs, labels, **settings)


def test_a_row_a_choice_as_the_tokenizer_makes_it(model):
    pairs = [["경기", "국민의 법률을"], ["정말 재미있다", "나"], ["너", "우리는"]]
    batches = LabelledBatches(choices(pairs, [1, 0, 1]), model, batch_size=2)
    assert (len(batches), batches.shapes) == (2, [16])
    found = []
    for x, y, weights in (batches[0], batches[1]):
        assert set(x) == {"input_ids", "token_type_ids", "attention_mask"}
        assert x["input_ids"].shape == (2, 2, 16) and y.dtype == np.int32
        for row in np.flatnonzero(weights):
            one = {name: array[row] for name, array in x.items()}
            found.append((int(y[row]), one))
    assert len(found) == 3
    for text, pair, label in zip(["축구는 재미있다", "국회", "나"], pairs, [1, 0, 1], strict=True):
        expected = model.tokenizer([text] * 2, pair, pad_to_length=16)
        assert any(
            label == mine and all((one[name] == expected[name]).all() for name in one)
            for mine, one in found
        )


def test_every_backend_trains_on_rows_of_several_lengths(model):
    texts = ["축구는 재미있다", "국회", "나", "너"] * 4
    pairs = [["경기 " * count, "국민의 법률을"] for count in (1, 20, 3, 5)] * 4
    examples = Examples("multiple-choice", texts, pairs, [0, 1, 0, 1] * 4)
    batches = LabelledBatches(examples, model, batch_size=4, epochs=3)
    assert batches.shapes == [16, 17]
    arguments = objective(model)
    model.compile(keras.optimizers.Adam(3e-3), **arguments)
    losses = [model.fit(batches, shuffle=False, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("pairs", "labels", "message"),
    [
        (None, [0], "choices in pairs"),
        (["경기 국민"], [0], "'경기 국민'"),
        ([["경기"]], [0], "2 or more"),
        ([["경기", "나"], ["경기", "나", "너"]], [0, 1], "file.tsv, row 3.*and the first has 2"),
        ([["경기", "나"]], [2], "which choice is right, from 0, not 2"),
        ([["경기", "나"]], [-1], "not -1"),
        ([["경기", "나"]], ["나"], "not '나'"),
    ],
)
def test_choices_that_cannot_be(model, pairs, labels, message):
    origins = [Origin("file.tsv", row) for row in (2, 3)]
    texts = ["국회", "나"][: len(labels)]
    examples = Examples("multiple-choice", texts, pairs, labels, origins=origins)
    with pytest.raises(KbertError, match=message):
        LabelledBatches(examples, model)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "folder"), [("kobest-copa", "COPA"), ("kobest-hellaswag", "HellaSwag")]
)
def test_the_official_sets(real_data, small, name, folder):
    tokenizer = Tokenizer.from_file(real_data / "vocabs/klue-bert-base.vocab.txt")
    model = BertForMultipleChoice(
        **{**small, "vocab_size": len(tokenizer), "max_position_embeddings": 128}
    )
    model.tokenizer = tokenizer
    examples = read_task(name, real_data / "finetune/kobest" / folder, "dev")
    batches = LabelledBatches(examples, model, batch_size=16, max_length=96)
    found = []
    for step in range(len(batches)):
        x, y, weights = batches[step]
        for row in np.flatnonzero(weights):
            ids, mask = x["input_ids"][row], x["attention_mask"][row]
            rows = tuple(tuple(a[b > 0].tolist()) for a, b in zip(ids, mask, strict=True))
            found.append((rows, int(y[row])))
    expected = []
    assert examples.pairs is not None and examples.labels is not None
    for text, pair, label in zip(examples.texts, examples.pairs, examples.labels, strict=True):
        got = tokenizer([text] * len(pair), pair, max_length=96)
        rows = zip(got["input_ids"], got["attention_mask"], strict=True)
        expected.append((tuple(tuple(a[b > 0].tolist()) for a, b in rows), label))
    assert sorted(found) == sorted(expected)
