"""Our counts beside scikit-learn's and seqeval's, with which the official scores are computed."""

import random

import numpy as np
import pytest

from kbert.tasks.label_names import NER, RELATIONS
from kbert.tasks.metrics.entities import klue_ner
from kbert.tasks.metrics.labels import classification, correlation, klue_re, multi_label

SEEDS = range(12)


def drawn(seed: int, names: list, share: float = 0.6) -> tuple[list, list]:
    """Gold and predicted labels, of which a share is equal."""
    rng = random.Random(seed)
    gold = [rng.choice(names) for _ in range(rng.choice([1, 3, 10, 60]))]
    return gold, [name if rng.random() < share else rng.choice(names) for name in gold]


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_beside_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    gold, predicted = drawn(seed, list(range(5)))
    ours = classification(gold, predicted)["macro_f1"]
    theirs = metrics.f1_score(gold, predicted, average="macro", zero_division=0)
    assert ours == pytest.approx(theirs, abs=1e-12)

    gold, predicted = drawn(seed, NER)
    theirs = metrics.f1_score(gold, predicted, labels=NER, average="macro", zero_division=1)
    assert klue_ner(gold, predicted)["char_f1"] == pytest.approx(theirs, abs=1e-12)

    rng = random.Random(seed)
    gold, predicted = ([[x for x in "abc" if rng.random() < 0.5] for _ in "123"] for _ in "12")
    table = [[[x in row for x in "abc"] for row in rows] for rows in (gold, predicted)]
    theirs = metrics.f1_score(*map(np.array, table), average="micro", zero_division=0)
    assert multi_label(gold, predicted)["micro_f1"] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_relations_beside_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    gold, predicted = drawn(seed, [*RELATIONS, *RELATIONS[:1] * 9])
    table = np.random.default_rng(seed).random((len(gold), 30)).round(1 + seed % 2)  # with ties
    ours = klue_re(gold, predicted, table, RELATIONS)
    theirs = metrics.f1_score(
        gold, predicted, labels=RELATIONS[1:], average="micro", zero_division=0
    )
    assert ours["micro_f1"] == pytest.approx(theirs, abs=1e-12)
    areas = []
    for column, name in enumerate(RELATIONS):
        is_it = [each == name for each in gold]
        if any(is_it):
            precision, recall, _ = metrics.precision_recall_curve(is_it, table[:, column])
            areas.append(metrics.auc(recall, precision))
        else:
            areas.append(0.5)  # with a warning
    assert ours["auprc"] == pytest.approx(np.mean(areas), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_correlations_beside_scipy(seed):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 6, 20) / 2, rng.random(20).round(1 + seed % 2)
    ours = correlation(gold.tolist(), predicted.tolist())
    assert ours["pearson"] == pytest.approx(stats.pearsonr(gold, predicted)[0], abs=1e-12)
    assert ours["spearman"] == pytest.approx(stats.spearmanr(gold, predicted)[0], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_entities_beside_seqeval(seed):
    seqeval = pytest.importorskip("seqeval.metrics")
    scheme = pytest.importorskip("seqeval.scheme").IOB2
    gold, predicted = drawn(seed, ["B-PS", "I-PS", "B-LC", "I-LC", "O", "O"])
    gold, predicted = ["B-PS", *gold], ["B-LC", *predicted]  # without entities it divides by zero
    ours = klue_ner(gold, predicted)
    for name, settings in (
        ("entity_f1", {"average": "macro", "mode": "strict", "scheme": scheme}),
        ("entity_micro_f1", {"average": "micro", "mode": "strict", "scheme": scheme}),
        ("entity_micro_f1_lenient", {"average": "micro"}),
    ):
        theirs = seqeval.f1_score([gold], [predicted], zero_division=0, **settings)
        assert ours[name] == pytest.approx(theirs, abs=1e-12), name
