import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import BertForPreTraining, FillMask, KbertError, NextSentence
from kbert.pipelines.encode import batches, largest, pad, predict, round_length, text_list, to_rows
from kbert.pipelines.robustness import model_robustness


@pytest.fixture
def model(small, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    return model


def test_pipelines_answer_in_threads(model):
    """As web servers call them; each answer is that of its own texts."""
    fill, follows = FillMask(model), NextSentence(model)
    texts = ["나 [MASK]", "국회에 [MASK] 국민의 경기", "축구는 정말 [MASK]"]

    def ask(number):
        text = texts[number % 3]
        return fill(text, top_k=2)[0]["token"], follows(text, "우리.")["next"]

    expected = [ask(number) for number in range(3)]
    with ThreadPoolExecutor(4) as threads:
        for number, (token, share) in enumerate(threads.map(ask, range(24))):
            assert token == expected[number % 3][0]
            assert share == pytest.approx(expected[number % 3][1], abs=1e-5)


def row(length: int, blanks: int = 0) -> dict:
    return {
        "input_ids": np.full(length, 7, np.int32),
        "masked_lm_positions": np.arange(blanks, dtype=np.int32),
    }


def test_lengths_are_rounded_to_few():
    rounded = sorted({round_length(length) for length in range(1, 513)})
    assert rounded == [16, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    assert all(length <= round_length(length) for length in range(1, 600))


def test_batches_hold_every_row_once_and_little_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 300, 500)
    rows = [row(length) for length in lengths]
    for few_shapes in (False, True):
        plan = list(batches(rows, 16, 300, few_shapes))
        assert sorted(index for indices, _ in plan for index in indices) == list(range(500))
        for indices, (size, length, blanks) in plan:
            assert len(indices) <= size <= 16 and blanks == 0
            assert lengths[indices].max() <= length <= 300
            assert size == 1 or size * length <= 16 * 64
        shapes = {shape for _, shape in plan}
        tokens = sum(size * length for _, (size, length, _) in plan)
        if few_shapes:
            assert len(shapes) <= 15 and tokens < 1.35 * lengths.sum()
        else:
            assert tokens < 1.05 * lengths.sum()


def test_batches_by_hand():
    # 8 x 64 = 512 tokens and 8 blanks a batch: 3 rows of 150 fit, and 2 rows of 4 blanks.
    rows = [*[row(150, 1)] * 4, *[row(20, 4)] * 3, row(600, 1), row(9, 9)]
    assert list(batches(rows, 8, 600, few_shapes=False)) == [
        ([8], (1, 9, 9)),
        ([4, 5], (2, 20, 4)),
        ([6], (1, 20, 4)),
        ([7], (1, 600, 1)),
        ([0, 1, 2], (3, 150, 1)),
        ([3], (1, 150, 1)),
    ]
    # Compiled: 150 is 192, of which 2 fit; 600 is 768, but the model ends at 700; 9 blanks are 16.
    assert list(batches(rows, 8, 700, few_shapes=True)) == [
        ([8], (1, 16, 16)),
        ([4, 5], (2, 32, 4)),
        ([6], (1, 32, 4)),
        ([7], (1, 700, 1)),
        ([0, 1], (2, 192, 1)),
        ([2, 3], (2, 192, 1)),
    ]


def test_padding_by_hand():
    batch = pad([row(2, 1), row(3, 2)], 3, 4, 2, pad_id=9)
    assert batch["input_ids"].tolist() == [[7, 7, 9, 9], [7, 7, 7, 9], [7, 7, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert batch["masked_lm_positions"].tolist() == [[0, 0], [0, 1], [0, 0]]


def test_answers_come_in_the_order_of_the_texts(model, tokenizer):
    texts = ["나 " * count for count in (3, 14, 1, 9, 2, 12, 5)]
    rows = to_rows(tokenizer, texts)
    seen = []

    def answer(outputs, indices):
        seen.append(len(indices))
        return outputs["nsp"][: len(indices)].tolist()

    answers = predict(model, rows, answer, batch_size=2)
    assert len(seen) >= 4 and max(seen) == 2
    expected = ops.convert_to_numpy(model(tokenizer(texts))["nsp"])  # in one batch, unsorted
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    one = predict(model, rows, lambda logits, indices: [*logits[: len(indices)]], 2, output="nsp")
    np.testing.assert_allclose(one, expected, atol=1e-5)
    assert predict(model, [], answer) == []
    with pytest.raises(KbertError, match="batch_size must be a whole number from 1, not 0"):
        predict(model, rows, answer, batch_size=0)


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 4, 9])
def test_pairs_of_every_block_keep_their_own_second_text(tokenizer, monkeypatch, at_a_time):
    firsts, seconds = ["나", "너", "우리", "경기"], ["국회", "국민", "축구", "법률 나"]
    monkeypatch.setattr("kbert.pipelines.encode.TEXTS_AT_A_TIME", at_a_time)
    rows = to_rows(tokenizer, firsts, seconds)
    cls, sep = tokenizer.cls_id, tokenizer.sep_id
    assert [row["input_ids"].tolist() for row in rows] == [
        [cls, *tokenizer.encode([first])[0], sep, *tokenizer.encode([second])[0], sep]
        for first, second in zip(firsts, seconds, strict=True)
    ]


@pytest.mark.parametrize("texts", [1, 9])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_shows_on_long_input_in_a_terminal(model, tokenizer, monkeypatch, terminal, texts):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    rows = to_rows(tokenizer, ["나"] * texts)
    predict(model, rows, lambda outputs, indices: indices, batch_size=2)
    assert ("100%" in stream.getvalue()) == (terminal and texts == 9)


def test_largest_by_hand():
    scores = np.array([0.5, 0.1, 0.5, 0.7, 0.1])
    assert largest(scores, 2).tolist() == [3, 0]
    assert largest(scores, 4).tolist() == [3, 0, 2, 1]
    assert largest(scores, 9).tolist() == [3, 0, 2, 1, 4]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (None, r"texts is None: expected a text"),
        (3, "texts is 3"),
        (["국회", None], r"texts\[1\] is None"),
        (["국회", float("nan")], r"texts\[1\] is nan"),
        (np.array([1, 2]), r"texts\[0\] is 1: expected a text"),
        (
            {"text": "국회"},
            r"texts is a dict with \['text'\]: .* pass what stands under",
        ),
        ("국회".encode(), r"texts is bytes: expected a text \(str\); texts.decode\(\) makes one"),
        ({"국회"}, r"texts is a set, which has no order"),
        (["국회".encode()], r"texts\[0\] is b'.*: expected a text"),
    ],
)
def test_what_is_no_text_is_named(given, what):
    with pytest.raises(TypeError, match=what):
        text_list("texts", given)


