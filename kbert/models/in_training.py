"""A model around another, that is there to train it: what is kept, saved and used is that one.

So two models are trained in one step of Keras's own `fit`: the model's call runs both, and its
outputs are what losses and metrics look at.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from kbert.errors import KbertError, kind_of
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder, encoder_of
from kbert.models.logits import check_losses
from kbert.text.tokenizer import Tokenizer


class ModelInTraining(KbertModel):
    """What such models have in common. A subclass says in `objective` what the losses are.

    Args:
        name: the model's name.
        **parts: the models within, by the attributes that they become; the first is the one that
            is kept.

    Attributes:
        objective: what it learns, as `kbert.objective` knows it.
        loss_weights: how much each output's loss counts; none where there is one.
        kept: the model that is kept.
    """

    objective: str
    loss_weights: Mapping[str, float] = MappingProxyType({})

    def __init__(self, *, name: str, **parts: KbertModel):
        kept_as, kept = next(iter(parts.items()))
        super().__init__(name=name, dtype=kept.dtype_policy.name)
        self._kept_as = kept_as
        for each, model in parts.items():
            setattr(self, each, model)
        self.vocab_size, self.max_length = kept.vocab_size, kept.max_length
        self.num_segments = kept.num_segments

    @property
    def kept(self) -> KbertModel:
        """The model that is kept."""
        return getattr(self, self._kept_as)

    @property
    def task(self) -> str:
        """That of the model that is kept."""
        return self.kept.task

    @property
    def bert(self) -> Encoder:
        """Its encoder, for what is done to one before it is trained, as `kbert.freeze`."""
        return encoder_of(self.kept)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Its tokenizer."""
        return self.kept.tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer | None) -> None:
        self.kept.tokenizer = tokenizer

    @property
    def state_variables(self) -> list[Any]:
        """The variables that a step changes or depends on, for checkpoints."""
        return self.variables

    def as_trained(self) -> Any:
        """The model that is kept with the weights of now, also while `fit` runs."""
        if keras.backend.backend() == "jax":
            self.jax_state_sync()  # until then JAX's are elsewhere
        return self.kept

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        """Keras's `compile`.

        Raises:
            KbertError: if a loss expects probabilities: the models give logits.
        """
        check_losses(loss, type(self).__name__)
        super().compile(optimizer, loss, *args, **kwargs)
        self._loss_given = loss

    def save(self, filepath: str | Path, overwrite: bool = True, **kwargs: Any) -> None:
        """Not offered: what one keeps is the model within.

        Raises:
            KbertError: always.
        """
        raise self._keep()

    def export(
        self, filepath: str | Path, format: str = "tf_saved_model", weights: str | None = None
    ) -> None:
        """Not offered, as `save`.

        Raises:
            KbertError: always.
        """
        raise self._keep()

    def _config(self) -> dict[str, Any]:
        raise self._keep()

    def _keep(self) -> KbertError:
        return KbertError(
            f"{kind_of(self)} is there to train: what is saved, exported or set otherwise is its "
            f"{self._kept_as}"
        )


def check_tokenizers(**models: KbertModel) -> None:
    """Raises KbertError if two models, which are named, read texts as other ids.

    The first, which is kept, has to have a tokenizer where the other has.
    """
    (one, two), tokenizers = models, [model.tokenizer for model in models.values()]
    first, second = tokenizers
    if second is not None and first is None:
        raise KbertError(
            f"the {one} has no tokenizer, and the {two} has: {one}.tokenizer = {two}.tokenizer, if "
            "both are to read the same ids"
        )
    if first is None or second is None:
        return
    if first.vocabulary != second.vocabulary:
        pairs = enumerate(zip(first.vocabulary, second.vocabulary, strict=False))
        at = next((f"; token {i} is {a!r:.40} and {b!r:.40}" for i, (a, b) in pairs if a != b), "")
        raise KbertError(
            f"the {one} and the {two} have other vocabularies, of {len(first):,} and "
            f"{len(second):,} tokens{at}: they must be of one, since both read the same ids"
        )
    told = [
        {**each.settings, "scores": each.scores, "charsmap": each.charsmap} for each in tokenizers
    ]
    for name in sorted({*told[0], *told[1]}):
        if told[0].get(name) != told[1].get(name):
            raise KbertError(
                f"the tokenizers of the {one} and the {two} cut texts otherwise: {name} is "
                f"{told[0].get(name)!r:.80} and {told[1].get(name)!r:.80}"
            )
