"""Rows that begin as vectors (`inputs_embeds`), and vectors of no token behind the text's."""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForMaskedLM, KbertError
from kbert.layers.extra_embeddings import ExtraEmbeddings
from kbert.models import new_model

RNG = np.random.default_rng(0)
EXTRA = RNG.standard_normal((2, 3, 5)).astype("float32")  # (B, K, F)
CASES = {
    "bert": ("bert", {}),
    "narrow": ("bert", {"embedding_size": 6}),
    "modernbert": ("modernbert", {"num_hidden_layers": 4, "local_attention": 4}),
    "deberta": ("deberta", {"position_buckets": 4}),
    "mobilebert": ("mobilebert", {"embedding_size": 6, "intra_bottleneck_size": 6}),
}


def number(tensor):
    return ops.convert_to_numpy(tensor)


def text(inputs):
    return {name: array for name, array in inputs.items() if name != "masked_lm_positions"}


def loud(layer):
    """Has every weight differ, biases and norms too."""
    for i, weight in enumerate(layer.weights):
        noise = np.random.default_rng(i).standard_normal(weight.shape) * 0.3
        weight.assign(number(weight) + noise.astype("float32"))


@pytest.mark.parametrize("case", CASES)
def test_vectors_in_the_place_of_ids(case, small, inputs):
    """What the table has for the ids gives what the ids give."""
    architecture, own = CASES[case]
    model = new_model("masked-lm", architecture, {**small, **own})
    vectors = number(model.bert.embeddings.token_table)[inputs["input_ids"]]  # (B, L, E)
    rest = {name: array for name, array in inputs.items() if name != "input_ids"}
    expected = number(model(inputs))
    got = number(model({**rest, "inputs_embeds": vectors}))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(number(model(**rest, inputs_embeds=vectors)), got, atol=1e-6)
    other = number(model({**rest, "inputs_embeds": vectors[:, ::-1]}))
    assert np.abs(other - expected).max() > 1e-3
    with pytest.raises(KbertError, match=rf"{vectors.shape[-1]} numbers .* these have 5"):
        model({"inputs_embeds": vectors[..., :5]})


def test_in_16_bits(small, inputs):
    exact, half = (BertForMaskedLM(**small, dtype=each) for each in ("float32", "mixed_bfloat16"))
    vectors = number(exact.bert.embeddings.token_table)[inputs["input_ids"]]
    one, two = (number(model({"inputs_embeds": vectors})) for model in (exact, half))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.995


def test_extra_vectors_by_hand():
    """x W + b + position + the second segment."""
    layer = ExtraEmbeddings(4, max_position_embeddings=6)
    layer.build((None, None, 5))
    loud(layer)
    kernel, bias = number(layer.projection.kernel), number(layer.projection.bias)
    projected = EXTRA @ kernel + bias + number(layer.segment_table)[1]
    positions = np.array([[0, 1, 2], [5, 0, 3]], "int32")
    table = number(layer.position_table)
    np.testing.assert_allclose(number(layer(EXTRA)), projected + table[0], atol=1e-5)
    np.testing.assert_allclose(
        number(layer(EXTRA, positions)), projected + table[positions], atol=1e-5
    )


@pytest.fixture
def bert(small):
    made = Bert(**small, extra_size=5)
    loud(made)
    return made


def test_extra_vectors_stand_behind_the_text(bert, inputs):
    """They change what stands before them; and nothing where the mask says that they are none."""
    given = text(inputs)
    alone = number(bert(given)["last_hidden_state"])
    both = bert({**given, "extra_embeddings": EXTRA}, output_attentions=True)
    hidden = number(both["last_hidden_state"])
    assert hidden.shape == (2, 10, 12) and number(both["attentions"][0]).shape == (2, 3, 10, 10)
    assert number(both["attentions"][0])[1, :, :, 5:7].max() == 0  # the text's padding
    assert np.abs(hidden[:, :7] - alone).max() > 1e-2

    none = np.zeros((2, 3), "int32")
    hidden = number(bert({**given, "extra_embeddings": EXTRA, "extra_mask": none})["pooler_output"])
    np.testing.assert_allclose(hidden, number(bert(given)["pooler_output"]), atol=1e-5)
    one = none.copy()
    one[:, 0] = 1
    masked = bert({**given, "extra_embeddings": EXTRA, "extra_mask": one})["pooler_output"]
    cut = bert({**given, "extra_embeddings": EXTRA[:, :1]})["pooler_output"]
    np.testing.assert_allclose(number(masked), number(cut), atol=1e-5)


