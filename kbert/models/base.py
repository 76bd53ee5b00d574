"""What every model of kbert is: a `keras.Model` that is saved whole, safely, and alone."""

import re
from pathlib import Path
from typing import Any, Self

import keras

from kbert.catalog import BY_CLASS
from kbert.errors import KbertError, kind_of, whole_number
from kbert.files.atomic_files import as_path, written_beside
from kbert.layers.initializers import starting_at_zero
from kbert.models.export import export
from kbert.models.frozen import frozen_layers, restore_frozen
from kbert.models.stored import store_as_float16
from kbert.models.watched_model import WatchedModel
from kbert.text.tokenizer import Tokenizer

_SETTINGS = (
    "dtype",
    "remat",
    "attention_window",
    "block_size",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "seed",
)
FORMAT_VERSION = 1  # of the `.keras` files; raised when an older kbert could not read them


class KbertModel(WatchedModel):
    """A model whose `.keras` file holds weights, architecture and tokenizer, and nothing else.

    A subclass has the attribute `tokenizer` and those of `WatchedModel`, lists its constructor
    arguments in `_config`, and is built when its constructor returns.

    Attributes:
        base_model: the name of the published model that it was made of, which its file and the
            cards of exports name, for its licence goes on; None if it was made of none by name.
    """

    base_model: str | None = None

    def __new__(cls, *args, **kwargs):
        """Keeps the constructor's arguments, which `keras.Model.__new__` would drop."""
        return keras.layers.Layer.__new__(cls, *args, **kwargs)

    @property
    def task(self) -> str:
        """What the model is for, as `kbert.load` takes it; see `kbert/catalog.py`."""
        names = (model_class.__name__ for model_class in type(self).__mro__)
        return next(BY_CLASS[name].task for name in names if name in BY_CLASS)

    def save(
        self,
        filepath: str | Path,
        overwrite: bool = True,
        *,
        weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the model, its vocabulary and its settings to one `.keras` file.

        The optimizer's state is left out. The file is written beside its place and then moved
        there in one step, so a failure leaves a former file as it was.

        Args:
            filepath: ends in `.keras`.
            overwrite: whether a former file is replaced.
            weights: "float16" for a file of half the size, which opens as the same model with
                weights rounded to 11 bits; None means as they are. (`kbert.quantize` makes smaller
                models yet.)
            **kwargs: Keras's.

        Raises:
            KbertError: if the path does not end in `.keras`, is taken and `overwrite` is False, or
                cannot be written, as on a full disk; or a weight is too large for float16.

        Example:
            >>> import tempfile
            >>> import kbert
            >>> model = kbert.BertForMaskedLM(vocab_size=100, **kbert.SIZES["tiny"])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(f"{folder}/mine.keras")
            ...     kbert.load(f"{folder}/mine.keras").vocab_size
            100
        """
        path = as_path(filepath)
        if weights not in (None, "float16"):
            raise KbertError(f"weights of a file are 'float16' or None, not {weights!r:.80}")
        if path.suffix != ".keras":
            raise KbertError(f"a model is saved to a file that ends in .keras, not {path.name!r}")
        if path.exists() and not overwrite:
            raise KbertError(f"{path} exists; pass overwrite=True to replace it")
        compiled = hasattr(self, "optimizer")
        optimizer = getattr(self, "optimizer", None)
        try:
            self.optimizer = None
            with written_beside(path) as temporary:
                super().save(temporary, overwrite=True, **kwargs)
                if weights is not None:
                    store_as_float16(Path(temporary))
        except OSError as error:
            raise KbertError(
                f"{path} was not written, and what stood there is as it was: {error}"
            ) from error
        finally:
            if compiled:
                self.optimizer = optimizer
            else:
                del self.optimizer

    def export(
        self, filepath: str | Path, format: str = "tf_saved_model", weights: str | None = None
    ) -> None:
        """Writes the model for use without kbert and Keras; batch and length stay free.

        The file takes `input_ids`, `token_type_ids` (where the model looks at them) and
        `attention_mask`, each (B, L) int32 with L up to the model's longest; where the tokens of a
        question are global (Longformer) also `global_positions` (B, G), -1 for none. It gives what
        the model gives, by name: the keys of its dict in alphabetical order, or `logits`, or of a
        sentence model `sentence_embedding`. Scores of words are those of every position. The
        tokenizer is not in it. ONNX of a base model takes 20 to 30 seconds and 2.5 GB on PyTorch
        and JAX, but 3 minutes and 19 GB on TensorFlow: there, open the `.keras` file with another
        backend.

        Args:
            filepath: a file that ends in `.onnx`, or a SavedModel's folder; replaced if there.
            format: "onnx", which needs the extra onnx (on JAX onnx-jax), or
                "tf_saved_model", which needs TensorFlow and cannot be written from PyTorch.
            weights: "int8" for an ONNX file whose products are of whole numbers: a quarter of the
                size, faster where the CPU has instructions for it, and a little less exact
                (docs/compression.md has figures). None means float32.

        Raises:
            KbertError: if there is no such format, the backend or an uninstalled package keeps it
                from being written, or the model is not float32.

        Example:
            >>> model.export("model.onnx", format="onnx")  # doctest: +SKIP
            >>> session = onnxruntime.InferenceSession("model.onnx")  # doctest: +SKIP
            >>> session.run(None, dict(model.tokenizer("국회는")))  # doctest: +SKIP
        """
        export(self, filepath, format, weights)

    def with_settings(self, **settings: Any) -> Self:
        """The same weights and tokenizer in a model that computes otherwise.

        Args:
            **settings: arguments of the encoder that change no weight: `dtype`, `remat`,
                `attention_window` (of a Bert), `block_size` (of a BigBird), `hidden_dropout_prob`,
                `attention_probs_dropout_prob`, and `seed`, which then is that of dropout.

        Returns:
            A new model, not compiled; what was frozen is.

        Raises:
            KbertError: if a setting is another, its value cannot be, or the model has adapters.

        Example:
            >>> from kbert import SIZES, BertForMaskedLM
            >>> model = BertForMaskedLM(vocab_size=100, **SIZES["tiny"])
            >>> on_a_t4 = model.with_settings(dtype="mixed_float16", remat=True)
            >>> on_a_t4.dtype_policy.name, on_a_t4.get_config()["remat"]
            ('mixed_float16', True)
        """
        config = self.get_config()
        known = [name for name in _SETTINGS if name in config]
        strange = sorted(set(settings) - set(known))
        if strange:
            raise KbertError(f"{strange[0]} is none of {', '.join(known)}")
        with starting_at_zero(heads=True):
            model = type(self).from_config(config | settings)
        if len(model.weights) != len(self.weights):
            raise KbertError(
                f"the model has {len(self.weights)} weights and its config makes "
                f"{len(model.weights)}: settings of a model with adapters (LoRA), or whose weights "
                "are being pruned, cannot be changed"
            )
        model.set_weights(self.get_weights())
        for weight, own in zip(model.weights, self.weights, strict=True):
            weight.trainable = own.trainable
        model.take_after(self)
        return model

    def take_after(self, model: "KbertModel", tokenizer: Tokenizer | None = None) -> None:
        """Takes over what goes with another's weights: what is new, whose they were, the tokenizer.

        Args:
            model: which the weights are of.
            tokenizer: in the place of the other's, where words came or went.
        """
        if hasattr(model, "load_report"):
            self.load_report = model.load_report
        self.base_model = model.base_model
        self.tokenizer = tokenizer or model.tokenizer

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Not offered: Keras's leaves most of a model as it is, or a file that does not open.

        Raises:
            KbertError: always, and names what does it.
        """
        raise KbertError("kbert.quantize(model, 'int8') gives a quantized model, which is saved so")

    def get_compile_config(self) -> None:
        """Nothing: a shared file neither carries a training's state nor compiles on loading."""
        return None

    def _config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the format's version, what is frozen, and the base model."""
        config = {"format_version": FORMAT_VERSION, **self._config(), "name": self.name}
        beside = {"frozen": frozen_layers(self), "base_model": self.base_model}
        return config | {name: value for name, value in beside.items() if value}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None):
        """Makes the model of a config that `get_config` gave, in this or an earlier version."""
        config = dict(config)
        frozen, base_model = config.pop("frozen", []), config.pop("base_model", None)
        version = whole_number("format_version", config.pop("format_version", FORMAT_VERSION), 1)
        if version > FORMAT_VERSION:
            raise KbertError(
                f"the model was saved in format {version}, and this kbert reads formats up to "
                f"{FORMAT_VERSION}: update kbert"
            )
        model = cls(**config)
        restore_frozen(model, frozen)
        model.base_model = check_base_model(base_model)
        return model


def check_model(model: Any) -> None:
    """Raises KbertError if it is no model of kbert's."""
    if not isinstance(model, KbertModel):
        raise KbertError(f"expected a model of kbert, not {kind_of(model)}")


def check_base_model(name: Any) -> str | None:
    """The name of a model; raises KbertError if it is none: it becomes a line of a model card."""
    if name is None:
        return None
    if isinstance(name, str) and re.fullmatch(r"(\w[\w.-]{,95}/)?\w[\w.-]{,95}", name):
        return name
    raise KbertError(f"base_model is a name such as klue/bert-base, not {name!r:.80}")


def check_tokenizer(tokenizer: Tokenizer | None, vocab_size: int) -> None:
    """Raises KbertError if a tokenizer is none, or gives ids that a model has no embedding for."""
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        raise KbertError(f"a model's tokenizer is a kbert.Tokenizer or None, not {tokenizer!r:.80}")
    if tokenizer is not None and len(tokenizer) > vocab_size:
        raise KbertError(
            f"the tokenizer has {len(tokenizer)} tokens, and the model has embeddings for "
            f"{vocab_size}: they do not belong together"
        )
