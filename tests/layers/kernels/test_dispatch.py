"""What runs on a GPU only, as far as it can be told without one."""

import keras
import numpy as np
import pytest
from keras import ops

from kbert.layers.attention import attention, attention_reference, padding_bias
from kbert.layers.dropout import Dropout
from kbert.layers.kernels import dispatch


def arrays(batch, length, heads, size):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(batch, length, heads, size)).astype("float32") for _ in range(3)]


class Gpu:
    platform, compute_capability = "gpu", "8.0"


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's cuDNN kernel")
@pytest.mark.parametrize(
    ("taken", "length", "dtype", "capability"),
    [
        (True, 256, "bfloat16", "8.0"),
        (False, 192, "bfloat16", "8.0"),  # no multiple of 128
        (False, 256, "float32", "8.0"),
        (False, 256, "float16", "7.5"),  # a T4
        (False, 256, "bfloat16", "gfx942"),  # AMD's
    ],
)
def test_lengths_go_to_cudnn(monkeypatch, taken, length, dtype, capability):
    import jax

    parts = [jax.numpy.asarray(part, dtype) for part in arrays(2, length, 2, 8)]
    lengths = ops.array([length, 5], "int32")
    mask = (np.arange(length) < np.array([[length], [5]])).astype("int32")
    bias, called = padding_bias(mask, dtype), []
    plain = jax.nn.dot_product_attention

    def by_xla(*arguments, implementation, **named):
        called.append(implementation)
        return plain(*arguments, implementation="xla", **named)

    monkeypatch.setattr(jax.nn, "dot_product_attention", by_xla)
    monkeypatch.setattr(Gpu, "compute_capability", capability)
    monkeypatch.setattr(jax, "local_devices", lambda: [Gpu])
    got = attention(*parts, bias, lengths=lengths)
    assert called == ["cudnn"] * taken
    expected = attention_reference(*parts, bias)[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(got).astype("float32")[0],
        ops.convert_to_numpy(expected).astype("float32")[0],
        atol=2e-2,
    )
    called.clear()
    attention(*parts, bias)  # a mask that may have holes
    attention(*parts, bias, lengths=lengths, window=3)
    assert not called


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's kernels")
def test_the_kernels_of_a_gpu(monkeypatch):
    """Without cuDNN's where its gradients can be NaN; with dropout from a seed of its own."""
    import torch

    of_cuda = dispatch._attention_by_cuda
    chosen, plain = [], torch.nn.attention.sdpa_kernel

    def choosing(kernels):
        chosen.append([kernel.name for kernel in kernels])
        return plain(kernels)

    monkeypatch.setattr(torch.nn.attention, "sdpa_kernel", choosing)
    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices, device_type: fork([]))
    monkeypatch.setattr(torch.cuda, "manual_seed", torch.manual_seed)
    for length in (128, 192):
        rows = [torch.tensor(part).transpose(1, 2) for part in arrays(2, length, 2, 4)]
        got = of_cuda(*rows, None, None, None).transpose(1, 2)
        expected = attention_reference(*(row.transpose(1, 2) for row in rows))[0]
        torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)
    assert ["CUDNN_ATTENTION" in names for names in chosen] == [True, False]

    dropout, state = Dropout(0.5, seed=3), torch.get_rng_state()
    draws = [dropout.draw() for _ in range(2)]
    first, again, other = (of_cuda(*rows, None, dropout, draws[i]) for i in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
