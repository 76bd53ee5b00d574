"""BERT: ids in, a vector for every token and one for the whole row out.

    embeddings -> encoder layer x num_hidden_layers -> (every token's vector, pooled [CLS])

Shapes: B batch, L length, D hidden, N heads, H head size.
Source: Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers".
"""

import inspect
from pathlib import Path
from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.layers.activations import ACTIVATIONS
from kbert.layers.attention import padding_bias
from kbert.layers.calling import run
from kbert.layers.embeddings import Embeddings
from kbert.layers.encoder import EncoderLayer, rematerialized
from kbert.layers.initializers import read_from_files, sub_seed
from kbert.layers.pooling import Pooler
from kbert.models.base import KbertModel, check_tokenizer
from kbert.models.inputs import as_whole_numbers
from kbert.text.files.own_files import VOCABULARY_FILE
from kbert.text.tokenizer import Tokenizer


@keras.saving.register_keras_serializable("kbert")
class Bert(KbertModel):
    """The encoder.

    The arguments are those of Hugging Face's BertConfig, by name. `kbert.SIZES` has the usual
    values of the four that make a size.

    Args:
        vocab_size: how many tokens there are; the tokenizer may have fewer, not more.
        hidden_size: D; `num_attention_heads` must divide it.
        num_hidden_layers: how many encoder layers.
        num_attention_heads: N.
        intermediate_size: width within the feed-forward networks; 4 D in BERT.
        hidden_dropout_prob: dropout of the embeddings and of each layer's two outputs, in [0, 1).
        attention_probs_dropout_prob: dropout of attention weights, in [0, 1).
        max_position_embeddings: rows of the position table; the longest L, special tokens
            included, is this less `position_offset`.
        type_vocab_size: how many segments; 0 where the model has none, as DistilBERT.
        initializer_range: standard deviation of the starting weights.
        layer_norm_eps: added to variances.
        add_pooling_layer: whether there is a pooler; a model that only looks at tokens needs none.
        pooler_activation: "tanh", or another name of `kbert/layers/activations.py`.
        hidden_act: the activation within the feed-forward networks, by the same names.
        embedding_size: width of the tables, if it is not `hidden_size` (ELECTRA's small models).
        position_offset: the row of the position table that the first token gets; in RoBERTa's
            family the id of padding + 1.
        attention_window: how many positions each position sees on either side of its own, for
            rows so long that all of them would cost too much; None means all. What is further
            away is reached through the layers, one window a layer.
        remat: whether, in training, layers keep only their input and are computed again in the
            backward pass: a third more arithmetic, and memory that hardly grows with the layers.
        seed: of starting weights and dropout, a whole number from 0; equal seeds start equal on
            every backend. Nothing is drawn from a global generator, so
            `keras.utils.set_random_seed` changes no number here: pass another seed.

    Attributes:
        tokenizer: a `kbert.Tokenizer`, or None; saved with the model.
        max_length: the longest L, in tokens, special tokens included.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> import numpy as np
        >>> bert = Bert(vocab_size=100, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=32)
        >>> outputs = bert({"input_ids": np.array([[2, 5, 3]])})
        >>> tuple(outputs["last_hidden_state"].shape), tuple(outputs["pooler_output"].shape)
        ((1, 3, 8), (1, 8))
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_dropout_prob: float = 0.1,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-12,
        add_pooling_layer: bool = True,
        pooler_activation: str = "tanh",
        hidden_act: str = "gelu",
        embedding_size: int | None = None,
        position_offset: int = 0,
        attention_window: int | None = None,
        remat: bool = False,
        seed: int = 0,
        name: str = "bert",
        dtype: str | None = None,
    ):
        given = locals()  # at the start of a function: its arguments
        arguments = {each: given[each] for each in _ARGUMENTS}
        super().__init__(name=name, dtype=dtype)
        arguments["embedding_size"] = hidden_size if embedding_size is None else embedding_size
        self._arguments = _checked(arguments)
        seed = self._arguments["seed"]
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.remat = remat
        self.max_length = max_position_embeddings - position_offset
        self.num_segments = type_vocab_size
        self._tokenizer: Tokenizer | None = None

        policy = self.dtype_policy.name
        self.embeddings = Embeddings(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            max_position_embeddings=max_position_embeddings,
            type_vocab_size=type_vocab_size,
            dropout=hidden_dropout_prob,
            layer_norm_eps=layer_norm_eps,
            initializer_range=initializer_range,
            seed=sub_seed(seed, "embeddings"),
            embedding_size=embedding_size,
            position_offset=position_offset,
            dtype=policy,
            name="embeddings",
        )
        self.encoder_layers = [
            EncoderLayer(
                num_attention_heads=num_attention_heads,
                intermediate_size=intermediate_size,
                dropout=hidden_dropout_prob,
                attention_dropout=attention_probs_dropout_prob,
                layer_norm_eps=layer_norm_eps,
                initializer_range=initializer_range,
                seed=sub_seed(seed, f"encoder_layer_{index}"),
                hidden_act=hidden_act,
                attention_window=attention_window,
                dtype=policy,
                name=f"encoder_layer_{index}",
            )
            for index in range(num_hidden_layers)
        ]
        self.pooler = None
        if add_pooling_layer:
            self.pooler = Pooler(
                initializer_range=initializer_range,
                seed=sub_seed(seed, "pooler"),
                activation=pooler_activation,
                dtype=policy,
                name="pooler",
            )
        self.build((None, None))

    def build(self, input_shape):
        """Builds the parts; the constructor does it, since every size is known there."""
        with read_from_files():
            self.embeddings.build(input_shape)
            for part in self.encoder_layers:
                part.build((*input_shape, self.hidden_size))
        if self.pooler is not None:
            self.pooler.build((*input_shape, self.hidden_size))
        self.built = True

    def call(
        self,
        inputs,
        training=None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> dict[str, Any]:
        """Encodes a batch.

        Args:
            inputs: a dict with `input_ids` and, if wanted, `token_type_ids` (0 first text, 1
                second) and `attention_mask` (1 token, 0 padding), all (B, L) integers; or
                `input_ids` alone. Other keys are ignored. An `attention_mask` (B, L, L) says for
                each position which others it may look at. Where all padding is on the right,
                `lengths` (B,) may say so: how many tokens each row has, in place of a mask or
                beside one that says the same. There are kernels that take nothing else.
            training: whether to drop.
            output_hidden_states: whether to return every layer's output.
            output_attentions: whether to return what every head did.

        Returns:
            A dict of `last_hidden_state` (B, L, D) and, with a pooler, `pooler_output` (B, D).
            With `output_hidden_states` also `hidden_states`: the embeddings and each layer's
            output, each (B, L, D). With `output_attentions` also `attentions`, each layer's weights
            (B, N, L, L), and its `queries` and `keys`, each (B, L, N, H).
        """
        inputs = inputs if isinstance(inputs, dict) else {"input_ids": inputs}
        inputs = as_whole_numbers(inputs)  # where Keras calls this function alone
        mask, lengths = inputs.get("attention_mask"), inputs.get("lengths")
        if lengths is not None:
            lengths = ops.cast(lengths, "int32")
            if mask is None:
                positions = ops.arange(ops.shape(inputs["input_ids"])[1], dtype="int32")
                mask = positions < lengths[:, None]  # (B, L)
        bias = None if mask is None else padding_bias(mask, self.compute_dtype)

        ids, segments = inputs["input_ids"], inputs.get("token_type_ids")
        hidden = run(self.embeddings, ids, segments, training=training)
        hidden_states, attentions, queries, keys = [], [], [], []
        for layer in self.encoder_layers:
            if output_hidden_states:
                hidden_states.append(hidden)
            if self.remat and training and not output_attentions:
                hidden = rematerialized(layer, hidden, bias, lengths)
                continue
            hidden = run(
                layer,
                hidden,
                bias=bias,
                training=training,
                return_weights=output_attentions,
                lengths=lengths,
            )
            if output_attentions:
                hidden, weights, query, key = hidden
                attentions.append(weights)
                queries.append(query)
                keys.append(key)

        outputs: dict[str, Any] = {
            "last_hidden_state": hidden,
        }
        if self.pooler is not None:
            outputs["pooler_output"] = run(self.pooler, hidden, training=training)
        if output_hidden_states:
            outputs["hidden_states"] = [*hidden_states, hidden]
        if output_attentions:
            outputs |= {"attentions": attentions, "queries": queries, "keys": keys}
        return outputs

    def compute_output_shape(self, input_shape) -> dict[str, tuple[int | None, ...]]:
        """The shapes of what is returned unasked, for `summary`."""
        batch, length = input_shape
        shapes: dict[str, tuple[int | None, ...]] = {}
        shapes["last_hidden_state"] = (batch, length, self.hidden_size)
        if self.pooler is not None:
            shapes["pooler_output"] = (batch, self.hidden_size)
        return shapes

    def compute_output_spec(
        self, inputs, training=None, output_hidden_states=False, output_attentions=False
    ) -> dict[str, Any]:
        """What `call` returns, as symbols, for a functional `keras.Model` around it."""
        shape = input_ids_shape(inputs)
        batch, length = shape
        layers, heads = len(self.encoder_layers), self._arguments["num_attention_heads"]
        shapes: dict[str, Any] = self.compute_output_shape(shape)
        if output_hidden_states:
            shapes["hidden_states"] = [shapes["last_hidden_state"]] * (layers + 1)
        if output_attentions:
            per_head = (batch, length, heads, self.hidden_size // heads)
            shapes["attentions"] = [(batch, heads, length, length)] * layers
            shapes["queries"] = shapes["keys"] = [per_head] * layers

        def symbol(shape):
            if isinstance(shape, list):
                return [symbol(each) for each in shape]
            return keras.KerasTensor(shape, dtype=self.compute_dtype)

        return {name: symbol(shape) for name, shape in shapes.items()}

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that is saved with the model, or None."""
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer | None) -> None:
        check_tokenizer(tokenizer, self.vocab_size)
        self._tokenizer = tokenizer

    def save_assets(self, folder: str) -> None:
        """Writes the tokenizer, where there is one, into the `.keras` file's folder."""
        if self._tokenizer is not None:
            self._tokenizer.save(folder)

    def load_assets(self, folder: str | None) -> None:
        """Reads the tokenizer that `save_assets` wrote; without one the file has no folder."""
        if folder is not None and Path(folder, VOCABULARY_FILE).exists():
            self.tokenizer = Tokenizer.from_file(folder)

    def _config(self) -> dict[str, Any]:
        return {**self._arguments, "dtype": self.dtype_policy.name}


