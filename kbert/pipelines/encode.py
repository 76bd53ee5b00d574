"""What every pipeline asks of its model before it starts, and does with the logits."""

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.text.tokenizer import Tokenizer

LENGTH_STEP = 16  # lengths are rounded up to it, so that few shapes are compiled


def tokenizer_of(model: KbertModel) -> Tokenizer:
    """The model's tokenizer.

    Raises:
        KbertError: if it has none.
    """
    if model.tokenizer is None:
        raise KbertError(
            "the model has no vocabulary, so it cannot read text: set "
            'model.tokenizer = kbert.Tokenizer.from_file("vocab.txt"), and save it again'
        )
    return model.tokenizer


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits to probabilities, along the last axis.

    Example:
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)
