"""What `cost` says against what frameworks count: parameters, operations, bytes."""

import gc

import keras
import numpy as np
import pytest

import kbert
from kbert.sizes.cost import Memory, cost
from kbert.sizes.devices import DEVICES, find_device
from kbert.training.losses import objective

MINI = {"vocab_size": 1000, **kbert.SIZES["mini"]}
BATCH = {"batch_size": 8, "length": 256, "masked": 39}
MOBILE = {"architecture": "mobilebert", "intra_bottleneck_size": 6, "embedding_size": 5}
on_torch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch counts it")


def model_of(size: dict, dropout: float, dtype: str = "float32", **settings):
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), dropout)
    return kbert.BertForPreTraining(**size, **rates, dtype=dtype, **settings)


def cost_of(size: dict, dropout: float, precision="float32", **settings):
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), dropout)
    return cost(**size, **BATCH, **rates, precision=precision, **settings)


def batch() -> tuple[dict, dict, dict]:
    rows, length, masked = BATCH.values()
    ids = np.random.default_rng(0).integers(5, 1000, (rows, length), "int32")
    x = {"input_ids": ids, "token_type_ids": ids * 0, "attention_mask": ids * 0 + 1}
    x["masked_lm_positions"] = np.tile(np.arange(masked, dtype="int32"), (rows, 1))
    y = {"mlm": ids[:, :masked], "nsp": np.zeros(rows, "int32")}
    return x, y, {name: np.ones(label.shape, "float32") for name, label in y.items()}


# Parameters.


def test_parameters_of_the_published_models():
    """109,482,240 and 335,141,888 with pooler (the models on the Hub), and the two heads."""
    for size, encoder, d in (("base", 109_482_240, 768), ("large", 335_141_888, 1024)):
        heads = (2 * d + 2) + (d * d + d) + 2 * d + 30522
        counted = cost(vocab_size=30522, **kbert.SIZES[size], batch_size=1, length=8)
        assert counted.parameters == encoder + heads


def test_parameters_are_those_of_the_model(small):
    del small["seed"], small["initializer_range"], small["layer_norm_eps"]
    small["type_vocab_size"] = 3
    counted = cost(**small, batch_size=1, length=17)
    assert counted.parameters == kbert.BertForPreTraining(**small).count_params()


@pytest.mark.parametrize(
    "settings",
    [
        {"embedding_size": 8},
        {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 3},
        {"global_attention": True, "attention_window": 3},
        {"architecture": "modernbert", "num_hidden_layers": 4},
        {"architecture": "deberta", "position_buckets": 6},
        {"architecture": "deberta", "position_buckets": 0, "share_att_key": False},
        MOBILE,
        MOBILE | {"use_bottleneck_attention": True, "classifier_activation": False},
    ],
)
def test_parameters_of_other_encoders(small, settings):
    del small["seed"], small["initializer_range"], small["layer_norm_eps"]
    counted = cost(**small | settings, batch_size=1, length=17)
    assert counted.parameters == kbert.BertForPreTraining(**small | settings).count_params()


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize(
    "settings",
    [
        {"embedding_size": 8},
        {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 3},
        {"hidden_size": 192, "intermediate_size": 65},
        {"global_attention": True, "attention_window": 3},
        {"architecture": "modernbert", "num_hidden_layers": 4},
        {"architecture": "deberta", "position_buckets": 0, "share_att_key": False},
        MOBILE,
        MOBILE | {"use_bottleneck_attention": True, "classifier_activation": False},
    ],
)
def test_bytes_of_whole_numbers(small, settings, weights):
    del small["seed"], small["initializer_range"], small["layer_norm_eps"]
    counted = cost(**small | settings, batch_size=1, length=17, weights=weights)
    model = kbert.BertForPreTraining(**small | settings, weights=weights)
    sizes = [np.dtype(w.dtype).itemsize * int(np.prod(w.shape)) for w in model.weights]
    assert counted.inference_memory.weights == sum(sizes)
    plain = cost(**small | settings, batch_size=1, length=17)
    assert counted._replace(inference_memory=plain.inference_memory) == plain


def test_weights_that_there_are_not():
    with pytest.raises(kbert.KbertError, match="weights are one of float32, int8, int4, not 'x'"):
        cost(**MINI, **BATCH, weights="x")


def test_an_architecture_that_there_is_not():
    with pytest.raises(kbert.KbertError, match=r"architecture is one of bert, .*, not 'x'"):
        cost(**MINI, **BATCH, architecture="x")


# Operations.


