"""Which losses fit a head, whose scores are logits: any numbers, and not probabilities."""

from typing import Any

import keras

from kbert.errors import KbertError, with_article

_OF_PROBABILITIES = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "dice",
    "kl_divergence",
    "poisson",
    "sparse_categorical_crossentropy",
    "tversky",
)


def check_losses(loss: Any, model: str) -> None:
    """Raises KbertError if one of the losses, as `compile` takes them, expects probabilities.

    Computed of logits, it gives numbers, and trains towards nothing.
    """
    for each in keras.tree.flatten(loss):
        found = keras.losses.get(each) if isinstance(each, str) else each
        # A Keras loss is an object around a function, or that function itself.
        function = getattr(found, "fn", found)
        name = getattr(function, "__name__", "")
        is_keras = "keras" in (getattr(function, "__module__", "") or "")
        from_logits = getattr(found, "_fn_kwargs", {}).get("from_logits", False)
        if not is_keras or name not in _OF_PROBABILITIES or from_logits:
            continue
        raise KbertError(
            f"the loss {name!r} expects probabilities, and {with_article(model)} gives logits: "
            "compile with **objective(model) of kbert.training.losses, or a loss of Keras's with "
            "from_logits=True, as keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
        )


def takes_indices(loss: Any) -> bool:
    """Whether a loss takes labels as numbers, each the index of a logit."""
    is_keras = isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
    return is_keras or getattr(loss, "takes_indices", False)