# What `get_config` gives back; Keras keeps a model's name and dtype.
_ARGUMENTS = [
    each
    for each in inspect.signature(Bert.__init__).parameters
    if each not in ("self", "name", "dtype")
]
_ENDS = {"initializer_range": 100.0, "layer_norm_eps": 1.0}  # beyond, nothing is learnt


def input_ids_shape(inputs) -> tuple[int | None, ...]:
    """(B, L) of a model's inputs."""
    return tuple((inputs["input_ids"] if isinstance(inputs, dict) else inputs).shape)


def _checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of Bert, whole numbers as ints.

    Raises:
        KbertError: if one of them cannot be.
    """
    checked = dict(arguments)
    for name in (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
        "embedding_size",
        "position_offset",
    ):
        least = 0 if name in ("type_vocab_size", "position_offset") else 1
        checked[name] = whole_number(name, arguments[name], least)
    if arguments["attention_window"] is not None:
        window = whole_number(
            "attention_window, if it is not None,", arguments["attention_window"], 1
        )
        checked["attention_window"] = window
    for name in ("hidden_act", "pooler_activation"):
        if arguments[name] not in [*ACTIVATIONS]:
            raise KbertError(f"{name} is one of {', '.join(ACTIVATIONS)}, not {arguments[name]!r}")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        checked[name] = number_from_zero(name, arguments[name], end=1)
    for name in ("initializer_range", "layer_norm_eps"):
        checked[name] = number_from_zero(name, arguments[name], end=_ENDS[name])
    checked["seed"] = whole_number("seed", arguments["seed"], 0)
    if checked["seed"] >= 2**63:
        raise KbertError(f"seed is a whole number below 2^63, not {arguments['seed']!r:.80}")
    for name in ("add_pooling_layer", "remat"):
        if not isinstance(arguments[name], bool):
            raise KbertError(f"{name} is True or False, not {arguments[name]!r:.80}")
    if checked["hidden_size"] % checked["num_attention_heads"]:
        raise KbertError(
            f"hidden_size {checked['hidden_size']} is not a multiple of num_attention_heads "
            f"{checked['num_attention_heads']}"
        )
    if checked["position_offset"] >= checked["max_position_embeddings"]:
        raise KbertError(
            f"position_offset {checked['position_offset']} leaves no row of the "
            f"{checked['max_position_embeddings']} position embeddings"
        )
    return checked
