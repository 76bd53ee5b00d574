import re

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
from kbert.pipelines.filled_text import fill_text
from tests.models.test_bert import hugging_face_weights


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
        token = answer["token_str"]
        glued = token.removeprefix("##") if token.startswith("##") else f" {token}"
        assert answer["sequence"] == f"축구는 정말{glued}다."


@pytest.fixture
def both(small, tokenizer, tmp_path):
    """transformers' pipeline on a small random checkpoint of its own, and ours on the same."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    small |= {"vocab_size": len(tokenizer), "hidden_dropout_prob": 0.0}
    names = set(small) - {"seed"}
    config = transformers.BertConfig(**{name: small[name] for name in names})
    reference = transformers.BertForPreTraining(config).eval()
    model = BertForPreTraining(**small)
    for name, weights in hugging_face_weights(reference.state_dict(), config).items():
        parts = {layer.name: layer for layer in (*model.layers, *model.bert.layers)}
        parts[name].set_weights(weights)
    model.tokenizer = tokenizer
    tokenizer.save(tmp_path)
    reader = transformers.BertTokenizer.from_pretrained(tmp_path, do_lower_case=False)
    masked_lm = transformers.BertForMaskedLM(config).eval()
    masked_lm.load_state_dict(reference.state_dict(), strict=False)
    return transformers.FillMaskPipeline(model=masked_lm, tokenizer=reader), FillMask(
        model, sequence="decoded"
    )


def assert_same(ours, theirs):
    """The same lists of the same dicts, keys in the same order, scores to 1e-4 of each other."""
    assert type(ours) is type(theirs)
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, two in zip(ours, theirs, strict=True):
            assert_same(one, two)
    else:
        assert list(ours) == list(theirs) == ["score", "token", "token_str", "sequence"]
        assert [type(value) for value in ours.values()] == [type(v) for v in theirs.values()]
        assert ours == {**theirs, "score": pytest.approx(theirs["score"], rel=1e-4)}


ONE = "축구는 정말 [MASK]다."
SEVERAL = "[MASK]에게 국민의 [MASK]."
TEXTS = [ONE, SEVERAL, "[MASK]", "나 너 우리 나 너 우리 [MASK] 나 너", "[MASK] [MASK] [MASK] 쀍"]


@pytest.mark.parametrize("text", [ONE, SEVERAL, TEXTS])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"top_k": 1},
        {"top_k": 29},
        {"batch_size": 2},
        {"targets": ["국민", "##의", "우리"]},
        {"targets": ["국민", "##의", "우리", "국민"], "top_k": 2},
        {"targets": "국회"},
    ],
    ids=str,
)
def test_the_same_as_transformers(both, text, settings):
    theirs, ours = both
    assert_same(ours(text, **settings), theirs(text, **settings))


def test_targets_that_are_not_one_token(both):
    theirs, ours = both
    targets = ["국민의", "축구는", "\u200b", "나"]
    with pytest.warns(UserWarning, match="is not one token") as caught:
        answers = ours(ONE, targets=targets)
    assert_same(answers, theirs(ONE, targets=targets))
    assert {answer["token_str"] for answer in answers} == {"국민", "축구", "나"}
    caught = [each for each in caught if each.category is UserWarning]
    messages = [str(each.message) for each in caught]
    assert [message.split(":")[0] for message in messages] == [
        f"the target {word!r} is not one token" for word in targets[:3]
    ]
    assert "'국민' is judged" in messages[0] and "left out" in messages[2]
    assert all(each.filename == __file__ for each in caught)  # the warning names the caller's line


def test_targets_may_be_ids(model, tokenizer):
    fill_mask = FillMask(model)
    words = ["국민", "##의"]
    ids = [tokenizer.id(word) for word in words]
    assert fill_mask(ONE, targets=ids) == fill_mask(ONE, targets=words)
    assert fill_mask(ONE, targets=ids[0]) == fill_mask(ONE, targets=[words[0]])
    with pytest.raises(KbertError, match="id 29 is outside the vocabulary"):
        fill_mask(ONE, targets=[29])
    with pytest.raises(KbertError, match="there is no target to judge"):
        fill_mask(ONE, targets=[])


@pytest.mark.parametrize("bad", [-1, 29, 39, 10**6])
def test_a_target_that_is_no_id_is_refused(model, bad):
    """29 to 39 are rows of the table, and no tokens."""
    with pytest.raises(KbertError, match=f"id {bad} is outside the vocabulary"):
        FillMask(model)(ONE, targets=["나", bad])


def test_logits_are_reduced_batch_by_batch(model, monkeypatch):
    """No more logits than those of one batch are alive at any time."""
    import weakref

    alive, most, predict_on_batch = weakref.WeakSet(), [0], model.predict_on_batch

    class Logits(np.ndarray):
        __hash__ = object.__hash__

    def watched(batch):
        logits = predict_on_batch(batch)["mlm"].view(Logits)
        alive.add(logits)
        most[0] = max(most[0], len(alive))
        return logits

    monkeypatch.setattr(model, "predict_on_batch", watched)
    assert len(FillMask(model)(TEXTS * 4, batch_size=2)) == 20
    assert most[0] <= 2  # the last batch's, until the next has come


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


def test_ranking_of_continuations(model):
    next_sentence = NextSentence(model)
    candidates = ["국민의 국회", "나", "법률을 의결한다.", "우리"]
    ranked = next_sentence.rank("축구는 재미있다.", candidates, batch_size=2)
    single = {text: next_sentence("축구는 재미있다.", text)["next"] for text in candidates}
    assert [each["text"] for each in ranked] == sorted(single, key=lambda text: -single[text])
    for each in ranked:
        assert each.keys() == {"text", "index", "next"}
        assert candidates[each["index"]] == each["text"]
        assert each["next"] == pytest.approx(single[each["text"]], abs=1e-5)
    assert next_sentence.rank("나", []) == []
    with pytest.raises(KbertError, match=r"second\[1\] holds nothing that the model reads: ''"):
        next_sentence.rank("나", ["너", ""])


@pytest.mark.parametrize("sequence", ["written", "decoded"])
def test_what_a_sequence_keeps(model, tokenizer, sequence):
    """Unknown words, spaces and other blanks: as they were written, or what ids keep of them."""
    fill_mask = FillMask(model, sequence=sequence)
    text, written = "쀍은  [MASK] 국회 , [MASK].", sequence == "written"
    first, second = fill_mask(text, targets=["국민", "##의"])
    assert {answer["sequence"] for answer in first} == (
        {"쀍은  국민 국회 , [MASK].", "쀍은의 국회 , [MASK]."}
        if written
        else {
            "[CLS] [UNK] 국민 국회 [UNK] [MASK]. [SEP]",
            "[CLS] [UNK]의 국회 [UNK] [MASK]. [SEP]",
        }
    )
    assert {answer["token_str"]: answer["sequence"] for answer in second}["##의"] == (
        "쀍은  [MASK] 국회 ,의." if written else "[CLS] [UNK] [MASK] 국회 [UNK]의. [SEP]"
    )
    (together,) = fill_mask.together(text, top_k=1)
    filled = dict(enumerate(together["tokens"]))
    assert ("쀍" in together["sequence"]) == written
    if written:
        assert together["sequence"] == fill_text(tokenizer, text, filled)
    with pytest.raises(KbertError, match="'written' or 'decoded', not 'raw'"):
        FillMask(model, sequence="raw")


def test_ranking_of_more_texts_than_become_rows_at_once(model):
    """Some of each block are judged as they are alone."""
    candidates = [f"{'나 ' * (i % 5)}국회{'에게' * (i % 3)} {'너 ' * (i % 7)}" for i in range(600)]
    next_sentence = NextSentence(model)
    ranked = {each["index"]: each for each in next_sentence.rank("축구는", candidates)}
    assert len(ranked) == 600
    for index in (0, 255, 256, 257, 511, 512, 599):
        alone = next_sentence("축구는", candidates[index])["next"]
        assert ranked[index]["text"] == candidates[index]
        assert ranked[index]["next"] == pytest.approx(alone, abs=1e-5)


def test_bad_questions(model, small, caplog):
    fill_mask, next_sentence = FillMask(model), NextSentence(model)
    with pytest.raises(KbertError, match=r"no \[MASK\] in '국민의 국회'"):
        fill_mask(["[MASK]", "국민의 국회"])
    with pytest.raises(KbertError, match=r"27 tokens, .* longer than the 17"):
        fill_mask("나 " * 24 + "[MASK]")
    for top_k in (0, 30, "3", None, 2.5, True):
        with pytest.raises(KbertError, match="top_k must be a whole number from 1 to 29, not "):
            fill_mask("[MASK]", top_k=top_k)
        with pytest.raises(KbertError, match="beam_size must be a whole number from 1 to 29"):
            fill_mask.together("[MASK]", beam_size=top_k)
    for near in ("[mask]", "<MASK>", "［MASK］", "(mask)", "[ Mask ]"):
        told = rf"\[MASK\], in capitals between square brackets, in place of '{re.escape(near)}'$"
        with pytest.raises(KbertError, match=told):
            fill_mask(f"국민의 {near}")
    with pytest.raises(KbertError, match="glued_to_mask is 'word' or 'continuation', not 'cont'"):
        FillMask(model, glued_to_mask="cont")
    with pytest.raises(TypeError, match="is 3: expected a text"):
        fill_mask([3])
    with pytest.raises(KbertError, match=r"second\[0\] holds nothing that the model reads: ' '"):
        next_sentence("나", " ")
    next_sentence("나", "너 " * 14)
    assert "17 tokens are cut off at the end: 1 of 1, the longest of 18;" in caplog.messages[-1]
    with pytest.raises(KbertError, match=r"second\[0\] holds nothing that the model reads"):
        next_sentence("나", "\u200b")
    with pytest.raises(KbertError, match="do not pair"):
        next_sentence(["나"], ["너", "나"])


def test_models_that_cannot_answer(small, tokenizer):
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        FillMask(BertForPreTraining(**small))
    masked_lm = BertForMaskedLM(**small)
    masked_lm.tokenizer = tokenizer
    with pytest.raises(KbertError, match=r"BertForMaskedLM, which has no next-.*random weights"):
        NextSentence(masked_lm)
    bert = Bert(**small)
    bert.tokenizer = tokenizer
    with pytest.raises(
        KbertError, match=r"got a Bert, which has no masked-LM head.*random weights"
    ):
        FillMask(bert)
