import keras
import numpy as np
import pytest

from kbert import BertForSequenceClassification
from kbert.training.losses import objective
from kbert.training.optimizers import adamw


class Batches(keras.utils.PyDataset):
    """Rows of unlike lengths; the first two batches are alike."""

    LENGTHS = (4, 4, 9, 2)

    def __init__(self):
        super().__init__(workers=1)
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.LENGTHS)

    def __getitem__(self, index: int):
        self.asked.append(index)
        ids = np.full((2, self.LENGTHS[index]), 5 + index, "int32")
        return {"input_ids": ids}, np.array([0, 1], "int32"), np.ones(2, "float32")


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_unlike_lengths_are_all_seen(small, shuffle):
    model = BertForSequenceClassification(labels=["가", "나"], **small)
    settings = objective(model)
    model.compile(adamw(1e-3, 20), **settings)
    before = model.get_weights()
    keras.utils.set_random_seed(1)
    batches = Batches()
    history = model.fit(batches, epochs=2, shuffle=shuffle, verbose=0)
    assert np.isfinite(history.history["loss"]).all() and len(history.history["loss"]) == 2
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    epochs = batches.asked[-8:-4], batches.asked[-4:]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3]] * 2
    assert (epochs[0] == epochs[1] == [0, 1, 2, 3]) != shuffle
    assert model.evaluate(Batches(), verbose=0)[0] > 0
    assert model.predict(Batches(), verbose=0).shape == (8, 2)
