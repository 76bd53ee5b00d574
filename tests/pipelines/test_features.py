import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import Bert, BertForSequenceClassification, KbertError
from kbert.pipelines.features import features

TEXTS = [
    "국회",
    "국회는 법률을 의결한다. 국민의 축구 경기",
    "축구는 정말",
    "나 너",
    "정말 재미있다",
]


@pytest.fixture
def model(small, tokenizer):
    model = BertForSequenceClassification(labels=["가", "나"], **small)
    model.tokenizer = tokenizer
    return model


def by_hand(model, text, layers, pooling, pair=None):
    """Of a row alone, without padding."""
    pairs = None if pair is None else [pair]
    inputs = dict(model.tokenizer([text], pairs, max_length=model.max_length))
    states = model.bert(inputs, output_hidden_states=True)["hidden_states"]
    chosen = [ops.convert_to_numpy(states[layer])[0] for layer in layers]  # each (L, D)
    return np.concatenate([x.mean(axis=0) if pooling == "mean" else x[0] for x in chosen])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("layers", [(-1,), (0, 2), (-2, -3, -1)])
def test_layers_side_by_side_in_the_order_of_the_texts(model, layers, pooling):
    before = [np.array(weight) for weight in model.get_weights()]
    found = features(model, TEXTS, layers=layers, pooling=pooling, batch_size=2)
    expected = [by_hand(model, text, layers, pooling) for text in TEXTS]
    assert found.dtype == np.float32 and found.shape == (5, len(layers) * 12)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pairs_and_texts_that_are_too_long(model):
    found = features(model, TEXTS[:2], ["나", "너"], layers=(-1,))
    expected = [by_hand(model, TEXTS[i], [-1], "mean", "나너"[i]) for i in (0, 1)]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    long = "국회 " * 100
    np.testing.assert_allclose(
        features(model, long, layers=(1,)), [by_hand(model, long, [1], "mean")], atol=2e-6
    )
    assert features(model, [], layers=(1, 2)).shape == (0, 24)


def test_a_classifier_on_them_learns(model):
    texts = [text for text in TEXTS for _ in range(4)]
    labels = np.array(["국" in text for text in texts], "float32")
    vectors = features(model, texts, layers=(-1, 0))
    head = keras.Sequential([keras.layers.Dense(1)])
    head.compile(keras.optimizers.Adam(0.5), keras.losses.BinaryCrossentropy(from_logits=True))
    head.fit(vectors, labels, epochs=60, verbose=0)
    assert ((head.predict(vectors, verbose=0)[:, 0] > 0) == labels).all()


def test_what_is_refused(model, small):
    with pytest.raises(KbertError, match=r"layers are whole numbers from -3 to 2, .*\(-4, -3"):
        features(model, TEXTS)
    with pytest.raises(KbertError, match="pooling is one of mean, cls, not 'max'"):
        features(model, TEXTS, layers=(1,), pooling="max")
    with pytest.raises(KbertError, match=r"texts\[1\] holds nothing"):
        features(model, ["나", ""], layers=(1,))
    with pytest.raises(KbertError, match="5 first texts and 1 second text do"):
        features(model, TEXTS, ["나"], layers=(1,))
    with pytest.raises(KbertError, match="the model has no vocabulary"):
        kbert.features(Bert(**small), TEXTS)
