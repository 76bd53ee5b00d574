import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.dropout import Dropout, drawn_by_cuda


def drop(rate, seed, shape, times=1):
    layer = Dropout(rate, seed)
    outputs = [layer(np.ones(shape, "float32"), training=True) for _ in range(times)]
    return [ops.convert_to_numpy(output) for output in outputs]


def reference(rate, seed, count, size):
    """The hash, an element at a time, in Python's unbounded integers."""

    def mix(number, key=0):
        number = ((number ^ number >> 16) * 0x7FEB352D & 0xFFFFFFFF) ^ key
        number = (number ^ number >> 15) * 0x846CA68B & 0xFFFFFFFF
        return number ^ number >> 16

    key = mix(mix(count) + seed & 0xFFFFFFFF)
    second_key = mix(key + 0x9E3779B9 & 0xFFFFFFFF)
    kept = []
    for place in range(size):
        number = mix((place >> 1) * 0x9E3779B9 + key & 0xFFFFFFFF, second_key)
        kept.append((number >> 16 * (place & 1)) & 0xFFFF >= round(rate * 65536))
    return np.array(kept)


@pytest.mark.parametrize(("rate", "seed"), [(0.1, 0), (0.5, 7), (0.9, 2**31 - 1)])
def test_the_same_elements_on_every_backend(rate, seed):
    first, second = drop(rate, seed, (3, 5, 7), times=2)
    for count, output in enumerate((first, second)):
        kept = reference(rate, seed, count, 3 * 5 * 7).reshape(3, 5, 7)
        expected = np.where(kept, 65536 / (65536 - round(rate * 65536)), 0)
        np.testing.assert_allclose(output, expected, rtol=1e-6)


def test_more_elements_than_are_hashed_at_once():
    (output,) = drop(0.3, 5, (3, 40_001))
    tail = reference(0.3, 5, 0, 3 * 40_001)[-1000:]
    assert ((output.ravel()[-1000:] > 0) == tail).all()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_draws_are_fair_and_independent(rate):
    """Shares, neighbours, and one draw beside the next, within five standard deviations."""
    size = 200_000
    draws = np.stack(drop(rate, 3, (size,), times=4)) == 0
    variance = rate * (1 - rate)
    assert np.abs(draws.mean(axis=1) - rate).max() < 5 * (variance / size) ** 0.5
    centred = draws - rate
    for lag in (1, 2, 3, 64, 128, 768, 65_536):
        together = (centred[:, lag:] * centred[:, :-lag]).mean(axis=1) / variance
        assert np.abs(together).max() < 5 / (size - lag) ** 0.5, lag
    correlations = np.corrcoef(centred) - np.eye(4)
    assert np.abs(correlations).max() < 5 / size**0.5


def test_only_in_training():
    inputs = np.ones((4, 4), "float32")
    assert ops.convert_to_numpy(Dropout(0.5)(inputs)).tolist() == inputs.tolist()
    assert ops.convert_to_numpy(Dropout(0.0)(inputs, training=True)).tolist() == inputs.tolist()


def test_the_state_is_counted():
    """What a run must keep to go on: equal counts draw equally."""
    layer = Dropout(0.5, seed=2)
    draws = [ops.convert_to_numpy(layer(np.ones(64, "float32"), training=True)) for _ in range(2)]
    (state,) = layer.variables
    assert ops.convert_to_numpy(state).tolist() == [2, 2]
    again = Dropout(0.5, seed=2)
    again.variables[0].assign([2, 1])
    output = ops.convert_to_numpy(again(np.ones(64, "float32"), training=True))
    assert output.tolist() == draws[1].tolist() != draws[0].tolist()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch waits for its GPU")
def test_draws_are_counted_on_the_host(monkeypatch):
    """Whatever the device, and by PyTorch's own kernel on a GPU, from a seed of each draw."""
    import torch

    with keras.device("meta"):
        layer = Dropout(0.25, seed=3)
        draws = [layer.draw() for _ in range(2)]
    assert [draw.tolist() for draw in draws] == [[3, 0], [3, 1]]
    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices, device_type: fork([]))
    monkeypatch.setattr(torch.cuda, "manual_seed", torch.manual_seed)
    dropped, state = [], torch.get_rng_state()
    for draw in (draws[0], draws[0], draws[1]):
        with drawn_by_cuda(draw, "cuda"):
            dropped.append(torch.nn.functional.dropout(torch.ones(10_000), layer.rate))
    assert torch.equal(dropped[0], dropped[1]) and not torch.equal(dropped[0], dropped[2])
    assert 0.2 < (dropped[0] == 0).float().mean() < 0.3
    assert torch.equal(torch.get_rng_state(), state)