def test_arrays_of_texts():
    found = text_list("texts", np.array(["국회", "법률"]))
    assert found == ["국회", "법률"] and type(found[0]) is str
    assert text_list("texts", np.array(["국회", "법률"], object)) == found
    assert text_list("texts", np.array("국회")) == ["국회"]


def test_every_pipeline_names_what_is_no_text(small, tokenizer):
    """None, a number, bytes and a dict, of whose keys none is a text."""
    small = {**small, "num_hidden_layers": 1}

    def made(kind, **arguments):
        model = kind(**small, **arguments)
        model.tokenizer = tokenizer
        return model

    pretraining = made(BertForPreTraining)
    classifier = made(kbert.BertForSequenceClassification, labels=["부정", "긍정"])
    tagger = made(kbert.BertForTokenClassification, labels=["O", "B-PS", "I-PS"])
    parser = made(kbert.BertForDependencyParsing, labels=["NP", "VP"])
    answers = kbert.QuestionAnswering(made(kbert.BertForQuestionAnswering))
    encoder = kbert.SentenceEncoder(made(kbert.SentenceBert))
    choose = kbert.MultipleChoice(made(kbert.BertForMultipleChoice))
    pair = kbert.CrossEncoder(classifier)
    calls = [
        FillMask(pretraining),
        FillMask(pretraining).together,
        lambda x: NextSentence(pretraining)(x, "국회"),
        lambda x: NextSentence(pretraining)("국회", x),
        lambda x: NextSentence(pretraining).rank("국회", x),
        kbert.TextClassifier(classifier),
        kbert.TextClassifier(classifier).scores,
        lambda x: pair.scores("국회", x),
        lambda x: pair.rank("국회", x),
        kbert.TokenClassifier(tagger),
        kbert.TokenClassifier(tagger).pieces,
        kbert.DependencyParser(parser),
        kbert.DependencyParser(parser).parse,
        lambda x: answers(x, "국회"),
        lambda x: answers("국회", x),
        lambda x: choose(x, ["국회", "법률"]),
        encoder.encode,
        lambda x: encoder.search(x, ["국회"]),
        lambda x: encoder.rank("국회", x),
        lambda x: kbert.features(pretraining, x, layers=(-1,)),
        lambda x: model_robustness(classifier, x, rng=np.random.default_rng(0)),
    ]
    for call in calls:
        for given in (None, 3, "국회".encode(), {"text": "국회"}, ["국회", None]):
            with pytest.raises(TypeError, match="expected a text"):
                call(given)
