"""Sentences with one token masked at a time: what pseudo-perplexity is measured on.

    PPPL = exp(-(1 / T) sum over tokens t of log P(t | the sentence without t))

A perplexity for a model that reads from both sides: how many tokens it hesitates between where one
is missing. Each of the T tokens needs a row of its own, so it is measured on a sample.

Shapes: B batch, L length, T tokens of the sample.
Source: Salazar et al. 2020, "Masked Language Model Scoring", section 2.3.
"""

from typing import Any, Literal

import numpy as np

from kbert.data.shards.shards import Shard
from kbert.errors import KbertError
from kbert.text.encoding.pieces import Pieces, ranges
from kbert.text.encoding.rows import ROW, fill_rows
from kbert.text.tokenizer import Tokenizer


def pseudo_perplexity_batches(
    shard: Shard,
    tokenizer: Tokenizer,
    *,
    sequence_length: int,
    batch_size: int,
    seed: int,
    sentences: int = 64,
    objective: Literal["pretraining", "masked-lm", "replaced-token-detection"] = "pretraining",
) -> list[tuple[dict[str, Any], Any, Any]]:
    """Batches of `(x, y, sample_weight)` whose mean masked-LM loss is the logarithm of the PPPL.

    Args:
        shard: the text.
        tokenizer: the one that made it.
        sequence_length: L; longer sentences are not drawn.
        batch_size: B; the last batch is filled with rows of weight 0.
        seed: equal seeds draw equal sentences.
        sentences: how many are drawn, if there are as many.
        objective: with "masked-lm", a model's only output has no name, and so have `y` and weights;
            with "replaced-token-detection" the generator is asked, and what it replaces does not
            count.

    Raises:
        KbertError: if no sentence fits.

    Example:
        >>> from kbert.data.shards.shards import encode_documents
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가", "나"])
        >>> shard = encode_documents([["가 나"]], tokenizer)
        >>> x, y, weights = pseudo_perplexity_batches(
        ...     shard, tokenizer, sequence_length=5, batch_size=2, seed=0)[0]
        >>> x["input_ids"].tolist(), y["mlm"].tolist()
        ([[2, 4, 6, 3, 0], [2, 5, 4, 3, 0]], [[5], [6]])
    """
    lengths = np.diff(shard.sentence_starts)
    fitting = np.flatnonzero(lengths <= sequence_length - 2)
    if not len(fitting):
        raise KbertError(
            f"no sentence fits into {sequence_length} tokens with [CLS] and [SEP]; the shortest "
            f"has {lengths.min()}"
        )
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(fitting)[:sentences])
    counts = lengths[drawn]
    starts = shard.sentence_starts[drawn]
    ids = shard.ids[ranges(starts, counts)].astype(np.int32)  # (T,)
    total = len(ids)
    rows = -(-total // batch_size) * batch_size
    plan = np.zeros(rows, ROW)  # what fills the last batch up is [CLS] [SEP]
    plan["text"][:total] = np.repeat(np.arange(len(counts)), counts)
    plan["first_end"][:total] = np.repeat(counts, counts)
    x = fill_rows(
        plan,
        Pieces(ids, np.append(0, np.cumsum(counts))),
        None,
        length=sequence_length,
        pad_id=tokenizer.pad_id,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
    )
    positions = np.zeros((rows, 1), np.int32)
    positions[:total, 0] = ranges(np.ones_like(counts), counts)  # behind [CLS]
    labels = np.zeros((rows, 1), np.int32)
    labels[:total, 0] = ids
    x["input_ids"][np.arange(total), positions[:total, 0]] = tokenizer.mask_id
    x["masked_lm_positions"] = positions
    weights = (np.arange(rows) < total).astype(np.float32)[:, None]
    if objective == "masked-lm":
        y, weight = labels, weights
    elif objective == "replaced-token-detection":
        x["masked_lm_ids"] = labels
        y = {"mlm": labels, "rtd": np.zeros_like(x["input_ids"])}
        weight = {"mlm": weights, "rtd": np.zeros(x["input_ids"].shape, np.float32)}
    else:  # there is no second text, so next sentence has no weight
        y = {"mlm": labels, "nsp": np.zeros(rows, np.int32)}
        weight = {"mlm": weights, "nsp": np.zeros(rows, np.float32)}
    return [
        (_cut(x, begin, batch_size), _cut(y, begin, batch_size), _cut(weight, begin, batch_size))
        for begin in range(0, rows, batch_size)
    ]


def _cut(arrays: Any, begin: int, count: int) -> Any:
    if isinstance(arrays, dict):
        return {name: array[begin : begin + count] for name, array in arrays.items()}
    return arrays[begin : begin + count]
