import numpy as np
import pytest
from keras import ops

from kbert import (
    Bert,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    FillMask,
    KbertError,
    NextSentence,
)


@pytest.fixture
def model(small, tokenizer):
    model = BertForPreTraining(**small)
    model.tokenizer = tokenizer
    return model


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def test_fill_mask_by_hand(model, tokenizer):
    text = "축구는 정말 [MASK]다."
    answers = FillMask(model)(text, top_k=3)
    logits = ops.convert_to_numpy(model(tokenizer(text))["mlm"])[0]
    ids = tokenizer(text)["input_ids"][0].tolist()
    place = ids.index(tokenizer.mask_id)
    scores = softmax(logits[place])
    best = np.argsort(-scores[: len(tokenizer)])[:3]
    assert [answer["token"] for answer in answers] == best.tolist()
    for answer in answers:
        assert answer.keys() == {"score", "token", "token_str", "sequence"}
        assert answer["score"] == pytest.approx(scores[answer["token"]], abs=1e-5)
        assert answer["token_str"] == tokenizer.token(answer["token"])
        filled = [*ids[:place], answer["token"], *ids[place + 1 :]]
        assert answer["sequence"] == tokenizer.decode(filled)


def test_fill_mask_agrees_with_transformers(model, tokenizer, tmp_path):
    """The same dicts as transformers' pipeline gives for the same logits and vocabulary."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    tokenizer.save(tmp_path)
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path, do_lower_case=False)

    config = transformers.BertConfig(vocab_size=len(tokenizer), hidden_size=4, num_hidden_layers=1,
                                     num_attention_heads=1, intermediate_size=4)  # fmt: skip

    class OurLogits(transformers.BertForMaskedLM):
        """transformers' pipeline around our numbers."""

        def forward(self, input_ids, token_type_ids, attention_mask, **_):
            ids, segments, mask = (p.numpy() for p in (input_ids, token_type_ids, attention_mask))
            parts = {"input_ids": ids, "token_type_ids": segments, "attention_mask": mask}
            logits = model(parts)["mlm"]
            logits = torch.tensor(ops.convert_to_numpy(logits)[..., : len(tokenizer)])
            # The model's rows beyond the vocabulary take their share of the softmax.
            return transformers.modeling_outputs.MaskedLMOutput(logits=logits)

    pipeline = transformers.FillMaskPipeline(model=OurLogits(config), tokenizer=theirs)
    fill_mask = FillMask(model)
    for text in ("축구는 정말 [MASK]다.", "[MASK]에게 국민의 [MASK]."):
        expected, got = pipeline(text, top_k=4), fill_mask(text, top_k=4)
        if text.count("[MASK]") == 1:
            expected, got = [expected], [got]
        for blank, ours in zip(expected, got, strict=True):
            assert [a["token"] for a in ours] == [a["token"] for a in blank]
            assert [a["token_str"] for a in ours] == [a["token_str"] for a in blank]
            ratio = [a["score"] / b["score"] for a, b in zip(ours, blank, strict=True)]
            assert max(ratio) - min(ratio) < 1e-4
            assert [a["sequence"] for a in ours] == [a["sequence"] for a in blank]


def test_fill_mask_several_blanks_and_texts(model):
    fill_mask = FillMask(model)
    texts = ["[MASK] 축구 [MASK].", "국민의 [MASK].", "나 너 우리 나 너 우리 [MASK] 나 너"]
    together = fill_mask(texts, top_k=2)
    assert len(together[0]) == 2 and len(together[0][0]) == 2  # two blanks, two answers each
    for text, answers in zip(texts, together, strict=True):
        alone = fill_mask(text, top_k=2)
        flat = zip(np.ravel(alone), np.ravel(answers), strict=True)
        for one, two in flat:
            assert one["token"] == two["token"] and one["sequence"] == two["sequence"]
            assert one["score"] == pytest.approx(two["score"], abs=1e-5)
    assert fill_mask([]) == []
    assert together[0][0][0]["sequence"].count("[MASK]") == 1  # the other blank stays


def test_continuation_reading_changes_what_the_model_sees(model):
    text = "[MASK]에게 나"
    word = FillMask(model)(text, top_k=1)[0]
    continuation = FillMask(model, glued_to_mask="continuation")(text, top_k=1)[0]
    assert word["score"] != continuation["score"]


def test_fill_mask_takes_a_masked_lm_too(small, tokenizer):
    model = BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    assert len(FillMask(model)("[MASK] 나")) == 5


def test_next_sentence_by_hand(model, tokenizer):
    judged = NextSentence(model)("축구는 재미있다.", "국민의 국회")
    logits = ops.convert_to_numpy(model(tokenizer("축구는 재미있다.", "국민의 국회"))["nsp"])[0]
    assert judged["next"] == pytest.approx(softmax(logits)[0], abs=1e-6)
    assert judged["next"] + judged["random"] == pytest.approx(1)
    assert judged["label"] == int(logits[1] > logits[0])


def test_next_sentence_lists_and_long_texts(small, tokenizer):
    model = BertForNextSentencePrediction(**small)
    model.tokenizer = tokenizer
    next_sentence = NextSentence(model)
    firsts, seconds = ["나", "너 " * 40], ["우리", "나 " * 9]
    judged = next_sentence(firsts, seconds)
    for first, second, both in zip(firsts, seconds, judged, strict=True):
        assert next_sentence(first, second)["next"] == pytest.approx(both["next"], abs=1e-5)
    assert next_sentence([], []) == []


def test_bad_questions(model, small):
    fill_mask, next_sentence = FillMask(model), NextSentence(model)
    with pytest.raises(KbertError, match=r"no \[MASK\] in '국민의 국회'"):
        fill_mask(["[MASK]", "국민의 국회"])
    with pytest.raises(KbertError, match=r"27 tokens, .* longer than the 17"):
        fill_mask("나 " * 24 + "[MASK]")
    for top_k in (0, 30):
        with pytest.raises(KbertError, match="top_k must be from 1 to 29"):
            fill_mask("[MASK]", top_k=top_k)
    with pytest.raises(TypeError, match="got int"):
        fill_mask([3])
    with pytest.raises(KbertError, match="is empty"):
        next_sentence("나", " ")
    with pytest.raises(KbertError, match="do not pair"):
        next_sentence(["나"], ["너", "나"])


def test_models_that_cannot_answer(small, tokenizer):
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        FillMask(BertForPreTraining(**small))
    masked_lm = BertForMaskedLM(**small)
    masked_lm.tokenizer = tokenizer
    with pytest.raises(KbertError, match="got a BertForMaskedLM, which has no next-sentence head"):
        NextSentence(masked_lm)
    bert = Bert(**small)
    bert.tokenizer = tokenizer
    with pytest.raises(KbertError, match="got a Bert, which has no masked-LM head"):
        FillMask(bert)
