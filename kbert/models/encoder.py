"""What stands under every head: ids in, a vector for every token and one for the whole row out.

    embeddings -> encoder layers -> (every token's vector, the pooled row)

Shapes: B batch, L length, D hidden, E embedding, N heads, H head size, V vocabulary.
Source: Devlin et al. 2018, section 3.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import keras
from keras import ops

from kbert.catalog import ENCODERS
from kbert.errors import KbertError
from kbert.layers.attention import padding_bias
from kbert.layers.calling import run
from kbert.layers.encoder import rematerialized
from kbert.layers.initializers import read_from_files
from kbert.layers.quantized import stored_as
from kbert.models.base import KbertModel, check_model, check_tokenizer
from kbert.models.inputs import as_whole_numbers, input_ids_shape
from kbert.text.files.own_files import VOCABULARY_FILE
from kbert.text.tokenizer import Tokenizer

# What is a list where layers were pruned, and what all of them have without it.
_PRUNED = {"heads_per_layer": "num_attention_heads", "intermediate_sizes": "intermediate_size"}


class Encoder(KbertModel):
    """An encoder of any architecture. What is said here is all that others may ask of one.

    A subclass makes its parts in its constructor, passes its checked arguments on, and ends with
    `self.build((None, None))`. Heads, pipelines and whatever changes a trained model work with
    each, since they ask for nothing but this; `tests/models/test_encoders.py` asks every encoder.

    Args:
        arguments: those of the constructor, by name, but for `name` and `dtype`. There are
            `vocab_size`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`,
            `intermediate_size`, `hidden_dropout_prob`, `attention_probs_dropout_prob`,
            `max_position_embeddings`, `initializer_range`, `layer_norm_eps`, `hidden_act`,
            `add_pooling_layer`, `remat`, `weights`, `heads_per_layer` and `seed`, which mean the
            same in each, and `intermediate_sizes` where a layer has one feed-forward network.
        max_length: the longest L, in tokens, special tokens included.
        num_segments: how many segments; with fewer than two they are not looked at.
        name: the model's name.
        dtype: a dtype policy's name.

    Attributes:
        architecture: its name in `kbert.catalog.ENCODERS`.
        has_biases: whether dense layers and norms of this architecture have biases; heads follow.
        cls_is_global: whether, with `global_attention`, [CLS] is a global token unless the inputs
            say which are; set by heads that look at nothing else.
        token_heads_transform: whether a head on tokens begins with a dense layer and a norm.
        completes_table: whether a words' head has columns of its own beside the token table's.
        vocab_size: V.
        hidden_size: D.
        max_length: as above.
        num_segments: as above.
        tokenizer: a `kbert.Tokenizer`, or None; saved with the model.
        embeddings: the layer that makes (B, L, D) of ids; its `token_table` is (V, E).
        encoder_layers: the layers that have weights of their own, from the bottom. Each has the
            dense layers of `self_attention.token_projections()`, `feed_forward.widen` and
            `feed_forward.narrow`, and the name `encoder_layer_0` and so on. A layer of several
            feed-forward networks has them as `feed_forwards`.
        layers_in_order: the layers as they are run.
        relative_positions: a table of distances that all layers share, or None.
        final_norm: a norm behind the last layer, or None.
        pooler: what makes (B, D) of (B, L, D), or None.
    """

    architecture: str
    has_biases = True
    cls_is_global = False
    token_heads_transform = False
    completes_table = False
    embeddings: Any
    encoder_layers: list[Any]
    relative_positions: Any
    final_norm: Any
    pooler: Any

    def __init__(
        self,
        arguments: dict[str, Any],
        *,
        max_length: int,
        num_segments: int,
        name: str,
        dtype: str | None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._arguments = arguments
        self.vocab_size, self.hidden_size = arguments["vocab_size"], arguments["hidden_size"]
        self.remat = arguments["remat"]
        self.max_length, self.num_segments = max_length, num_segments
        self._tokenizer: Tokenizer | None = None
        self.relative_positions = self.final_norm = self.pooler = None

    def build(self, input_shape):
        """Builds the parts; the constructor does it, since every size is known there."""
        hidden_shape = (*input_shape, self.hidden_size)
        with read_from_files(), stored_as(self._arguments["weights"]):
            self.embeddings.build(input_shape)
            if self.relative_positions is not None:
                self.relative_positions.build(hidden_shape)
            for part in self.encoder_layers:
                part.build(hidden_shape)
            if self.final_norm is not None:
                self.final_norm.build(hidden_shape)
        if self.pooler is not None:
            self.pooler.build(hidden_shape)
        self.built = True

    def _per_layer(self, count: int) -> list[tuple[int, int]]:
        """The heads and the feed-forward width of each of `count` layers.

        Raises:
            KbertError: if there are not as many as layers, or more than without pruning.
        """
        found = []
        for name, all_have in _PRUNED.items():
            given, most = self._arguments.get(name), self._arguments[all_have]
            numbers = [most] * count if given is None else given
            if len(numbers) != count or max(numbers) > most:
                raise KbertError(
                    f"{name} is a number for each of {count} layers, of at most {all_have} {most}, "
                    f"not {numbers!r:.80}"
                )
            found.append(numbers)
        return list(zip(*found, strict=True))

    @property
    def output_range(self) -> float:
        """The standard deviation of the starting weights of the dense layer that begins a head."""
        return self._arguments["initializer_range"]

    @property
    def label_range(self) -> float:
        """The same of the dense layer that scores labels."""
        return self._arguments["initializer_range"]

    @property
    def layers_in_order(self) -> list[Any]:
        """The layers as they are run, from the bottom; one may stand there more than once."""
        return list(self.encoder_layers)

    def _embed(self, inputs: dict[str, Any], tokens, training):
        """(B, L, D) of tokens, which are ids (B, L) or vectors (B, L, E)."""
        return run(self.embeddings, tokens, training=training)

    def _tokens(self, inputs: dict[str, Any]) -> Any:
        """Ids (B, L), or the vectors (B, L, E) in their place.

        Raises:
            KbertError: if a vector has not as many numbers as the token table's.
        """
        vectors, size = inputs.get("inputs_embeds"), self._arguments.get("embedding_size")
        size = self.hidden_size if size is None else size
        if vectors is None:
            return inputs["input_ids"]
        if vectors.shape[-1] != size:
            raise KbertError(
                f"inputs_embeds are vectors of the model's {size} numbers (its embedding_size), "
                f"and these have {vectors.shape[-1]}"
            )
        return vectors

    def _mask_with_extra(self, inputs: dict[str, Any], tokens, mask):
        """The mask of a row with its extra vectors.

        Raises:
            KbertError: as this encoder takes none.
        """
        raise KbertError(
            f"this {type(self).__name__} takes no extra_embeddings: a Bert does, made with "
            "extra_size, or by kbert.extend_inputs(model, extra_size)"
        )

    def _options_of_layers(self, inputs, hidden, training) -> list[dict[str, Any]]:
        """What each of `layers_in_order` is called with beside what all layers are.

        Raises:
            KbertError: if the inputs have what no layer takes.
        """
        if inputs.get("global_positions") is not None:
            raise KbertError(
                f"global_positions are for a Bert with global_attention=True, and this "
                f"{type(self).__name__} has none"
            )
        return [{}] * len(self.layers_in_order)

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
                `input_ids` alone. In the place of `input_ids` may stand `inputs_embeds` (B, L, E),
                vectors as the token table has them. Other keys are ignored. An `attention_mask`
                (B, L, L) says for each position which others it may look at. Where all padding is
                on the right, `lengths` (B,) may say so: how many tokens each row has, in place of a
                mask or beside one that says the same. There are kernels that take nothing else.
                `global_positions` (B, G) are for a `Bert` of `global_attention`: which tokens of
                each row see all and are seen by all, each once, and -1 where there are fewer.
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
        tokens, mask, lengths = self._tokens(inputs), inputs.get("attention_mask"), None
        if inputs.get("lengths") is not None:
            lengths = ops.cast(inputs["lengths"], "int32")
            if mask is None:
                positions = ops.arange(ops.shape(tokens)[1], dtype="int32")
                mask = positions < lengths[:, None]  # (B, L)
        if inputs.get("extra_embeddings") is not None:
            mask, lengths = self._mask_with_extra(inputs, tokens, mask), None
        bias = None if mask is None else padding_bias(mask, self.compute_dtype)

        hidden = self._embed(inputs, tokens, training)
        hidden_states, attentions, queries, keys = [], [], [], []
        layers = self.layers_in_order
        of_layers = self._options_of_layers(inputs, hidden, training)
        for layer, options in zip(layers, of_layers, strict=True):
            if output_hidden_states:
                hidden_states.append(hidden)
            if self.remat and training and not output_attentions:
                hidden = rematerialized(layer, hidden, bias, lengths, **options)
                continue
            hidden = run(
                layer,
                hidden,
                bias=bias,
                training=training,
                return_weights=output_attentions,
                lengths=lengths,
                **options,
            )
            if output_attentions:
                hidden, weights, query, key = hidden
                attentions.append(weights)
                queries.append(query)
                keys.append(key)

        if self.final_norm is not None:
            hidden = run(self.final_norm, hidden, training=training)
        outputs: dict[str, Any] = {
            "last_hidden_state": hidden,
        }
        if self.pooler is not None:
            outputs["pooler_output"] = run(
                self.pooler, hidden, attention_mask=mask, training=training
            )
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
        batch, length = input_ids_shape(inputs)
        extra = inputs.get("extra_embeddings") if isinstance(inputs, dict) else None
        if extra is not None and length is not None:
            length = None if extra.shape[1] is None else length + extra.shape[1]
        shape = (batch, length)
        layers = self.layers_in_order
        shapes: dict[str, Any] = self.compute_output_shape(shape)
        if output_hidden_states:
            shapes["hidden_states"] = [shapes["last_hidden_state"]] * (len(layers) + 1)
        if output_attentions:
            heads = [
                (layer.self_attention.num_attention_heads, layer.self_attention.head_size)
                for layer in layers
            ]
            shapes["attentions"] = [(batch, each, length, length) for each, _ in heads]
            per_head = [(batch, length, *each) for each in heads]
            shapes["queries"] = shapes["keys"] = per_head

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
        config = {**self._arguments, "dtype": self.dtype_policy.name}
        # Of what is not there no word: the files are those that older kberts read.
        if config["weights"] == "float32":
            del config["weights"]
        return {key: v for key, v in config.items() if key not in _PRUNED or v is not None}


def encoder_class(architecture: Any) -> type[Encoder]:
    """The encoder of a name.

    Raises:
        KbertError: if there is none of that name.

    Example:
        >>> encoder_class("bert").__name__
        'Bert'
    """
    if not isinstance(architecture, str) or architecture not in ENCODERS:
        raise KbertError(f"architecture is one of {', '.join(ENCODERS)}, not {architecture!r:.80}")
    entry = ENCODERS[architecture]
    return getattr(import_module(f"kbert.{entry.module}"), entry.class_name)


def encoder_of(model: Any) -> Encoder:
    """The encoder within a model, or the model if it is one.

    Raises:
        KbertError: if it is no model of kbert's.
    """
    if not hasattr(model, "bert"):
        check_model(model)
    return model if isinstance(model, Encoder) else model.bert


def of_text(hidden: Any, inputs: Any) -> Any:
    """(B, L + K, D) -> (B, L, D): the vectors of a text's tokens, without those of extra vectors.

    Heads score these alone.
    """
    if not isinstance(inputs, dict) or inputs.get("extra_embeddings") is None:
        return hidden
    vectors = inputs.get("inputs_embeds")
    return hidden[:, : ops.shape(inputs["input_ids"] if vectors is None else vectors)[1]]
