"""What every pipeline asks of its model before it starts."""

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