def test_their_order_counts_where_positions_say_it(bert, inputs):
    given = {name: array for name, array in text(inputs).items() if name != "attention_mask"}
    given["lengths"] = np.array([7, 5], "int32")
    places = np.tile(np.arange(3, dtype="int32"), (2, 1))

    def pooled(extra, **more):
        return number(bert({**given, "extra_embeddings": extra, **more})["pooler_output"])

    turned = EXTRA[:, ::-1]
    np.testing.assert_allclose(pooled(EXTRA), pooled(turned), atol=1e-5)
    one, two = (pooled(each, extra_positions=places) for each in (EXTRA, turned))
    assert np.abs(one - two).max() > 1e-3
    by_mask = {**given, "attention_mask": inputs["attention_mask"]}
    del by_mask["lengths"]
    other = number(bert({**by_mask, "extra_embeddings": EXTRA})["pooler_output"])
    np.testing.assert_allclose(other, pooled(EXTRA), atol=1e-5)


def test_heads_score_the_text_alone(small, inputs):
    """Each head's answer is of the encoder's vectors of the text, which have seen the others."""
    given = {**inputs, "extra_embeddings": EXTRA}
    for task, labels in (
        ("masked-lm", {}),
        ("replaced-token-detection", {}),
        ("token-classification", {"labels": ["가", "나", "다"]}),
        ("question-answering", {}),
        ("sentence-embedding", {}),
    ):
        model = new_model(task, "bert", {**small, **labels, "extra_size": 5})
        loud(model)
        rest = given if task == "masked-lm" else {k: v for k, v in given.items() if k in given}
        answers = [number(each) for each in keras.tree.flatten(model(rest))]
        assert [each.shape[:2] for each in answers] == [
            {"masked-lm": (2, 2), "sentence-embedding": (2, 12)}.get(task, (2, 7))
        ] * len(answers)
        hidden = number(model.bert(given)["last_hidden_state"])[:, :7]
        if task == "token-classification":
            dense = model.classifier.dense
            expected = hidden @ number(dense.kernel) + number(dense.bias)
            np.testing.assert_allclose(answers[0], expected, atol=1e-4)
        if task == "sentence-embedding":
            mask = inputs["attention_mask"][..., None]
            np.testing.assert_allclose(answers[0], (hidden * mask).sum(1) / mask.sum(1), atol=1e-5)


def test_a_trained_model_takes_more(small, inputs, tokenizer, tmp_path):
    model = BertForMaskedLM(**small)
    model.tokenizer = tokenizer
    loud(model)
    more = kbert.extend_inputs(model, 5)
    np.testing.assert_array_equal(number(more(inputs)), number(model(inputs)))
    embeddings = more.bert.embeddings
    for name in ("position_table", "segment_table"):
        own = number(getattr(model.bert.embeddings, name))
        np.testing.assert_array_equal(number(getattr(embeddings.extra, name)), own)
    drawn = number(embeddings.extra.projection.kernel)
    assert 0.1 < drawn.std() < 0.4  # initializer_range is 0.3, cut at twice that
    given = {**inputs, "extra_embeddings": EXTRA}
    more.save(tmp_path / "more.keras")
    again = kbert.load(tmp_path / "more.keras")
    assert again.get_config() == more.get_config() and again.get_config()["extra_size"] == 5
    np.testing.assert_array_equal(number(again(given)), number(more(given)))
    assert again.tokenizer.vocabulary == tokenizer.vocabulary
    tagger = kbert.load(tmp_path / "more.keras", "token-classification", ["가", "나"])
    np.testing.assert_array_equal(number(tagger.bert.embeddings.extra.projection.kernel), drawn)

    shapes = {name: keras.KerasTensor(array.shape, array.dtype) for name, array in given.items()}
    assert more.bert.compute_output_spec(shapes)["last_hidden_state"].shape == (2, 10, 12)
    assert more.compute_output_spec(shapes).shape == number(more(given)).shape
    small_one = kbert.quantize(again, "int8")
    cosine = np.corrcoef(number(small_one(given)).ravel(), number(more(given)).ravel())[0, 1]
    assert cosine > 0.999


