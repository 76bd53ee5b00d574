"""Texts as fixed vectors: what a frozen encoder makes of them, for a classifier of any kind.

Shapes: N texts, B batch, L length, D hidden, K layers.
Source: Devlin et al. 2018, section 5.3, "Feature-based Approach with BERT".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder, encoder_of
from kbert.pipelines.cut_texts import warn_of_cut_texts
from kbert.pipelines.encode import BATCH_SIZE, check_read, predict, text_list, to_rows, tokenizer_of

POOLINGS = ("mean", "cls")


def features(
    model: KbertModel,
    texts: str | list[str],
    pairs: str | list[str] | None = None,
    *,
    layers: Sequence[int] = (-4, -3, -2, -1),
    pooling: str = "mean",
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """A vector for each text, from a frozen encoder: the outputs of several layers side by side.

    The model is run once and stays as it is. A classifier on the vectors is trained in seconds,
    and they can be kept with `np.save`.

    Args:
        model: any of kbert's with a tokenizer; its head, if it has one, is left out.
        texts: a text, or N texts. Those that are too long are cut, and a warning of the logger
            "kbert" says how many these are.
        pairs: the second text of each, where there is one.
        layers: which K outputs, in their order: 0 is the embeddings, 1 the first layer, -1 the
            last. Four layers are what the paper found best.
        pooling: "mean" is the mean of all of a text's tokens, [CLS] and [SEP] too; "cls" is [CLS].
        batch_size: the most texts that run together; fewer of long ones.

    Returns:
        (N, K D) float32; of a single text (1, K D).

    Raises:
        KbertError: if the model has no tokenizer or no such layer, the pooling is none, or the
            lists differ in length, or a text is empty.

    Example:
        >>> from kbert import SIZES, Bert, Tokenizer
        >>> bert = Bert(vocab_size=7, **SIZES["tiny"])
        >>> bert.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##는".split())
        >>> features(bert, ["국회", "국회는"], layers=(-2, -1)).shape
        (2, 256)

    Source: Devlin et al. 2018, section 5.3 and table 7.
    """
    if pooling not in POOLINGS:
        raise KbertError(f"pooling is one of {', '.join(POOLINGS)}, not {pooling!r:.80}")
    tokenizer = tokenizer_of(model)
    bert = encoder_of(model)
    frozen = _Frozen(bert, _places(bert, layers), pooling)
    given = text_list("texts", texts)
    seconds = None if pairs is None else text_list("pairs", pairs)
    check_read(tokenizer, texts=given, pairs=seconds or [])
    rows = to_rows(tokenizer, given, seconds, max_length=model.max_length)
    warn_of_cut_texts(tokenizer, rows, given, seconds, model.max_length)

    def answer(vectors: Any, places: list[int]) -> list[np.ndarray]:
        return list(np.asarray(vectors[: len(places)], np.float32))

    found = predict(frozen, rows, answer, batch_size)
    return np.array(found, np.float32).reshape(len(rows), frozen.width)


class _Frozen(KbertModel):
    """An encoder that gives (B, K D): pooled, so that nothing of a batch's length leaves it."""

    def __init__(self, bert: Encoder, places: list[int], pooling: str):
        super().__init__(name="features", dtype=bert.dtype_policy.name)
        self.bert, self.places, self.pooling = bert, places, pooling
        self.vocab_size, self.max_length = bert.vocab_size, bert.max_length
        self.num_segments, self.tokenizer = bert.num_segments, bert.tokenizer
        self.width = len(places) * bert.hidden_size
        self.built = True

    def call(self, inputs, training=None):
        """Runs the encoder, never in training."""
        states = self.bert(inputs, training=False, output_hidden_states=True)["hidden_states"]
        chosen = ops.concatenate(
            [ops.cast(states[place], "float32") for place in self.places], axis=-1
        )  # (B, L, K D)
        if self.pooling == "cls":
            return chosen[:, 0]
        mask = ops.cast(inputs["attention_mask"], "float32")[:, :, None]  # (B, L, 1)
        return ops.sum(chosen * mask, axis=1) / ops.sum(mask, axis=1)

    def compute_output_shape(self, input_shape):
        """(B, K D)."""
        return (None, self.width)


def _places(bert: Encoder, layers: Sequence[int]) -> list[int]:
    """The layers as places in `hidden_states`, which begins with the embeddings."""
    count = len(bert.layers_in_order) + 1
    given = list(layers) if isinstance(layers, Sequence) and not isinstance(layers, str) else []
    if not given or not all(type(each) is int and -count <= each < count for each in given):
        raise KbertError(
            f"layers are whole numbers from {-count} to {count - 1}, as (-2, -1): the model has "
            f"{count - 1} layers, and 0 is its embeddings; not {layers!r:.80}"
        )
    return [each % count for each in given]
