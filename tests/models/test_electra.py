"""Replaced-token detection: the step, what both halves share, what is kept, what is refused."""

import keras
import numpy as np
import pytest
from keras import ops

import kbert
from kbert import KbertError, ReplacedTokenDetection, generator_for
from kbert.compression.prune import prune_heads, prune_neurons
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.shards.shards import encode_documents
from kbert.layers.dropout import uniform_numbers
from kbert.models import TASKS
from kbert.training.checkpoint import find_checkpoint, restore, save_checkpoint, state_of
from kbert.training.evaluation import mean_scores
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.stages import Interval
from tests.conftest import SENTENCES

RATES = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def number(tensor):
    return ops.convert_to_numpy(tensor)


def pair_of(small, tokenizer=None, **changes):
    """A discriminator of 12 with tables of 8, and a generator of 6 beside it."""
    changes |= {} if tokenizer is None else {"vocab_size": len(tokenizer)}
    discriminator = kbert.ElectraForPreTraining(**{**small, "embedding_size": 8, **changes})
    discriminator.tokenizer = tokenizer
    return ReplacedTokenDetection(discriminator, generator_for(discriminator, 0.5))


def compiled(pair, rate=1e-2, steps=40, **more):
    pair.compile(adamw(rate, steps), **objective(pair, **more))
    return pair


def batches_of(tokenizer, steps, batch_size=4):
    shard = encode_documents([SENTENCES] * 3, tokenizer)
    return PretrainingBatches(
        shard,
        tokenizer,
        sequence_length=16,
        batch_size=batch_size,
        seed=0,
        steps=steps,
        objective="replaced-token-detection",
    )


@pytest.fixture
def korean():
    return kbert.Tokenizer.train(SENTENCES, 80)


@pytest.fixture
def asked(inputs):
    """The second row has one masked position, and a filling one."""
    return {**inputs, "masked_lm_ids": np.array([[9, 21], [14, 0]], "int32")}


def test_a_step_is_its_parts_one_after_the_other(small, asked):
    pair = pair_of(small)
    outputs = pair(asked)
    logits = number(pair.generator(asked))  # (2, 2, 40)
    np.testing.assert_array_equal(number(outputs["mlm"]), logits)

    uniform = number(uniform_numbers(np.array([pair.sampler.seed, 0], np.uint32), (2, 2)))
    powers = np.exp(logits.astype("float64"))
    sums = np.cumsum(powers / powers.sum(-1, keepdims=True), axis=-1)
    words = (sums <= uniform[..., None]).sum(-1)  # (2, 2)
    rows = asked["input_ids"].copy()
    rows[0, 1], rows[0, 5], rows[1, 2] = words[0, 0], words[0, 1], words[1, 0]
    replaced = np.zeros((2, 7))
    replaced[0, 1], replaced[0, 5], replaced[1, 2] = (words != asked["masked_lm_ids"]).ravel()[:3]
    text = {name: asked[name] for name in ("token_type_ids", "attention_mask")}
    scores = number(pair.discriminator({**text, "input_ids": rows}))
    np.testing.assert_allclose(number(outputs["rtd"])[..., 0], scores, atol=1e-5)
    np.testing.assert_array_equal(number(outputs["rtd"])[..., 1], replaced)


def test_where_the_right_word_is_drawn_nothing_was_replaced(small, asked):
    """A generator that is sure of word 21: right at one of three positions."""
    pair = pair_of(small)
    pair.generator.mlm.bias.assign(np.where(np.arange(40) == 21, 1e4, 0))
    replaced = number(pair(asked, training=True)["rtd"])[..., 1]
    assert replaced.tolist() == [[0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]]


