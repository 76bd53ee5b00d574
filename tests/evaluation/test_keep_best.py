import keras
import numpy as np
import pytest

import kbert
from kbert import BertForSequenceClassification, BertForTokenClassification, Examples, KbertError
from kbert.data.labelled.batches import LabelledBatches
from kbert.evaluation.evaluate import evaluate
from kbert.evaluation.keep_best import KeepBest
from kbert.training.losses import objective
from kbert.training.optimizers import adamw

NAMES = ["부정", "긍정"]


def reviews(count=64) -> Examples:
    rng = np.random.default_rng(1)
    labels = [NAMES[i % 2] for i in range(count)]
    words = {"긍정": ["정말", "재미있다", "국민"], "부정": ["경기", "법률", "나"]}
    texts = [" ".join(rng.choice(words[label], 3)) for label in labels]
    return Examples("sequence-classification", texts, labels=labels, label_names=NAMES)


@pytest.fixture
def small(small):
    return {**small, "num_hidden_layers": 1}  # what is compiled for each `fit` grows with them


@pytest.fixture
def model(small, tokenizer):
    model = BertForSequenceClassification(labels=NAMES, **small)
    model.tokenizer = tokenizer
    return model


def fit(model, examples, keep, epochs=4, rate=1e-2, seed=0):
    batches = LabelledBatches(examples, model, batch_size=8, epochs=epochs, seed=seed)
    settings = objective(model)
    model.compile(adamw(rate, batches.steps, warmup_steps=2), **settings)
    return model.fit(batches, shuffle=False, verbose=0, callbacks=[keep])


def test_a_classifier_learns_and_ends_with_its_best_weights(model):
    said = []
    keep = KeepBest(reviews(), evaluations=8, say=said.append)
    fit(model, reviews(), keep)
    assert [each["step"] for each in keep.history] == [4 * i for i in range(1, 9)]
    assert len(said) == 8 and said[0].endswith("best so far")
    best = max(each["macro_f1"] for each in keep.history)
    assert keep.best["macro_f1"] == best > 0.9
    assert evaluate(model, reviews())["macro_f1"] == pytest.approx(best)


def test_weights_that_were_better_come_back(model):
    """A rate that is far too high spoils what was learned: the end is not the best."""
    keep = KeepBest(reviews(), evaluations=8, say=lambda line: None)
    fit(model, reviews(), keep)
    good = keep.best["macro_f1"]
    fit(model, reviews(), keep, rate=3.0)
    assert keep.history[-1]["macro_f1"] < good
    assert evaluate(model, reviews())["macro_f1"] == pytest.approx(keep.best["macro_f1"])


def test_a_student_is_scored_and_kept(model):
    """In a `Distillation`; the teacher, whose answers it learns, stays what it is."""
    fit(model, reviews(), KeepBest(reviews(), evaluations=2, say=lambda line: None))
    taught = evaluate(model, reviews())["macro_f1"]
    student = kbert.keep_layers(model, 1)
    both = kbert.Distillation(student, model)
    assert evaluate(both, reviews()) == evaluate(student, reviews())
    batches = LabelledBatches(reviews(), student, batch_size=8, epochs=2)
    keep = KeepBest((reviews().texts, reviews().labels), evaluations=4, say=lambda line: None)
    # The last steps spoil what was learned: the end is not the best.
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([12], [1e-2, 3.0])
    both.compile(keras.optimizers.Adam(rate), **objective(both))
    learned = kbert.DistillationBatches(batches, both)
    both.fit(learned, shuffle=False, verbose=0, callbacks=[keep])
    scores = [each["macro_f1"] for each in keep.history]
    assert len(scores) == 4 and scores[-1] < max(scores)
    assert evaluate(student, reviews())["macro_f1"] == pytest.approx(max(scores))
    assert evaluate(model, reviews())["macro_f1"] == taught


