import numpy as np
import pytest

import kbert
from kbert.explain.read_text import as_array
from tests.explain.conftest import TEXT


def logits_of(model, text, pair=None) -> np.ndarray:
    inputs = model.tokenizer(text, pair)
    outputs = model(inputs)
    if isinstance(outputs, dict):
        blank = inputs["input_ids"][0].tolist().index(4) if pair is None else None
        outputs = outputs["nsp"] if blank is None else outputs["mlm"][:, blank]
    return as_array(outputs)[0]


def classifier(small, tokenizer):
    model = kbert.BertForSequenceClassification(labels=["부정", "중립", "긍정"], **small)
    model.tokenizer = tokenizer
    return model


def complete(why) -> bool:
    return abs(why.gap) <= 1e-2 * abs(why.logit - why.baseline_logit)


def test_a_blanks_scores_sum_to_the_difference_of_the_models_own_logits(model):
    why = kbert.explain.attributions(model, TEXT, target="축구")
    assert why.pieces[1:6] == ["국회", "##에", "나", "[UNK]", "[MASK]"]
    assert why.logit == pytest.approx(logits_of(model, TEXT)[5], abs=1e-5)
    inputs = model.tokenizer(TEXT)
    ordinary = ~np.isin(inputs["input_ids"], model.tokenizer.special_ids)
    inputs["input_ids"] = np.where(ordinary, 4, inputs["input_ids"]).astype("int32")
    outputs = as_array(model(inputs)["mlm"])[0, 5]
    assert why.baseline_logit == pytest.approx(outputs[5], abs=1e-5)
    assert complete(why)
    assert why.scores[[0, 4, 5, 6]].tolist() == [0, 0, 0, 0]  # the same in both texts


@pytest.mark.parametrize("target", ["긍정", 0])
def test_a_classifiers_scores_are_complete(small, tokenizer, target):
    model = classifier(small, tokenizer)
    why = kbert.explain.attributions(model, "국회는 법률을 의결한다.", target)
    place = {"긍정": 2}.get(target, target)
    assert why.target == model.labels[place]
    assert why.logit == pytest.approx(logits_of(model, "국회는 법률을 의결한다.")[place], abs=1e-5)
    assert complete(why) and np.abs(why.scores).max() > 1e-4


def test_a_gradient_is_a_difference_of_scores(small, tokenizer):
    """On a straight path of one token, the score is the whole difference."""
    model = classifier(small, tokenizer)
    why = kbert.explain.attributions(model, "국회", "긍정")
    changed = logits_of(model, "국회")[2] - logits_of(model, "[MASK]")[2]
    assert why.scores[1] == pytest.approx(changed, rel=1e-2)


def test_next_sentences(model):
    why = kbert.explain.attributions(model, "국회에 나", "NotNext", pair="우리 법률을")
    assert why.logit == pytest.approx(logits_of(model, "국회에 나", "우리 법률을")[1], abs=1e-5)
    assert complete(why)


def test_narrow_embeddings(small, tokenizer):
    model = kbert.BertForMaskedLM(**small | {"embedding_size": 6})
    model.tokenizer = tokenizer
    why = kbert.explain.attributions(model, TEXT)
    blank = tokenizer(TEXT)["input_ids"][0].tolist().index(4)
    own = as_array(model(tokenizer(TEXT)))[0, blank]
    assert why.logit == pytest.approx(own[: len(tokenizer)].max(), abs=1e-5)
    assert why.target == tokenizer.token(int(own[: len(tokenizer)].argmax()))
    assert complete(why)


def test_what_is_glued_to_a_blank_is_read_as_asked(model):
    text = "국회 [MASK]에"
    why = kbert.explain.attributions(model, text, glued_to_mask="continuation", most_steps=32)
    assert why.pieces == ["[CLS]", "국회", "[MASK]", "##에", "[SEP]"] and why.steps == 32
    best = kbert.FillMask(model, glued_to_mask="continuation")(text)[0]
    assert why.target == best["token_str"]
    seen = kbert.explain.attention(model, text, glued_to_mask="continuation")
    assert seen.pieces == why.pieces and seen.eojeols == ["[CLS]", "국회", "[MASK]에", "[SEP]"]


def test_eojeols_have_the_sum_of_their_pieces(model):
    why = kbert.explain.attributions(model, "국회에 나 [MASK]", "축구")
    names, sums = zip(*why.by_eojeol(), strict=True)
    assert names == ("[CLS]", "국회에", "나", "[MASK]", "[SEP]")
    assert sums[1] == pytest.approx(why.scores[1] + why.scores[2])
    assert sum(sums) == pytest.approx(why.scores.sum())


def test_what_cannot_be_asked(model, small, tokenizer):
    explain = kbert.explain
    with pytest.raises(kbert.KbertError, match=r"blank is 0, and the text has 0 \[MASK\]"):
        explain.attributions(model, "국회에")
    with pytest.raises(
        kbert.KbertError, match="target is a token of the vocabulary, or its number, not '없다'"
    ):
        explain.attributions(model, TEXT, "없다")
    with pytest.raises(kbert.KbertError, match="target is one of 부정, 중립, 긍정, or its"):
        explain.attributions(classifier(small, tokenizer), "국회", "기쁨")
    for text in ("", " "):
        with pytest.raises(kbert.KbertError, match=f"text '{text}' holds no word: there is"):
            explain.attributions(classifier(small, tokenizer), text)
    assert not explain.attributions(classifier(small, tokenizer), "👍👍", "긍정").scores.any()
    tagger = kbert.BertForTokenClassification(labels=["O", "B"], **small)
    tagger.tokenizer = tokenizer
    with pytest.raises(kbert.KbertError, match="not a BertForTokenClassification"):
        explain.attributions(tagger, "국회")


@pytest.mark.parametrize(
    ("architecture", "own"),
    [
        ("modernbert", {"local_attention": 4}),
        ("deberta", {"position_buckets": 4}),
        ("mobilebert", {"embedding_size": 5, "intra_bottleneck_size": 6}),
    ],
)
def test_other_encoders(small, tokenizer, architecture, own):
    model = kbert.BertForMaskedLM(architecture=architecture, **small, **own)
    model.tokenizer = tokenizer
    why = kbert.explain.attributions(model, TEXT, target="축구")
    blank = tokenizer(TEXT)["input_ids"][0].tolist().index(4)
    assert why.logit == pytest.approx(logits_of(model, TEXT)[blank, 5], abs=1e-5)
    assert complete(why) and np.abs(why.scores).max() > 1e-4