def test_the_losses_by_hand(small, asked):
    pair = compiled(pair_of(small))
    outputs = {name: number(each).astype("float64") for name, each in pair(asked).items()}
    y = {"mlm": asked["masked_lm_ids"], "rtd": np.zeros((2, 7), "int32")}
    mask = asked["attention_mask"].astype("float32")
    weights = {"mlm": np.array([[1, 1], [1, 0]], "float32"), "rtd": mask}
    logs = pair.test_on_batch(asked, y, weights, return_dict=True)

    at = np.take_along_axis(outputs["mlm"], y["mlm"][..., None], -1)[..., 0]
    of_words = np.log(np.exp(outputs["mlm"]).sum(-1)) - at
    mlm = (of_words * weights["mlm"]).sum() / 3
    logit, replaced = outputs["rtd"][..., 0], outputs["rtd"][..., 1]
    of_tokens = np.log1p(np.exp(logit)) - replaced * logit
    rtd = (of_tokens * mask).sum() / 12
    assert float(logs["mlm_loss"]) == pytest.approx(mlm, rel=1e-4)
    assert float(logs["rtd_loss"]) == pytest.approx(rtd, rel=1e-4)
    assert float(logs["loss"]) == pytest.approx(mlm + 50 * rtd, rel=1e-4)

    called = logit > 0
    right = mask.astype(bool) & (called == replaced)
    assert float(logs["rtd_accuracy"]) == pytest.approx(right.sum() / 12, rel=1e-5)
    assert float(logs["rtd_replaced"]) == pytest.approx(replaced.sum() / 12, rel=1e-5)
    found = (called & (replaced > 0)).sum()
    assert float(logs["rtd_recall"]) == pytest.approx(found / replaced.sum(), rel=1e-5)
    of_called = (called & mask.astype(bool)).sum()
    assert float(logs["rtd_precision"]) == pytest.approx(found / max(of_called, 1), rel=1e-5)


def test_tables_and_their_norm_are_one_and_the_projections_two(small):
    pair = pair_of(small)
    one, two = pair.discriminator.bert.embeddings, pair.generator.bert.embeddings
    for name in ("token_table", "position_table", "segment_table"):
        assert getattr(one, name) is getattr(two, name)
    assert one.layer_norm.gamma is two.layer_norm.gamma
    assert one.layer_norm.beta is two.layer_norm.beta
    assert (one.projection.kernel.shape, two.projection.kernel.shape) == ((8, 12), (8, 6))
    counted = pair.discriminator.count_params() + pair.generator.count_params()
    assert pair.count_params() == counted - (40 + 17 + 2 + 2) * 8
    assert len({id(each) for each in pair.weights}) == len(pair.weights)


@pytest.mark.parametrize("counted", ["mlm", "rtd"])
def test_what_each_loss_moves(small, asked, counted):
    """RTD reaches discriminator and tables, MLM generator and tables; nothing reaches beyond."""
    pair = pair_of(small, **RATES)
    y = {"mlm": asked["masked_lm_ids"], "rtd": np.zeros((2, 7), "int32")}
    weights = {"mlm": np.array([[1, 1], [1, 0]]), "rtd": asked["attention_mask"]}
    weights = {name: each.astype("float32") * (name == counted) for name, each in weights.items()}
    before = [number(weight) for weight in pair.weights]
    pair.compile("sgd", **objective(pair))
    pair.train_on_batch(asked, y, weights)
    moved = {
        id(weight)
        for weight, former in zip(pair.weights, before, strict=True)
        if np.abs(number(weight) - former).max()
    }
    generator, discriminator = (
        {id(weight) for weight in model.weights} for model in (pair.generator, pair.discriminator)
    )
    own = generator if counted == "mlm" else discriminator
    assert len(generator & discriminator) == 5 and generator & discriminator <= moved
    assert moved <= own and len(moved) > 25


def test_both_learn_and_each_is_a_model_by_itself(small, korean, tmp_path):
    pair = compiled(pair_of(small, korean, **RATES), steps=120)
    batches = batches_of(korean, 120, batch_size=8)
    before = mean_scores(pair, [batches[i] for i in range(8)])
    pair.fit(batches, shuffle=False, verbose=0)
    after = mean_scores(pair, [batches[i] for i in range(8)])
    assert after["mlm_loss"] < before["mlm_loss"] - 0.7
    assert after["rtd_loss"] < before["rtd_loss"] - 0.1
    assert after["loss"] == pytest.approx(after["mlm_loss"] + 50 * after["rtd_loss"])

    x, _, _ = batches[0]
    for name in ("discriminator", "generator"):
        model = getattr(pair, name)
        model.save(tmp_path / f"{name}.keras")
        again = kbert.load(tmp_path / f"{name}.keras")
        assert type(again) is type(model)
        np.testing.assert_allclose(number(again(x)), number(model(x)), atol=1e-6)
        half = model.with_settings(dtype="float32")
        np.testing.assert_allclose(number(half(x)), number(model(x)), atol=1e-6)
    for path in ("discriminator", "generator"):
        table = kbert.load(tmp_path / f"{path}.keras", task="encoder").embeddings.token_table
        np.testing.assert_array_equal(
            number(table), number(pair.discriminator.bert.embeddings.token_table)
        )


