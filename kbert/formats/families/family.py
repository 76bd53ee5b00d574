"""What a family of Hugging Face's checkpoints is, and the rows that several of them share.

A row is (our part, their name or names). Our part is a path of attributes, from the encoder in the
encoder's rows and from the model in a head's. Their name is a module, whose weight and bias are
meant, or a single tensor, which then ends in `.weight` or `.bias`. Several names are put side by
side: BERT's query, key and value are one projection here. Rows are read both ways, so import and
export cannot drift apart; one counts where the model has the part.

Source: the modelling and configuration files of transformers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kbert.catalog import BY_TASK
from kbert.errors import KbertError

Names = str | tuple[str, ...]
Rows = tuple[tuple[str, Names], ...]
Settings = dict[str, tuple[str, Any]]
Values = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """A `model_type` of Hugging Face's configs: its names, and its config in both directions.

    Attributes:
        model_type: what configs call it.
        classes: how its classes begin: "Roberta" in RobertaForMaskedLM.
        prefix: of the encoder's names in a checkpoint with a head; without one they are bare.
        settings: our argument -> its name in the config and its default there, which is None
            where it must be given.
        embeddings: rows of the tables, and of what else an encoder has beside its layers.
        layer_prefix: of the names of encoder layer {i}; or a function of i and the arguments.
        layer: rows of an encoder layer, or a function of the arguments. A part that a layer does
            not have does not count.
        pooler: its module, or "" where the family has none.
        heads: rows by task.
        is_mine: whether the family's class computes what a model of these arguments, for this
            task, does; asked where a model goes out.
        read: what a config says beyond `settings`, as arguments, for a task.
        write: what those arguments are in a config.
        architecture: the encoder that computes it, in `kbert.catalog.ENCODERS`.
        layers_of: how many layers with weights of their own there are, by the arguments.
        classifier_dropout: what its configs call the dropout before a label head, and its default;
            None is the encoder's.
        shared_head: how the names of a dense layer and a norm begin that stand before the words'
            scores and the labels' alike; "" where each head has its own.
        old_names: how names begin in some files, and how they do here.
        suffixes: how its classes end, by task, where it is not as in `kbert.catalog`.
        replaced_tokens: how the names of a head begin that says which tokens were replaced: where a
            file has it, the encoder was pretrained so.
    """

    model_type: str
    classes: str
    prefix: str
    settings: Settings
    embeddings: Rows
    layer_prefix: str | Callable[[int, Values], str]
    layer: Rows | Callable[[Values], Rows]
    pooler: str
    heads: dict[str, Rows]
    is_mine: Callable[[Values, str], bool]
    read: Callable[[Values, str], Values] = lambda config, task: {}
    write: Callable[[Values], Values] = lambda arguments: {}
    architecture: str = "bert"
    layers_of: Callable[[Values], int] = lambda arguments: arguments["num_hidden_layers"]
    classifier_dropout: tuple[str, float | None] = ("classifier_dropout", None)
    shared_head: str = ""
    old_names: tuple[tuple[str, str], ...] = ()
    replaced_tokens: str = ""
    suffixes: Mapping[str, str] = field(default_factory=dict)

    def class_for(self, task: str) -> str:
        """Its class in transformers for a task.

        Example:
            >>> from kbert.formats.families import FAMILIES
            >>> FAMILIES["visual_bert"].class_for("sequence-classification")
            'VisualBertForVisualReasoning'
        """
        return f"{self.classes}{self.suffixes.get(task, BY_TASK[task].suffix)}"

    def encoder_rows(self, arguments: Values) -> Rows:
        """The rows of a whole encoder, its pooler included, without the prefix.

        Example:
            >>> from kbert.formats.families import FAMILIES
            >>> FAMILIES["distilbert"].encoder_rows({"num_hidden_layers": 1})[-1]
            ('encoder_layers.0.feed_forward_norm', 'transformer.layer.0.output_layer_norm')
        """
        rows = list(self.embeddings)
        for i in range(self.layers_of(arguments)):
            rows += self.layer_rows(i, arguments)
        if self.pooler:
            rows.append(("pooler.dense", self.pooler))
        return tuple(rows)

    def layer_rows(self, i: int, arguments: Values) -> Rows:
        """The rows of one encoder layer."""
        prefix = self.layer_prefix
        prefix = prefix.format(i=i) if isinstance(prefix, str) else prefix(i, arguments)
        rows = self.layer(arguments) if callable(self.layer) else self.layer
        return tuple(
            (f"encoder_layers.{i}.{part}", with_prefix(prefix, names)) for part, names in rows
        )


def with_prefix(prefix: str, names: Names) -> Names:
    """The same names, each behind a prefix."""
    return prefix + names if isinstance(names, str) else tuple(prefix + name for name in names)


# Other activations than the exact gelu, by all names that a config may give them.
_NO_GELU = ["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "tanh"]


def check_words_head(config: Values, task: str) -> None:
    """Raises KbertError if a head for words bends otherwise than transformers' does.

    In RoBERTa, Longformer and ELECTRA that is by the exact gelu, whatever `hidden_act` is.
    """
    name = config.get("hidden_act", "gelu")
    if task == "masked-lm" and name in _NO_GELU:
        raise KbertError(
            f"hidden_act is {name!r:.80}, and the family's head for words has gelu in any case, "
            "where kbert's has hidden_act: only the encoder and other heads are the same"
        )


LABEL: Rows = (("classifier.dense", "classifier"),)
SPAN: Rows = (("span.dense", "qa_outputs"),)
# RoBERTa, ELECTRA and BigBird keep a pooler of their own in the classification head.
POOLED_LABEL: Rows = (
    ("bert.pooler.dense", "classifier.dense"),
    ("classifier.dense", "classifier.out_proj"),
)

# Names under which files hold a tensor a second time, or hold no weight at all.
COPIES = {
    "cls.predictions.bias": "cls.predictions.decoder.bias",
    "lm_head.bias": "lm_head.decoder.bias",
    "predictions.bias": "predictions.decoder.bias",
}
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