def test_equal_seeds_repeat_to_the_bit(small, tokenizer):
    weights = []
    for seed in (0, 0, 1):
        model = BertForSequenceClassification(labels=NAMES, **small)
        model.tokenizer = tokenizer
        fit(
            model,
            reviews(),
            KeepBest(reviews(), evaluations=2, say=lambda line: None),
            1,
            seed=seed,
        )
        weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_patience_ends_the_run(model):
    keep = KeepBest(reviews(), evaluations=16, patience=2, say=lambda line: None)
    fit(model, reviews(), keep, epochs=8)
    assert len(keep.history) < 16
    scores = [each["macro_f1"] for each in keep.history]
    assert len(scores) - 1 - scores.index(max(scores)) == 2


def test_of_equal_scores_the_later_counts(model, monkeypatch, tmp_path):
    """It has learned more; but patience waits for a better one."""
    from kbert.evaluation import best_weights, keep_best

    made = iter([0.5, 0.9, 0.9, 0.7, 0.9, 0.9])

    def evaluate(*_):
        return {"accuracy": 0.0, "macro_f1": next(made)}

    monkeypatch.setattr(keep_best, "evaluate", evaluate)
    keep = KeepBest(reviews(), evaluations=5, say=lambda line: None)
    fit(model, reviews(40), keep, epochs=1)
    assert keep.best["step"] == 5 == len(keep.history)
    made = iter([0.5, 0.9, 0.9, 0.9, 0.95])
    keep = KeepBest(reviews(), evaluations=5, patience=2, say=lambda line: None)
    fit(model, reviews(40), keep, epochs=1)
    assert keep.best["step"] == 4 == len(keep.history)

    monkeypatch.setattr(best_weights, "evaluate", evaluate)
    made = iter([0.9, 0.9])
    best = best_weights.BestWeights(reviews(), tmp_path, lambda line: None)
    (tmp_path / "best.keras").write_text("of an earlier evaluation")
    (tmp_path / "heldout.jsonl").write_text('{"sources": {"held out": {"macro_f1": 0.9}}}\n')
    best(model)
    assert kbert.load(tmp_path / "best.keras").get_config()["labels"] == NAMES


def test_what_one_cannot_choose_by_is_refused(model):
    test = reviews()
    test.part = "test"
    with pytest.raises(KbertError, match="these examples are a test set"):
        KeepBest(test)
    for arguments, settings, what in (
        ((reviews(), "f2"), {}, "metric is one of accuracy, macro_f1, not 'f2'"),
        ((["국회"],), {}, "held-out examples need labels"),
        ((Examples("question-answering", ["가"], pairs=["나"], labels=[[]]),), {}, "task="),
        ((reviews(),), {"evaluations": 0}, "evaluations must be"),
        ((reviews(),), {"patience": 0}, "patience must be"),
    ):
        before = model.get_weights()
        with pytest.raises(KbertError, match=what):
            fit(model, reviews(16), KeepBest(*arguments, say=lambda line: None, **settings), 1)
        for one, other in zip(before, model.get_weights(), strict=True):  # no step was taken
            np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_no_number_ends_the_run(model):
    with pytest.raises(KbertError, match=r"the loss of step \d+ is (nan|inf)"):
        fit(model, reviews(), KeepBest(reviews(), say=lambda line: None), rate=1e30)


def test_a_tagger_learns_to_leave_the_particle_outside(small, tokenizer):
    names = ["O", "B-LC", "I-LC"]
    texts = ["국회에 나", "너 국회에게", "국회 경기", "정말 국회에"] * 6
    spans = [[(0, 2, "LC")], [(2, 4, "LC")], [(0, 2, "LC")], [(3, 5, "LC")]] * 6
    examples = Examples("token-classification", texts, labels=spans, label_names=names)
    model = BertForTokenClassification(labels=names, **small)
    model.tokenizer = tokenizer
    keep = KeepBest(examples, evaluations=2, say=lambda line: None)
    fit(model, examples, keep, epochs=25)
    assert keep.best["entity_f1"] == 1.0
    (entity,) = kbert.TokenClassifier(model)("나 국회에게")
    assert (entity["text"], entity["label"], entity["start"]) == ("국회", "LC", 2)