def test_a_run_that_goes_on_is_the_run_that_was_never_ended(small, korean, tmp_path):
    """Dropout and what is drawn, too."""
    batches = batches_of(korean, 6)
    one = {**small, "num_hidden_layers": 1}
    whole, first, second = (compiled(pair_of(one, korean), steps=6) for _ in range(3))
    whole.fit(Interval(batches, 0, 6), shuffle=False, verbose=0)
    first.fit(Interval(batches, 0, 3), shuffle=False, verbose=0)
    save_checkpoint(tmp_path, 3, state_of(first), {})
    checkpoint, _ = find_checkpoint(tmp_path)
    restore(checkpoint, state_of(second))
    second.evaluate(*batches[0][:2], verbose=0)  # which draws, and counts nothing
    second.fit(Interval(batches, 3, 3), shuffle=False, verbose=0)
    for one, two in zip(whole.weights, second.weights, strict=True):
        np.testing.assert_array_equal(number(one), number(two))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's device meta")
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_first_step_in_16_bits(small, korean, dtype):
    """Keras asks the model for its shapes alone; where that fails, it asks with made-up numbers."""
    pair = compiled(pair_of(small, korean, dtype=dtype))
    inputs, labels, weights = batches_of(korean, 1, batch_size=2)[0]
    losses = pair.train_on_batch(inputs, labels, weights, return_dict=True)
    assert losses["mlm_loss"] == pytest.approx(np.log(len(korean)), abs=0.5)
    assert losses["rtd_loss"] == pytest.approx(np.log(2), abs=0.3)


def test_the_same_numbers_on_every_backend(small, korean):
    """Three steps; the numbers are PyTorch's."""
    pair = compiled(pair_of(small, korean, **RATES), steps=3)
    batches = batches_of(korean, 3)
    found = [
        {
            name: float(each)
            for name, each in pair.train_on_batch(*batches[i], return_dict=True).items()
        }
        for i in range(3)
    ]
    assert [round(step["mlm_loss"], 3) for step in found] == MLM
    assert [round(step["rtd_loss"], 3) for step in found] == RTD


MLM, RTD = [4.497, 5.056, 5.106], [0.609, 0.444, 0.402]


def test_halves_of_a_published_pair_go_on(small, tokenizer, asked, tmp_path):
    """Exported as transformers has them, loaded again, and trained further."""
    pair = pair_of(small, tokenizer)
    for name in ("discriminator", "generator"):
        kbert.export_huggingface(getattr(pair, name), tmp_path / name, model_type="electra")
    discriminator = kbert.load(tmp_path / "discriminator")
    generator = kbert.load(tmp_path / "generator")
    assert type(discriminator) is TASKS["replaced-token-detection"]
    assert discriminator.load_report == ((), (), ()) == generator.load_report
    again = ReplacedTokenDetection(discriminator, generator)
    np.testing.assert_allclose(
        number(again.generator(asked)), number(pair.generator(asked)), atol=1e-6
    )
    np.testing.assert_allclose(
        number(again.discriminator(asked)), number(pair.discriminator(asked)), atol=1e-6
    )


