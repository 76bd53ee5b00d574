"""A few digits that tell a model from any other."""

import hashlib
import json

import numpy as np
from keras import ops

from kbert.models.base import KbertModel

_DIGITS = 16  # of the sha256
_NO_MATTER = {  # arguments that change no answer
    "format_version",
    "name",
    "seed",
    "dtype",
    "remat",
    "frozen",
    "base_model",
    "initializer_range",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
}


def fingerprint(model: KbertModel) -> str:
    """Equal for models that give equal answers: the same weights, arguments and tokenizer.

    It is that of the file, too: saving, loading, another backend or mixed precision change nothing.

    Example:
        >>> import kbert
        >>> one, other = (kbert.Bert(vocab_size=9, seed=s, **kbert.SIZES["tiny"]) for s in (1, 2))
        >>> fingerprint(one) == fingerprint(one.with_settings(remat=True)), len(fingerprint(one))
        (True, 16)
        >>> fingerprint(one) == fingerprint(other)
        False
    """
    # What is None or False is left out: so is an argument that a later kbert has and does not use.
    arguments = {
        key: value
        for key, value in model.get_config().items()
        if key not in _NO_MATTER and value is not None and value is not False
    }
    tokenizer = model.tokenizer
    words = tokenizer and [tokenizer.vocabulary, tokenizer.settings, tokenizer.scores]
    described = [type(model).__name__, arguments, words, tokenizer and tokenizer.charsmap.hex()]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for weight in model.weights:
        array = np.ascontiguousarray(ops.convert_to_numpy(ops.cast(weight, "float32")), "<f4")
        digest.update(f"{array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()[:_DIGITS]