def test_operations_by_hand():
    """D 2, one layer, one head, I 3, V 5; 2 rows of 4 with 1 masked."""
    layer = 4 * (2 * 2 * 2) + 2 * (2 * 2 * 3) + 2 * (2 * 4 * 2)  # of a token: 32, 24, 32
    heads = 2 * 2 * 2 + 2 * 2 * 5 + 2 * 2 * 2 + 2 * 2 * 2  # transform, decoder, pooler, NSP
    counted = cost(
        vocab_size=5,
        hidden_size=2,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=3,
        batch_size=2,
        length=4,
        masked=1,
    )
    assert counted.forward_flops == 2 * (4 * layer + heads) == 792
    assert counted.training_flops == 3 * 792
    assert counted.tokens == 8


@on_torch
@pytest.mark.parametrize(
    "settings",
    [
        *({"attention_window": window} for window in (None, 32, 64, 100)),  # 100 sees all: 3 blocks
        {"num_hidden_groups": 1, "embedding_size": 64},
        {"attention_window": 32, "global_attention": True},
        {"attention_window": [32, 64, 64, 32], "global_attention": True},
        {"architecture": "modernbert"},
        {"architecture": "deberta"},
        {"architecture": "mobilebert"},
        {"architecture": "mobilebert", "use_bottleneck_attention": True},
        {"block_size": 8, "num_random_blocks": 1},
        {"block_size": 8, "num_random_blocks": 20},
    ],
)
def test_operations_as_pytorch_counts_them(settings):
    """To the last one. With dropout: PyTorch does not count its CPU's fused attention."""
    from torch.utils.flop_counter import FlopCounterMode

    model = model_of(MINI, 0.1, **settings)
    expected = cost_of(MINI, 0.1, **settings)
    model.compile("sgd", **objective("pretraining"))
    model.train_on_batch(*batch())  # the first call also builds the metrics
    with FlopCounterMode(display=False) as counter:
        model.train_on_batch(*batch())
    assert counter.get_total_flops() == expected.training_flops
    with FlopCounterMode(display=False) as counter:
        model(batch()[0], training=True)
    assert counter.get_total_flops() == expected.forward_flops


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA counts it")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_operations_as_xla_counts_them(dropout):
    """XLA counts norms, gelu, softmax and the losses too: some per cent more, and never less."""
    import jax

    model, expected = model_of(MINI, dropout), cost_of(MINI, dropout)
    x, y, _ = batch()
    trained = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    def loss(trained):
        logits = model.stateless_call(trained, others, x, training=True)[0]
        chosen = (jax.nn.log_softmax(logits[name])[..., 0].mean() for name in y)
        return -sum(chosen)

    def forward(trained):
        return model.stateless_call(trained, others, x, training=False)[0]

    def counted(function) -> float:
        return jax.jit(function).lower(trained).compile().cost_analysis()["flops"]

    assert 1 < counted(forward) / expected.forward_flops < 1.05
    assert 1 < counted(jax.grad(loss)) / expected.training_flops < 1.05


# Bytes: PyTorch runs eagerly, and tells of every tensor that it keeps and of every allocation.


def forward_loss(model, x, y, weights):
    import torch

    as_tensors = [{n: torch.tensor(a) for n, a in part.items()} for part in (x, y, weights)]
    x, y, weights = as_tensors
    return model.compute_loss(x, y, model(x, training=True), weights)


def bytes_kept(model) -> int:
    """Of the tensors that the backward pass is to have, weights aside; each storage once."""
    import torch

    weights = {variable.value.data_ptr() for variable in model.variables}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # alive, so not counted twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward_loss(model, *batch())
    return sum(count for count, _ in kept.values())


def peak_bytes(function) -> int:
    """The most that was allocated at one time, beyond what was there before."""
    from torch.profiler import ProfilerActivity, profile

    function()
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return int(np.cumsum([event.nbytes() for event in events]).max())


@on_torch
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention_window": 32},
        {"attention_window": 32, "global_attention": True},
        {"num_hidden_groups": 1, "embedding_size": 64},
        {"architecture": "modernbert"},
        {"architecture": "mobilebert"},
        {"architecture": "mobilebert", "use_bottleneck_attention": True},
    ],
)
def test_activations_are_what_pytorch_keeps(dropout, precision, settings):
    model = model_of(MINI, dropout, precision, **settings)
    model.compile("sgd", **objective("pretraining"))
    counted = cost_of(MINI, dropout, precision, **settings)
    memory = counted.training_memory
    copies = memory.weights - 4 * counted.parameters  # of the weights, in 16 bits
    logits = memory.logits / (2 if precision == "float32" else 2.5)
    expected = memory.activations + logits + copies
    assert bytes_kept(model) == pytest.approx(expected, rel=0.005)


@on_torch
@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_training_memory_is_the_peak_of_a_step(dropout, remat):
    """What is allocated in forward and backward, and the weights and moments that are there."""
    from torch.utils.checkpoint import set_checkpoint_early_stop

    model = model_of(MINI, dropout, remat=remat)
    model.compile("sgd", **objective("pretraining"))
    data = batch()

    def step() -> None:
        model.zero_grad()
        # PyTorch would end a recomputation early by an exception, which Keras's filter of
        # tracebacks keeps, and the layer's tensors with it.
        with set_checkpoint_early_stop(False):
            forward_loss(model, *data).backward()
        model.zero_grad()

    memory = cost_of(MINI, dropout, remat=remat).training_memory
    measured = peak_bytes(step) + memory.weights + memory.moments
    assert 0.9 < measured / memory.total < 1.02