def test_what_is_asked_of_both(small, tokenizer):
    discriminator = kbert.ElectraForPreTraining(**small)
    with pytest.raises(KbertError, match="share their tables, so vocab_size must be the same"):
        ReplacedTokenDetection(discriminator, kbert.BertForMaskedLM(**{**small, "vocab_size": 41}))
    with pytest.raises(KbertError, match="embedding_size must be the same: the generator's is 8"):
        ReplacedTokenDetection(discriminator, kbert.BertForMaskedLM(**small, embedding_size=8))
    with pytest.raises(KbertError, match="the discriminator is an ElectraForPreTraining on a Bert"):
        ReplacedTokenDetection(kbert.BertForMaskedLM(**small), discriminator)
    with pytest.raises(KbertError, match="are int8, and replaced-token detection takes floats"):
        ReplacedTokenDetection(
            kbert.quantize(discriminator, "int8"), kbert.BertForMaskedLM(**small)
        )
    deberta = kbert.BertForMaskedLM(architecture="deberta", position_buckets=4, **small)
    with pytest.raises(KbertError, match="not a BertForMaskedLM on a Deberta"):
        ReplacedTokenDetection(discriminator, deberta)
    generator = generator_for(discriminator)
    discriminator.tokenizer = tokenizer
    generator.tokenizer = kbert.Tokenizer([*tokenizer.vocabulary[:-1], "는다는"])
    with pytest.raises(KbertError, match=r"other vocabularies.*token 28 is '는다' and '는다는'"):
        ReplacedTokenDetection(discriminator, generator)
    generator.tokenizer = kbert.Tokenizer(tokenizer.vocabulary, lowercase=True)
    with pytest.raises(KbertError, match="cut texts otherwise: lowercase is False and True"):
        ReplacedTokenDetection(discriminator, generator)
    for fraction in (0, 1.5, "1/4"):
        with pytest.raises(KbertError, match="fraction is a number above 0 and up to 1"):
            generator_for(discriminator, fraction)
    with pytest.raises(KbertError, match="the discriminator is an ElectraForPreTraining on a Bert"):
        generator_for(generator)


def test_a_generator_of_a_pruned_discriminator_has_widths_of_its_own(small):
    discriminator = kbert.ElectraForPreTraining(**{**small, "hidden_size": 96})
    pruned = prune_neurons(prune_heads(discriminator, {0: [1]}), {1: [0]})
    one, two = (generator_for(model, 0.25) for model in (discriminator, pruned))
    assert one.get_config() == two.get_config()


def test_both_see_the_extra_vectors(small, asked):
    """A generator that is sure of word 21, so what the discriminator reads is known."""
    discriminator = kbert.extend_inputs(kbert.ElectraForPreTraining(**small), 3)
    pair = ReplacedTokenDetection(discriminator, generator_for(discriminator))
    pair.generator.mlm.bias.assign(np.where(np.arange(40) == 21, 1e4, 0))
    extra = {"extra_embeddings": np.full((2, 2, 3), 9, "float32")}
    extra["extra_mask"] = np.array([[1, 0], [1, 1]])
    rows = asked["input_ids"].copy()
    rows[0, 1] = rows[0, 5] = rows[1, 2] = 21
    text = {name: asked[name] for name in ("token_type_ids", "attention_mask")}
    alone, expected = (
        number(discriminator({**text, **more, "input_ids": rows})) for more in ({}, extra)
    )
    scores = number(pair({**asked, **extra})["rtd"])[..., 0]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert np.abs(scores - alone).max() > 1e-4


def test_what_cannot_be_asked(small, asked, tmp_path):
    pair = pair_of(small)
    with pytest.raises(KbertError, match="takes a dict with input_ids, masked_lm_positions and"):
        pair({name: asked[name] for name in asked if name != "masked_lm_ids"})
    with pytest.raises(KbertError, match="masked_lm_ids holds 40"):
        pair({**asked, "masked_lm_ids": np.array([[40, 1], [1, 1]])})
    with pytest.raises(KbertError, match=r"at masked_lm_positions \(2, 2\), not \(2, 3\)"):
        pair({**asked, "masked_lm_ids": np.ones((2, 3), "int32")})
    with pytest.raises(KbertError, match="is its discriminator"):
        pair.save(tmp_path / "pair.keras")
    with pytest.raises(KbertError, match="is its discriminator"):
        pair.export(tmp_path / "pair.onnx", format="onnx", weights="int8")
    with pytest.raises(KbertError, match="is trained with a generator"):
        objective(pair.discriminator)
    assert pair.task == "replaced-token-detection" and not list(tmp_path.iterdir())
