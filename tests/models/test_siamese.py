"""A sentence model in training: what it gives, what it learns from, and what comes of it."""

import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Examples, KbertError, LabelledBatches, SentenceBert, SiameseBert
from kbert.data.labelled.sentences import entailed
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

LABELS = ["함의", "모순", "중립"]
SENTENCES = [
    "국회 는 법률 을 의결 한다",
    "축구 경기 는 정말 재미있 다",
    "나 는 우리 국민",
    "너 에게",
]
OTHERS = ["법률 의결", "재미있 는 축구", "국민 국민 우리", "너 너"]


def number(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def model(small, tokenizer):
    rates = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0}
    model = SentenceBert(**{**small, **rates})
    model.tokenizer = tokenizer
    return model


@pytest.fixture
def pairs(inputs):
    """Three examples of two texts: (3, 2, 7)."""
    del inputs["masked_lm_positions"]
    return {name: np.stack([each, each[::-1], each]) for name, each in inputs.items()}


def alike(count=24):
    """Pairs with numbers: the same sentence twice is 5, two others are 0."""
    rows = [(i % 4, i // 4 % 4) for i in range(count)]
    texts = [SENTENCES[i] for i, _ in rows]
    others = [SENTENCES[j] for _, j in rows]
    labels = [5.0 if i == j else 0.0 for i, j in rows]
    return Examples(
        "sequence-classification", texts, pairs=others, labels=labels, problem_type="regression"
    )


def test_each_text_is_read_as_if_it_were_alone(model, pairs):
    found = number(SiameseBert(model)(pairs))
    assert found.shape == (3, 2, 12)
    for i in range(3):
        for t in range(2):
            alone = {name: array[i, t][None] for name, array in pairs.items()}
            np.testing.assert_allclose(found[i, t], number(model(alone))[0], atol=1e-6)


def test_the_labels_of_nli_are_scored_as_the_paper_has_it(model, pairs):
    siamese = SiameseBert(model, "softmax", LABELS)
    vectors = number(SiameseBert(model)(pairs))
    u, v = vectors[:, 0], vectors[:, 1]
    kernel, bias = (number(each) for each in siamese.classifier.weights)
    assert kernel.shape == (36, 3)
    expected = np.concatenate([u, v, np.abs(u - v)], axis=1) @ kernel + bias
    np.testing.assert_allclose(number(siamese(pairs)), expected, atol=1e-5)


def fitted(learner, examples, *, epochs, batch_size=8, rate=3e-3, **more):
    """Trains it, and gives the batches."""
    batches = LabelledBatches(examples, learner, batch_size=batch_size, epochs=epochs)
    learner.compile(adamw(rate, batches.steps), **objective(learner, **more))
    learner.fit(batches, shuffle=False, verbose=0)
    return batches


@pytest.mark.parametrize("name", ["cosine", "cosent"])
def test_similarity_is_learned(model, name):
    before = kbert.evaluate(model, alike())["pearson"]
    fitted(SiameseBert(model, name), alike(), epochs=30)
    scores = kbert.evaluate(model, alike())
    assert before < 0.85 < scores["pearson"] and set(scores) == {"pearson", "spearman"}


def test_labels_are_learned(model):
    words = ["참", "거짓"]
    examples = alike()
    examples = Examples(
        "sequence-classification",
        examples.texts,
        pairs=examples.pairs,
        labels=[words[label == 0.0] for label in examples.labels],
        label_names=words,
    )
    siamese = SiameseBert(model, "softmax", words)
    fitted(siamese, examples, epochs=40)
    x, y, weights = LabelledBatches(examples, siamese, batch_size=24)[0]
    said = number(siamese(x)).argmax(axis=1)
    assert (said == y)[weights > 0].mean() > 0.9


def test_like_meaning_is_found_among_all(model):
    examples = Examples("sentence-embedding", SENTENCES * 2, pairs=OTHERS * 2)
    siamese = SiameseBert(model, "in-batch")
    batches = fitted(siamese, examples, epochs=60)
    x, y, _ = batches[0]
    unit = number(siamese(x))
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    nearest = (unit[:, 0] @ unit[:, 1].T).argmax(axis=1)
    np.testing.assert_array_equal(y[nearest, 1], y[:, 1])


def test_the_same_text_twice_is_dropped_otherwise(model):
    siamese = SiameseBert(model, "simcse")
    batches = LabelledBatches(Examples("sentence-embedding", SENTENCES), siamese, batch_size=4)
    x, y, weights = batches[0]
    assert x["input_ids"].shape == (4, 2, 16) and batches.steps == 1
    np.testing.assert_array_equal(x["input_ids"][:, 0], x["input_ids"][:, 1])
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    assert sorted(y[:, 0].tolist()) == [0, 1, 2, 3] and weights.tolist() == [1] * 4
    still, dropped = number(siamese(x)), number(siamese(x, training=True))
    np.testing.assert_allclose(still[:, 0], still[:, 1], atol=1e-6)
    assert np.abs(dropped[:, 0] - dropped[:, 1]).max(axis=1).min() > 0.01


def test_a_larger_model_s_vectors_are_learned(small, model, tokenizer):
    teacher = SentenceBert(**{**small, "hidden_size": 18, "seed": 9})
    wanted = number(teacher(tokenizer(SENTENCES)))
    student = SentenceBert.from_encoder(model, dense_size=18, dense_activation="linear")

    def distance():
        return float(np.square(number(student(tokenizer(SENTENCES))) - wanted).mean())

    before = distance()
    batches = fitted(student, (SENTENCES, wanted), epochs=150, batch_size=4, rate=5e-3)
    x, y, _ = batches[0]
    assert x["input_ids"].ndim == 2 and y.shape == (4, 18)
    assert distance() < 0.2 * before


def test_the_best_weights_are_kept(model, capsys):
    siamese = SiameseBert(model, "cosine")
    batches = LabelledBatches(alike(), siamese, batch_size=8, epochs=6)
    siamese.compile(adamw(2e-3, batches.steps), **objective(siamese))
    keep = kbert.KeepBest(alike(), "pearson", evaluations=3)
    siamese.fit(batches, shuffle=False, verbose=0, callbacks=[keep])
    assert len(keep.history) == 3 and "spearman" in capsys.readouterr().out
    scores = [each["pearson"] for each in keep.history]
    assert len({round(each, 5) for each in scores}) == 3  # each of the weights of then
    assert kbert.evaluate(model, alike())["pearson"] == pytest.approx(max(scores), abs=1e-6)


def test_the_first_numbers_alone_are_vectors(model):
    fitted(SiameseBert(model), alike(), epochs=30, matryoshka=[12, 4])
    x, y, _ = LabelledBatches(alike(), SiameseBert(model), batch_size=24)[0]
    short = number(SiameseBert(model)(x))[..., :4]
    short /= np.linalg.norm(short, axis=-1, keepdims=True)
    cosines = (short[:, 0] * short[:, 1]).sum(axis=-1)
    assert cosines[y == 5].min() > cosines[y == 0].mean() + 0.3
    siamese = SiameseBert(model)
    with pytest.raises(KbertError, match="13 is more than the 12 numbers"):
        objective(siamese, matryoshka=[13])
    with pytest.raises(KbertError, match="matryoshka is for cosine"):
        objective(SiameseBert(model, "softmax", LABELS), matryoshka=[4])


def test_a_frozen_encoder_stays_as_it_is(model):
    siamese = SiameseBert(model, "softmax", LABELS)
    kbert.freeze(siamese)
    assert not any(weight.trainable for weight in model.weights)
    assert len(siamese.trainable_weights) == 2


def test_nli_as_texts_of_like_meaning():
    nli = Examples(
        "sequence-classification",
        ["가", "가", "나", "나", "가"],
        pairs=["다", "라", "마", "바", "사"],
        labels=["entailment", "contradiction", "entailment", "neutral", "entailment"],
        part="train",
    )
    found = entailed(nli)
    assert found.texts == ["가", "가"] and found.pairs == [["다", "라"], ["사", "라"]]
    assert found.task == "sentence-embedding" and found.part == "train" and found.labels is None
    alone = entailed(nli, contradiction=None)
    assert (alone.texts, alone.pairs) == (["가", "가", "나"], ["다", "사", "마"])
    with pytest.raises(KbertError, match="none has 'entailment'"):
        entailed(nli[[3]])


def sentences(texts, **more):
    return Examples("sentence-embedding", texts, **more)


def numbers(labels, pairs=("나",)):
    return Examples(
        "sequence-classification",
        ["가"] * len(labels),
        pairs=list(pairs) * len(labels),
        labels=labels,
        problem_type="regression",
    )


@pytest.mark.parametrize(
    ("name", "examples", "message"),
    [
        ("cosine", numbers([5.5]), "example 0: how alike.*from 0 to 5, not 5.5"),
        ("cosine", numbers([-0.1]), "from 0 to 5, not -0.1"),
        ("cosent", numbers([float("nan")]), "from 0 to 5, not nan"),
        ("cosine", numbers([3.0], [None]), "the second text is None"),
        ("cosine", sentences(["가"]), "need labels"),
        ("in-batch", sentences(["가"]), "learns from pairs, and these examples have one text"),
        ("in-batch", sentences(["가", "나"], pairs=["다", ["라", "마"]]), "as many texts"),
        ("in-batch", sentences(["가"], pairs=[["다", 3]]), "the second text is"),
        ("in-batch", sentences(["가"], pairs=["나", "다"]), "1 first text and 2 second"),
        ("in-batch", numbers([3.0]), "without labels; entailed"),
        ("softmax", numbers([3.0]), "'softmax' learns from pairs with one of several labels"),
        ("vectors", numbers([3.0]), "learns from vectors, all of one length.*SiameseBert"),
        ("vectors", sentences(["가"] * 2, labels=[[1.0], [1.0, 2.0]]), "example 1: .*vectors"),
        ("vectors", sentences(["가"], labels=[[float("inf")]]), "its vector holds what is no"),
    ],
)
def test_what_is_not_learned_from(model, name, examples, message):
    learner = model if name == "vectors" else None
    if learner is None:
        learner = SiameseBert(model, name, LABELS if name == "softmax" else None)
    with pytest.raises(KbertError, match=message):
        LabelledBatches(examples, learner)


def test_what_is_not_scored(model):
    with pytest.raises(KbertError, match="scored on pairs of texts with a number"):
        kbert.evaluate(model, sentences(["가"], labels=[[1.0]]))
    with pytest.raises(KbertError, match="from 0 to 5, not 7"):
        kbert.evaluate(model, numbers([7.0]))


def test_arguments_that_cannot_be(model, tmp_path):
    with pytest.raises(KbertError, match="expected a SentenceBert, not a Bert"):
        SiameseBert(model.bert)
    with pytest.raises(KbertError, match="objective is one of softmax, cosine"):
        SiameseBert(model, "triplet")
    for name, labels in (("cosine", LABELS), ("softmax", None)):
        with pytest.raises(KbertError, match="are for 'softmax'"):
            SiameseBert(model, name, labels)
    siamese = SiameseBert(model, "softmax", LABELS)
    for refused in (
        lambda: siamese.save(tmp_path / "a.keras"),
        lambda: siamese.export(tmp_path / "a.onnx", "onnx"),
        siamese.get_config,
    ):
        with pytest.raises(KbertError, match="there to train"):
            refused()
    with pytest.raises(KbertError, match="expects probabilities"):
        siamese.compile(loss="sparse_categorical_crossentropy")
    with pytest.raises(KbertError, match="computed in parts"):
        objective(SiameseBert(model, "in-batch"), 2)


# The lecture's two tables of examples, of SNLI and of the STS benchmark.
NLI = """\
A lady sits on a bench against a shopping mall | A person sits on the seat | Entailment
A lady sits on a bench against a shopping mall | A woman is sitting against a building | Entailment
A lady sits on a bench against a shopping mall | Nobody is sitting on the bench | Contradiction
Two women are embracing while holding to go packages | The sisters are hugging goodbye | Neutral
"""
STS = """\
A plane is taking off | An air plane is taking off | 5.00
A man is playing a large flute | A man is playing a flute | 3.80
A man is spreading shredded cheese on a pizza | A man is spreading cheese on a pizza | 3.80
Three men are playing chess | Two men are playing chess | 2.60
A man is playing the cello | A man seated is playing the cello | 4.25
"""


def of_lecture(small):
    rows = [line.split(" | ") for line in (NLI + STS).splitlines()]
    words = dict.fromkeys(word for row in rows for text in row[:2] for word in text.split())
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = SentenceBert(**{**small, **rates, "vocab_size": 100})
    model.tokenizer = kbert.Tokenizer([*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), *words])
    return model, rows[:4], rows[4:]


def test_the_lectures_table_of_inference(small):
    model, rows, _ = of_lecture(small)
    labels = ["Entailment", "Contradiction", "Neutral"]
    examples = Examples("sequence-classification", *map(list, zip(*rows, strict=True)), labels)
    siamese = SiameseBert(model, "softmax", labels)
    batches = fitted(siamese, examples, epochs=60, batch_size=4)
    x, y, _ = batches[0]
    np.testing.assert_array_equal(number(siamese(x)).argmax(axis=1), y)


def test_the_lectures_table_of_similarity(small):
    model, _, rows = of_lecture(small)
    texts, pairs, labels = map(list, zip(*rows, strict=True))
    examples = Examples(
        "sequence-classification",
        texts,
        pairs=pairs,
        labels=[float(each) for each in labels],
        problem_type="regression",
    )
    fitted(SiameseBert(model, "cosine"), examples, epochs=80, batch_size=5)
    scored = kbert.evaluate(model, examples)
    np.testing.assert_allclose(scored.predictions.labels, examples.labels, atol=0.4)
    assert scored["spearman"] > 0.85