def test_a_label_that_only_the_extra_vectors_tell():
    """All texts are the same; the label is the sign of one number of the second vector."""
    model = kbert.BertForSequenceClassification(
        labels=["아래", "위"],
        vocab_size=9,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = kbert.extend_inputs(model, 4)
    extra = np.random.default_rng(1).standard_normal((128, 2, 4)).astype("float32")
    x = {
        "input_ids": np.tile(np.array([[2, 5, 3]], "int32"), (128, 1)),
        "extra_embeddings": extra,
        "extra_positions": np.tile(np.array([[0, 1]], "int32"), (128, 1)),
    }
    labels = (extra[:, 1, 2] > 0).astype("int32")
    model.compile(keras.optimizers.Adam(1e-2), **kbert.objective(model))
    model.fit(x, labels, batch_size=32, epochs=30, shuffle=False, verbose=0)
    right = number(model.predict(x, batch_size=32, verbose=0)).argmax(1) == labels
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"extra_embeddings": EXTRA[..., :4]}, "extra_size 5, and these have 4 numbers"),
        ({"extra_embeddings": EXTRA[0]}, r"is \(batch, extra vectors, numbers\), not \(3, 5\)"),
        ({"extra_embeddings": EXTRA[:, :0]}, r"not \(2, 0, 5\)"),
        ({"extra_embeddings": EXTRA.astype("int32")}, "vectors of floats, and these are int32"),
        ({"extra_embeddings": EXTRA[:1]}, "are of 1 row, and the texts of 2"),
        ({"extra_mask": np.ones((2, 3))}, "extra_mask is of extra_embeddings, of which there are"),
        (
            {"extra_embeddings": EXTRA, "extra_mask": np.ones((2, 4))},
            r"extra_mask is \(2, 3\) with extra_embeddings \(2, 3, 5\), not \(2, 4\)",
        ),
        (
            {"extra_embeddings": EXTRA, "extra_positions": np.full((2, 3), 17)},
            "extra_positions are whole numbers from 0 to 16, not 17",
        ),
        (
            {"extra_embeddings": EXTRA, "attention_mask": np.ones((2, 4, 4))},
            r"\(2, 4, 4\) says nothing of extra_embeddings",
        ),
        ({"inputs_embeds": np.zeros((2, 4, 12), "float32")}, "pass the one or the other"),
        ({"input_ids": None, "inputs_embeds": "x"}, "inputs_embeds is an array, not 'x'"),
        ({"extra_embeddings": "x"}, "extra_embeddings is an array, not 'x'"),
        ({"input_ids": None, "inputs_embeds": np.zeros((2, 12))}, r"\(batch, length, numbers\)"),
        (
            {"input_ids": None, "inputs_embeds": np.zeros((2, 18, 12), "float32")},
            "a row of 18 tokens is longer",
        ),
        ({"input_ids": None, "inputs_embeds": np.zeros((2, 4, 12), "int32")}, "are int32"),
    ],
)
def test_what_cannot_be_is_named(small, inputs, message):
    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")
    with pytest.raises(KbertError, match=message):
        Bert(**small, extra_size=5)({"input_ids": ids, **inputs})


def test_what_a_layer_refuses_is_one_sentence(small):
    """Keras would put it among its own lines, with escape codes and all arguments."""
    model, given = Bert(**small), {"inputs_embeds": np.zeros((1, 4, 9), "float32")}
    for call in (model, model.predict):
        with pytest.raises(KbertError) as caught:
            call(given)
        assert str(caught.value) == (
            "inputs_embeds are vectors of the model's 12 numbers (its embedding_size), and these "
            "have 9"
        )


def test_models_that_take_none(small, tokenizer):
    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], "int32")
    given = {"input_ids": ids, "extra_embeddings": EXTRA}
    for model in (Bert(**small), kbert.Deberta(**small, position_buckets=4)):
        with pytest.raises(KbertError, match=r"takes no extra_embeddings: .*kbert\.extend_inputs"):
            model(given)
    choices = kbert.BertForMultipleChoice(**small, extra_size=5)
    with pytest.raises(KbertError, match=r"extra_embeddings is for a model of \(batch, length\)"):
        choices({"input_ids": ids[:, None], "extra_embeddings": EXTRA})
    with pytest.raises(KbertError, match="extra_size goes without attention_window"):
        Bert(**small, extra_size=5, attention_window=4)
    with pytest.raises(KbertError, match=r"extra_size, if it is not None, must be a whole"):
        Bert(**small, extra_size=0)
    with pytest.raises(KbertError, match="takes extra vectors already, of 5"):
        kbert.extend_inputs(Bert(**small, extra_size=5), 5)
    with pytest.raises(KbertError, match="on a Bert, not for a Deberta"):
        kbert.extend_inputs(kbert.Deberta(**small, position_buckets=4), 5)
    with pytest.raises(KbertError, match="extra_size must be a whole number from 1, not 0"):
        kbert.extend_inputs(Bert(**small), 0)


def test_a_lengthened_model_still_takes_them(bert, inputs):
    longer = kbert.lengthen(bert, 40, None)
    places = np.tile(np.arange(3, dtype="int32"), (2, 1))
    given = {**text(inputs), "extra_embeddings": EXTRA, "extra_positions": places}
    np.testing.assert_allclose(
        number(longer(given)["pooler_output"]), number(bert(given)["pooler_output"]), atol=1e-6
    )
    with pytest.raises(KbertError, match=r"takes extra vectors, .* pass attention_window=None"):
        kbert.lengthen(bert, 40)
