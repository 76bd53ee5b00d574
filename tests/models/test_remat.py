import keras
import numpy as np
import pytest

import kbert
from kbert import BertForPreTraining
from kbert.training.losses import objective
from kbert.training.optimizers import adamw


def losses(small, remat, dropout, length=8, **settings):
    """The losses of four steps on small batches, each of them another."""
    model = BertForPreTraining(
        **{
            **small,
            "num_hidden_layers": 2,
            "max_position_embeddings": length,
            "hidden_dropout_prob": dropout,
            "attention_probs_dropout_prob": dropout,
            "remat": remat,
            **settings,
        }
    )
    model.compile(adamw(1e-2, total_steps=100), **objective("pretraining"))
    rng, words = np.random.default_rng(0), small["vocab_size"]
    found = []
    for _ in range(4):
        x = {
            "input_ids": rng.integers(0, words, (4, length)),
            "token_type_ids": np.zeros((4, length), "int32"),
            "attention_mask": (np.arange(length) < [[length], [5], [6], [length]]).astype("int32"),
            "masked_lm_positions": np.array([[1, 3]] * 4),
        }
        y = {"mlm": rng.integers(0, words, (4, 2)), "nsp": rng.integers(0, 2, 4)}
        weights = {name: np.ones(array.shape, "float32") for name, array in y.items()}
        found.append(float(model.train_on_batch(x, y, weights)[0]))
    return found


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_losses(small, dropout):
    """A layer that is computed again drops what it dropped before, and draws once."""
    plain = losses(small, remat=False, dropout=dropout)
    assert losses(small, remat=True, dropout=dropout) == pytest.approx(plain, abs=1e-5)
    assert len(set(plain)) == 4


@pytest.mark.parametrize("settings", [{}, {"attention_window": 20}])
def test_the_same_losses_of_long_rows(small, settings):
    """Attention in blocks makes its weights again within a layer that is made again."""
    long = {"dropout": 0.3, "length": 300, "num_hidden_layers": 1, **settings}
    plain = losses(small, remat=False, **long)
    assert losses(small, remat=True, **long) == pytest.approx(plain, abs=1e-5)


def test_the_setting_is_saved(small, tmp_path, tokenizer):
    model = BertForPreTraining(**{**small, "remat": True})
    model.tokenizer = tokenizer
    model.save(tmp_path / "model.keras")
    assert kbert.load(tmp_path / "model.keras").bert.remat is True


def test_less_is_kept(small):
    """PyTorch tells what it keeps for the backward pass."""
    torch = pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("asks PyTorch's autograd")

    def kept(remat):
        model = BertForPreTraining(**{**small, "num_hidden_layers": 4, "remat": remat})
        sizes = {}

        def pack(tensor):
            sizes[tensor.data_ptr()] = tensor.nelement()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model({"input_ids": np.ones((16, 16), "int32")}, training=True)
        return sum(sizes.values())

    assert kept(remat=True) < 0.5 * kept(remat=False)
