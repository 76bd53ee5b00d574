"""BERT that parses: which word each word depends on, and by what relation.

    pieces -> vectors -> a vector a word -> as dependent and as head -> scores of all pairs

Shapes: B batch, L length in tokens, W words, D hidden, A width of a word in a role, C relations.
Source: Dozat and Manning 2017, "Deep Biaffine Attention for Neural Dependency Parsing"; Park et al.
2021, "KLUE", section 3.6, for the words' vectors.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.layers.biaffine import Biaffine, WordRole
from kbert.layers.heads import gather_positions
from kbert.layers.initializers import sub_seed
from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import input_ids_shape

NO_WORD = -1e9  # the score of a head that is padding


@keras.saving.register_keras_serializable("kbert")
class BertForDependencyParsing(BertWithHead):
    """BERT with a biaffine parser on its words.

    A word is the vectors of its first and its last piece, side by side, so in Korean an eojeol is
    seen with its stem and its particle or ending; the root is [CLS], twice. For each word every
    other, and the root, is scored as its head, and each relation with that head.

    KLUE's official baseline is more: it also gives the parser the gold part of speech of each word,
    and puts two LSTM layers between BERT and the scores. Neither is here: a parser that needs gold
    parts of speech cannot read plain text, and BERT's layers have seen the whole sentence. So
    KLUE's published figures are of another task, one with the parts of speech known.

    Args:
        labels: the relations' names, in the order of the scores.
        arc_size: A, where heads are scored.
        relation_size: A, where relations are.
        parser_dropout: the rate at which numbers of a word's vectors are dropped in training.
        name: the model's name.
        **bert_arguments: the arguments of `Bert`; `add_pooling_layer` is False unless given.

    Raises:
        KbertError: if the labels are not names, each once, or a number is not what it can be.

    Example:
        >>> import numpy as np
        >>> model = BertForDependencyParsing(
        ...     labels=["NP_OBJ", "VP"], vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=32)
        >>> scores = model({
        ...     "input_ids": np.array([[2, 5, 6, 7, 3]]),  # [CLS] 밥 ##을 먹었다 [SEP]
        ...     "first_pieces": np.array([[1, 3]]),
        ...     "last_pieces": np.array([[2, 3]]),
        ... })
        >>> tuple(scores["heads"].shape), tuple(scores["relations"].shape)
        ((1, 2, 3), (1, 2, 3, 2))
    """

    def __init__(
        self,
        *,
        labels: Sequence[str],
        arc_size: int = 512,
        relation_size: int = 256,
        parser_dropout: float = 0.33,
        name: str = "bert_for_dependency_parsing",
        **bert_arguments: Any,
    ):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        self._head_arguments = {
            "arc_size": whole_number("arc_size", arc_size, 1),
            "relation_size": whole_number("relation_size", relation_size, 1),
            "parser_dropout": number_from_zero("parser_dropout", parser_dropout, end=1),
        }
        self.name_labels(labels)
        self.arc_dependent = self._role("arc_dependent", arc_size)
        self.arc_head = self._role("arc_head", arc_size)
        self.arc = self._biaffine("arc", 1, arc_size)
        self.relation_dependent = self._role("relation_dependent", relation_size)
        self.relation_head = self._role("relation_head", relation_size)
        self.relation = self._biaffine("relation", len(self.labels), relation_size)
        self.built = True

    def _role(self, name: str, size: int) -> WordRole:
        config = self.bert.get_config()
        layer = WordRole(
            size=size,
            dropout=self._head_arguments["parser_dropout"],
            initializer_range=config["initializer_range"],
            seed=sub_seed(config["seed"], name),
            dtype=self.dtype_policy.name,
            name=name,
        )
        layer.build((None, None, 2 * config["hidden_size"]))
        return layer

    def _biaffine(self, name: str, num_scores: int, size: int) -> Biaffine:
        config = self.bert.get_config()
        layer = Biaffine(
            num_scores,
            config["initializer_range"],
            sub_seed(config["seed"], name),
            dtype=self.dtype_policy.name,
            name=name,
        )
        layer.build((None, None, size))
        return layer

    def _num_classes(self):
        return {"relations": len(self.labels)}

    def call(self, inputs, training=None) -> dict[str, Any]:
        """Scores heads and relations.

        Args:
            inputs: as for `Bert`, and beside these, all (B, W) integers: `first_pieces` and
                `last_pieces`, the positions in the row of each word's first and last token;
                `words`, 1 for a word and 0 for padding (all are words without it); and, where they
                are known, `heads`, each word's head: 0 the root, else a word's number from 1.
            training: whether to drop.

        Returns:
            A dict of logits, float32: `heads` (B, W, W + 1), column 0 the root, -1e9 where there is
            no word; and `relations`, of the heads that were given (B, W, C), else of every head
            (B, W, W + 1, C).

        Raises:
            KbertError: if there are no positions of words among the inputs.
        """
        positions = _word_positions(inputs)
        hidden = self.bert(inputs, training=training)["last_hidden_state"]  # (B, L, D)
        words = ops.concatenate([gather_positions(hidden, each) for each in positions], axis=-1)
        root = ops.concatenate([hidden[:, :1], hidden[:, :1]], axis=-1)
        nodes = ops.concatenate([root, words], axis=1)  # (B, W + 1, 2 D)

        arcs = self.arc(
            self.arc_dependent(words, training=training), self.arc_head(nodes, training=training)
        )[..., 0]  # (B, W, W + 1)
        if inputs.get("words") is not None:
            is_word = ops.cast(inputs["words"], "float32")
            is_node = ops.concatenate([ops.ones_like(is_word[:, :1]), is_word], axis=1)
            arcs = ops.where(is_node[:, None] > 0, arcs, NO_WORD)

        dependents = self.relation_dependent(words, training=training)  # (B, W, A)
        heads = self.relation_head(nodes, training=training)  # (B, W + 1, A)
        gold = inputs.get("heads")
        if gold is None:
            return {"heads": arcs, "relations": self.relation(dependents, heads)}
        heads = gather_positions(heads, gold)  # (B, W, A)
        return {"heads": arcs, "relations": self.relation(dependents, heads, paired=True)}

    def compute_output_spec(self, inputs, training=None) -> dict[str, Any]:
        """What `call` returns, as symbols."""
        batch, words = tuple(_word_positions(inputs)[0].shape)
        nodes = None if words is None else words + 1
        shape = (batch, words) if inputs.get("heads") is not None else (batch, words, nodes)
        return {
            "heads": keras.KerasTensor((input_ids_shape(inputs)[0], words, nodes), "float32"),
            "relations": keras.KerasTensor((*shape, len(self.labels)), "float32"),
        }


def _word_positions(inputs: Any) -> tuple[Any, Any]:
    """(B, W) each: where words begin, and where they end."""
    given = inputs if isinstance(inputs, dict) else {}
    if given.get("first_pieces") is None or given.get("last_pieces") is None:
        raise KbertError(
            "a parser takes, beside input_ids, 'first_pieces' and 'last_pieces' (batch, words): "
            "which tokens each word begins and ends with; kbert.DependencyParser and "
            f"LabelledBatches make them; received the keys {[*given]}"
        )
    return given["first_pieces"], given["last_pieces"]
