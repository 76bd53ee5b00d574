"""What a model with a head on an encoder has beside the head."""

from collections.abc import Sequence
from typing import Any

from kbert.catalog import BY_TASK
from kbert.errors import KbertError, counted, in_order, kind_of
from kbert.labels import composed
from kbert.layers.heads import LabelHead, TokenTransform
from kbert.layers.initializers import sub_seed
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_class, of_text
from kbert.models.logits import check_losses, takes_indices
from kbert.models.watched_data import LabelLimits
from kbert.models.watched_model import DETAILS
from kbert.text.tokenizer import Tokenizer

MOST_LABEL_CHARACTERS = 100  # a file with a longer one would not be opened again


class BertWithHead(KbertModel):
    """An encoder under `self.bert`, whose arguments and tokenizer are the model's own.

    A subclass makes its heads, names its own arguments in `self._head_arguments`, and sets
    `self.built`.

    Args:
        name: the model's name.
        dtype: a dtype policy's name.
        architecture: which encoder: "bert", or another name of `kbert.catalog.ENCODERS`.
        **bert_arguments: the encoder's arguments.

    Raises:
        KbertError: if there is no such encoder, or its arguments cannot be.
    """

    def __init__(
        self,
        *,
        name: str,
        dtype: str | None = None,
        architecture: str = "bert",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, dtype=dtype)
        self.bert = encoder_class(architecture)(**bert_arguments, dtype=self.dtype_policy.name)
        self.vocab_size, self.max_length = self.bert.vocab_size, self.bert.max_length
        self.num_segments = self.bert.num_segments
        self.bert.cls_is_global = BY_TASK[self.task].is_pooled
        self._head_arguments: dict[str, Any] = {}
        self.transform: TokenTransform | None = None  # of a head on tokens

    def __call__(self, inputs=None, *args, **kwargs):
        """Runs the model; see `KbertModel`."""
        for option in DETAILS:
            if option in kwargs:
                raise KbertError(
                    f"{option} is an argument of the encoder within: model.bert(inputs, "
                    f"{option}=True)"
                )
        return super().__call__(inputs, *args, **kwargs)

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        """Keras's `compile`.

        Raises:
            KbertError: if a loss expects probabilities: the model gives logits.
        """
        check_losses(loss, type(self).__name__)
        super().compile(optimizer, loss, *args, **kwargs)
        self._losses_given = loss

    def _num_classes(self) -> dict[Any, int | str]:
        """How many classes there are for a label to name, by output; see `_label_limits`."""
        return {}

    def _label_limits(self) -> LabelLimits:
        given = getattr(self, "_losses_given", None)
        losses: dict[Any, Any] = given if isinstance(given, dict) else {None: given}
        return {
            name: end
            for name, end in self._num_classes().items()
            if takes_indices(losses.get(name))
        }

    def _needs_pooler(self) -> None:
        if self.bert.pooler is None:
            raise KbertError(f"{type(self).__name__} scores the pooled [CLS]: it needs a pooler")

    def _label_head(self, name: str, num_labels: int, dropout: float | None = 0.0) -> LabelHead:
        """A head for labels; with a dropout of None it drops as the encoder does."""
        config = self.bert.get_config()
        head = LabelHead(
            num_labels=num_labels,
            dropout=config["hidden_dropout_prob"] if dropout is None else dropout,
            initializer_range=self.bert.label_range,
            seed=sub_seed(config["seed"], name),
            dtype=self.dtype_policy.name,
            name=name,
        )
        head.build((None, config["hidden_size"]))
        return head

    def _token_transform(self) -> TokenTransform | None:
        """What a head on tokens begins with, where the encoder's architecture has that."""
        config = self.bert.get_config()
        if not self.bert.token_heads_transform:
            return None
        layer = TokenTransform(
            layer_norm_eps=config["layer_norm_eps"],
            initializer_range=self.bert.output_range,
            seed=sub_seed(config["seed"], "transform"),
            hidden_act=config["hidden_act"],
            dtype=self.dtype_policy.name,
            name="transform",
        )
        layer.build((None, None, config["hidden_size"]))
        return layer

    def _token_vectors(self, inputs, training):
        """(B, L, D) for a head on tokens."""
        hidden = of_text(self.bert(inputs, training=training)["last_hidden_state"], inputs)
        return hidden if self.transform is None else self.transform(hidden, training=training)

    def name_labels(self, labels: Sequence[str]) -> None:
        """Gives the labels of a classifier or tagger other names.

        Raises:
            KbertError: if they are not names, each once, or not as many as before.
        """
        names, former = check_labels(labels), getattr(self, "labels", None)
        if former is not None and len(names) != len(former):
            raise KbertError(
                f"the model scores {counted(len(former), 'label')}, {former!r:.80}, and these are "
                f"{len(names)}: load it with labels=..., which gives it a new head"
            )
        self._head_arguments["labels"] = names

    @property
    def labels(self) -> list[str]:
        """The labels' names, of a classifier or tagger; saved with the model, as set last."""
        if "labels" not in self._head_arguments:
            raise AttributeError(f"{kind_of(self)} has no labels")
        return self._head_arguments["labels"]

    @labels.setter
    def labels(self, labels: Sequence[str]) -> None:
        self.name_labels(labels)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that is saved with the model, or None."""
        return self.bert.tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer | None) -> None:
        self.bert.tokenizer = tokenizer

    @property
    def base_model(self) -> str | None:
        """The name of the published model that it was made of, or None."""
        return self.bert.base_model

    @base_model.setter
    def base_model(self, name: str | None) -> None:
        self.bert.base_model = name

    def _config(self) -> dict[str, Any]:
        """The arguments of the encoder within, those of the heads, and which encoder it is."""
        config = {**self.bert._config(), **self._head_arguments}
        # Where it is BERT's nothing says so: the files are those that older kberts read.
        if self.bert.architecture != "bert":
            config["architecture"] = self.bert.architecture
        return config


def check_labels(labels: Any) -> list[str]:
    """The labels as a list of names, in NFC.

    Raises:
        KbertError: if they are not names, there are none, or one stands twice; if they are a dict
            or a set, whose order says nothing.
    """
    names = [composed(name) for name in in_order("labels", labels)]
    if not names or not all(isinstance(name, str) for name in names):
        raise KbertError(f'labels is a list of names, as ["부정", "긍정"], not {labels!r:.80}')
    if len(set(names)) < len(names):
        raise KbertError(f"labels are names that each stand once, not {names!r:.80}")
    for name in names:
        if not name.strip():
            raise KbertError(f"labels[{names.index(name)}] is empty: {names!r:.200}; leave it out")
        if not name.isprintable() or len(name) > MOST_LABEL_CHARACTERS:
            raise KbertError(
                f"a label is a name of up to {MOST_LABEL_CHARACTERS} printable characters, not "
                f"{name!r:.80}"
            )
    return names