@on_torch
@pytest.mark.parametrize(
    ("vocab_size", "settings"),
    [
        (1000, {}),
        (32000, {}),
        (1000, {"architecture": "mobilebert"}),
        (1000, {"architecture": "mobilebert", "intermediate_size": 256}),
        (1000, {"architecture": "mobilebert", "use_bottleneck_attention": True}),
    ],
)
def test_inference_memory_is_the_peak_of_a_forward_pass(vocab_size, settings):
    import torch

    size = {**MINI, "vocab_size": vocab_size, "num_hidden_layers": 1, **settings}
    model, memory = model_of(size, 0.1), cost_of(size, 0.1).inference_memory
    x = {name: torch.tensor(array) for name, array in batch()[0].items()}

    def forward() -> None:
        with torch.no_grad():
            model(x, training=False)

    hidden = 4 * BATCH["batch_size"] * BATCH["length"] * size["hidden_size"]
    # The two do not meet: where there are logits, one vector a token is left of the layers.
    expected = max(memory.activations, memory.logits + hidden)
    assert peak_bytes(forward) == pytest.approx(expected, rel=0.01)


def test_memory_of_the_rest():
    memory = cost_of(MINI, 0.0, "mixed_float16").training_memory
    parameters = cost_of(MINI, 0.0).parameters
    assert memory[:3] == (6 * parameters, 4 * parameters, 8 * parameters)
    assert Memory(1, 2, 3, 4, 5).total == 15


# Time, devices and bad input.


def test_time_by_hand():
    """A million tokens are 488.28125 batches of 2,048, at half of 1 TFLOP/s."""
    counted = cost_of(MINI, 0.0)
    expected = 488.28125 * counted.training_flops / 0.5e12
    assert counted.training_seconds(1e6, peak=1e12, share=0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "processors", "gigahertz", "float32_cores", "matrix_flops"),
    [
        ("T4", 40, 1.59, 64, 1024),
        ("V100", 80, 1.53, 64, 1024),
        ("A100-40GB", 108, 1.41, 64, 2048),
        ("A100-80GB", 108, 1.41, 64, 2048),
        ("H100", 132, 1.83, 128, 4096),
        ("H200", 132, 1.83, 128, 4096),
        ("L4", 58, 2.04, 128, 1024),
        ("RTX-3090", 82, 1.695, 128, 512),
        ("RTX-4090", 128, 2.52, 128, 512),
    ],
)
def test_rates_are_what_the_processors_can_do(
    name, processors, gigahertz, float32_cores, matrix_flops
):
    """Processors, clock, and what one does a clock, from NVIDIA's architecture papers."""
    device = DEVICES[name]
    expected = processors * gigahertz * 1e9 * matrix_flops
    assert device.peak("mixed_float16") == pytest.approx(expected, rel=0.01)
    clock = 1.98 if matrix_flops == 4096 else gigahertz  # Hopper's float32 has one of its own
    expected = processors * clock * 1e9 * float32_cores * 2
    assert device.peak("float32") == pytest.approx(expected, rel=0.01)


def test_devices_are_found_by_what_drivers_call_them():
    assert find_device("NVIDIA H100 80GB HBM3") is DEVICES["H100"]
    assert find_device("NVIDIA L40S") is None  # no L4
    with pytest.raises(kbert.KbertError, match="'mixed_bfloat16', only for float32, mixed_float16"):
        DEVICES["T4"].peak("mixed_bfloat16")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number from 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number from 1, not 2.5"),
        ({"num_attention_heads": 3}, "256 is not a multiple of num_attention_heads 3"),
        ({"length": 513}, "length=513 and max_position_embeddings=512"),
        ({"masked": 257}, "masked=257, length=256"),
        ({"attention_window": 0}, "attention_window must be a whole number from 1, not 0"),
        ({"masked": -1}, "masked must be a whole number from 0, not -1"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob is a number in \[0, 1\), not 1.0"),
        ({"precision": "bf16"}, "precision is one of float32, mixed_bfloat16"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(kbert.KbertError, match=message):
        cost(**{**MINI, **BATCH, **change})


@pytest.mark.parametrize("change", [{"tokens": 0}, {"peak": -1.0}, {"share": 45}])
def test_bad_runs(change):
    with pytest.raises(kbert.KbertError, match=r"share in \(0, 1\], not tokens="):
        cost_of(MINI, 0.0).training_seconds(**{"tokens": 1e9, "peak": 1e12, "share": 0.4, **change})
