"""BERT with the heads of pretraining: masked words, next sentence, or both.

Shapes: B batch, L length, P masked positions, D hidden, V vocabulary.
Source: Devlin et al. 2018, section 3.1.
"""

from typing import Any

import keras

from kbert.errors import KbertError
from kbert.layers.heads import MaskedLMHead, NextSentenceHead
from kbert.layers.initializers import sub_seed
from kbert.models.bert_with_head import BertWithHead
from kbert.models.encoder import Encoder, input_ids_shape, of_text


class _BertWithMaskedLM(BertWithHead):
    """A Bert with a masked-LM head under `self.mlm`."""

    def __init__(self, *, name: str, tie_word_embeddings: bool = True, **bert_arguments: Any):
        if not isinstance(tie_word_embeddings, bool):
            raise KbertError(
                f"tie_word_embeddings is True or False, not {tie_word_embeddings!r:.80}"
            )
        super().__init__(name=name, **bert_arguments)
        self._head_arguments = {"tie_word_embeddings": tie_word_embeddings}
        config = self.bert.get_config()
        self.mlm = MaskedLMHead(
            vocab_size=config["vocab_size"],
            layer_norm_eps=config["layer_norm_eps"],
            initializer_range=self.bert.output_range,
            seed=sub_seed(config["seed"], "mlm"),
            embedding_size=self.bert.embeddings.token_table.shape[1],
            hidden_act=config["hidden_act"],
            tied=tie_word_embeddings,
            use_bias=self.bert.has_biases,
            completed=self.bert.completes_table,
            dtype=self.dtype_policy.name,
            name="mlm",
        )
        self.mlm.build((None, None, config["hidden_size"]))

    def _masked_lm_logits(self, inputs, hidden, training):
        hidden, table = of_text(hidden, inputs), self.bert.embeddings.token_table
        return self.mlm(hidden, table, _positions(inputs), training=training)

    def _masked_lm_spec(self, inputs) -> keras.KerasTensor:
        positions = _positions(inputs)
        shape = input_ids_shape(inputs) if positions is None else positions.shape
        return keras.KerasTensor((*shape, self.vocab_size), "float32")


@keras.saving.register_keras_serializable("kbert")
class BertForPreTraining(_BertWithMaskedLM):
    """BERT with both heads, as it is pretrained.

    Args:
        name: the model's name.
        tie_word_embeddings: whether the masked-LM head's decoder is the token table.
        **bert_arguments: the arguments of `Bert`.

    Raises:
        KbertError: as `Bert`, or if `add_pooling_layer` is False.

    Example:
        >>> import numpy as np
        >>> model = BertForPreTraining(vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...                            num_attention_heads=2, intermediate_size=32)
        >>> logits = model({"input_ids": np.array([[2, 4, 3]]),
        ...                 "masked_lm_positions": np.array([[1]])})
        >>> tuple(logits["mlm"].shape), tuple(logits["nsp"].shape)
        ((1, 1, 100), (1, 2))
    """

    def __init__(self, *, name: str = "bert_for_pretraining", **bert_arguments: Any):
        super().__init__(name=name, **bert_arguments)
        self._needs_pooler()
        self.nsp = _next_sentence_head(self.bert)
        self.built = True

    def _num_classes(self):
        return {"mlm": self.vocab_size, "nsp": 2}

    def call(self, inputs, training=None) -> dict[str, Any]:
        """Scores masked words and the second text.

        Args:
            inputs: as for `Bert`, with `masked_lm_positions` (B, P) if only those are wanted.
            training: whether to drop.

        Returns:
            A dict of logits, float32: `mlm` (B, P, V), or (B, L, V) without positions; and `nsp`
            (B, 2), for IS_NEXT and IS_RANDOM.
        """
        outputs = self.bert(inputs, training=training)
        return {
            "mlm": self._masked_lm_logits(inputs, outputs["last_hidden_state"], training),
            "nsp": self.nsp(outputs["pooler_output"]),
        }

    def compute_output_spec(self, inputs, training=None) -> dict[str, Any]:
        """What `call` returns, as symbols."""
        batch = input_ids_shape(inputs)[0]
        return {
            "mlm": self._masked_lm_spec(inputs),
            "nsp": keras.KerasTensor((batch, 2), "float32"),
        }


@keras.saving.register_keras_serializable("kbert")
class BertForMaskedLM(_BertWithMaskedLM):
    """BERT with the masked-LM head, and without a pooler, which it has no use for.

    Args:
        name: the model's name.
        tie_word_embeddings: whether the head's decoder is the token table.
        **bert_arguments: the arguments of `Bert`; `add_pooling_layer` is False unless given.

    Raises:
        KbertError: as `Bert`.

    Example:
        >>> import numpy as np
        >>> model = BertForMaskedLM(vocab_size=100, hidden_size=8, num_hidden_layers=1,
        ...                         num_attention_heads=2, intermediate_size=32)
        >>> tuple(model({"input_ids": np.array([[2, 4, 3]])}).shape)
        (1, 3, 100)
    """

    def __init__(self, *, name: str = "bert_for_masked_lm", **bert_arguments: Any):
        super().__init__(name=name, **{"add_pooling_layer": False, **bert_arguments})
        self.built = True

    def _num_classes(self):
        return {None: self.vocab_size}

    def call(self, inputs, training=None):
        """Scores masked words: logits as `mlm` of `BertForPreTraining`."""
        hidden = self.bert(inputs, training=training)["last_hidden_state"]
        return self._masked_lm_logits(inputs, hidden, training)

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return self._masked_lm_spec(inputs)


@keras.saving.register_keras_serializable("kbert")
class BertForNextSentencePrediction(BertWithHead):
    """BERT with the next-sentence head.

    Args:
        name: the model's name.
        **bert_arguments: the arguments of `Bert`.

    Raises:
        KbertError: as `Bert`, or if `add_pooling_layer` is False.

    Example:
        >>> import numpy as np
        >>> model = BertForNextSentencePrediction(vocab_size=100, hidden_size=8,
        ...     num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
        >>> tuple(model({"input_ids": np.array([[2, 5, 3, 6, 3]])}).shape)
        (1, 2)
    """

    def __init__(self, *, name: str = "bert_for_next_sentence_prediction", **bert_arguments: Any):
        super().__init__(name=name, **bert_arguments)
        self._needs_pooler()
        self.nsp = _next_sentence_head(self.bert)
        self.built = True

    def _num_classes(self):
        return {None: 2}

    def call(self, inputs, training=None):
        """Scores whether the second text follows the first: (B, 2) logits."""
        return self.nsp(self.bert(inputs, training=training)["pooler_output"])

    def compute_output_spec(self, inputs, training=None):
        """What `call` returns, as a symbol."""
        return keras.KerasTensor((input_ids_shape(inputs)[0], 2), "float32")


def _next_sentence_head(bert: Encoder) -> NextSentenceHead:
    config = bert.get_config()
    seed = sub_seed(config["seed"], "nsp")
    policy = bert.dtype_policy.name
    head = NextSentenceHead(config["initializer_range"], seed, dtype=policy, name="nsp")
    head.build((None, config["hidden_size"]))
    return head


def _positions(inputs):
    return inputs.get("masked_lm_positions") if isinstance(inputs, dict) else None
