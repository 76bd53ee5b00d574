import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError
from kbert.pipelines.robustness import model_robustness
from kbert.text.reports.robustness import VARIANTS, as_table

TEXTS = [
    "국민은 축구 경기",
    "나 너 우리 국회에",
    "",
    "법률을 의결한다.",
    "정말 재미있는 축구는 국민에게 ",
]


def rng():
    return np.random.default_rng(4)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "regression"])
def test_labels_as_the_model_gives_them(kind, small, tokenizer):
    kind = kind.removesuffix("_label") + "_label_classification" if "label" in kind else kind
    model = kbert.BertForSequenceClassification(labels=["가", "나"], problem_type=kind, **small)
    model.tokenizer = tokenizer
    report = model_robustness(model, TEXTS, rng=rng(), batch_size=2)
    assert list(report) == list(VARIANTS)
    for name, rewrite in VARIANTS.items():
        changes, same = [], []
        for text in filter(None, TEXTS):
            pair = [
                ops.convert_to_numpy(model(tokenizer(t, max_length=model.max_length)))[0]
                for t in (text, rewrite(text))
            ]
            if kind == "single_label_classification":
                same.append(pair[0].argmax() == pair[1].argmax())
                pair = [np.exp(log_softmax(logits)) for logits in pair]
            elif kind == "multi_label_classification":
                same.append(((pair[0] > 0) == (pair[1] > 0)).all())
                pair = [1 / (1 + np.exp(-logits)) for logits in pair]
            changes.append(np.abs(pair[0] - pair[1]).max())
        assert report[name]["change"] == pytest.approx(np.mean(changes), abs=1e-5)
        assert ("same" in report[name]) == bool(same)
        if same:
            assert report[name]["same"] == np.mean(same)
    assert report["decomposed (NFD)"]["change"] == 0 < report["without spaces"]["change"]


@pytest.mark.parametrize("head", [kbert.BertForMaskedLM, kbert.BertForPreTraining])
def test_blanks_as_fill_mask_gives_them(head, small, tokenizer):
    model = head(**{**small, "vocab_size": len(tokenizer)})
    model.tokenizer = tokenizer
    # One word that may be drawn in each: 는다 continues it, a full stop is none.
    texts, words = ["국민는다.", "뷁 축구는", "정말 ."], ["국민", "축구", "정말"]
    blanked = ["[MASK]는다.", "뷁 [MASK]는", "[MASK] ."]
    report = model_robustness(model, [*texts, "[MASK] 나", "."], rng=rng())
    fill_mask = kbert.FillMask(model, glued_to_mask="continuation")
    best = [answers[0]["token_str"] for answers in fill_mask(blanked, top_k=1)]
    everything = fill_mask(blanked, top_k=len(tokenizer))
    scores = [{a["token_str"]: a["score"] for a in answers} for answers in everything]
    expected = {
        "same": 1.0,
        "right": np.mean([one == word for one, word in zip(best, words, strict=True)]),
        "loss": np.mean([-np.log(s[word]) for s, word in zip(scores, words, strict=True)]),
    }
    assert report["as it is"] == pytest.approx(expected, abs=1e-4)
    assert report["decomposed (NFD)"] == pytest.approx(expected, abs=1e-4)
    laughing = [
        "[MASK]는다.ㅋㅋㅋㅋㅋ",
        "뷁ㅋㅋㅋㅋㅋ [MASK]는ㅋㅋㅋㅋㅋ",
        "[MASK]ㅋㅋㅋㅋㅋ .ㅋㅋㅋㅋㅋ",
    ]
    moved = [answers[0]["token_str"] for answers in fill_mask(laughing, top_k=1)]
    same = np.mean([one == two for one, two in zip(best, moved, strict=True)])
    assert report["with laughter"]["same"] == same
    assert model_robustness(model, TEXTS, rng=rng()) == model_robustness(model, TEXTS, rng=rng())


def test_of_several_labels_one_that_changes_is_another_answer(small, tokenizer):
    """Two labels at biases that one of them crosses."""
    settings = {"problem_type": "multi_label_classification", **small}
    model = kbert.BertForSequenceClassification(labels=[*"가나다라마바사아자차카타"], **settings)
    model.tokenizer = tokenizer
    texts = ["국민은 축구 경기", "나 너 우리 국회에", "법률을 의결한다.", "정말 재미있는 축구는"]
    report = model_robustness(model, texts, rng=rng())
    same = []
    for text in texts:
        logits = [
            ops.convert_to_numpy(model(tokenizer(t)))[0] > 0
            for t in (text, VARIANTS["without spaces"](text))
        ]
        same.append((logits[0] == logits[1]).tolist())
    assert any(any(each) and not all(each) for each in same)
    assert report["without spaces"]["same"] == np.mean([all(each) for each in same]) < 1


def test_a_row_of_the_table_without_a_token_is_no_answer(small, tokenizer):
    model = kbert.BertForMaskedLM(**small)  # 40 rows for 29 tokens
    model.tokenizer = tokenizer
    (bias,) = [w for w in model.weights if tuple(w.shape) == (small["vocab_size"],)]
    bias.assign(np.where(np.arange(small["vocab_size"]) < len(tokenizer), 0.0, 9.0))
    report = model_robustness(model, TEXTS * 3, rng=rng())
    assert report["as it is"]["same"] == 1 > report["with laughter"]["same"]


def test_what_cannot_be_measured(small, tokenizer):
    model = kbert.BertForMaskedLM(**small)
    with pytest.raises(KbertError, match="no vocabulary"):
        model_robustness(model, TEXTS, rng=rng())
    model.tokenizer = tokenizer
    with pytest.raises(KbertError, match="texts with words in them"):
        model_robustness(model, ["", "뷁."], rng=rng())
    labeller = kbert.BertForSequenceClassification(labels=["가", "나"], **small)
    labeller.tokenizer = tokenizer
    with pytest.raises(KbertError, match="there is none"):
        model_robustness(labeller, [" "], rng=rng())
    with pytest.raises(KbertError, match="not on a Bert"):
        model_robustness(kbert.Bert(**small), TEXTS, rng=rng())


def test_a_table_has_straight_columns():
    lines = as_table({"one": {"same": 1.0, "loss": 12.5}, "another": {"same": 0.5, "loss": 3.0}})
    assert lines.splitlines() == [
        "|         | same  | loss   |",
        "|---------|-------|--------|",
        "| one     | 1.000 | 12.500 |",
        "| another | 0.500 | 3.000  |",
    ]
