"""Some next-sentence pairs of a text, made as those that a model is trained on."""

from typing import NamedTuple

import numpy as np

from kbert.data.pretraining.instances import Instances, pair_planner
from kbert.data.pretraining.rows import instance_rows
from kbert.data.pretraining.sources import Source
from kbert.data.shards.shards import Shard
from kbert.labels import IS_NEXT
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION


class SamplePair(NamedTuple):
    """A pair to ask a model about.

    Attributes:
        input_ids: its row, without padding.
        token_type_ids: the segments.
        first: the first text; "..." stands where it was cut to fit.
        second: the second text.
        follows: whether it follows the first.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    first: str
    second: str
    follows: bool


def sample_pairs(
    shard: Shard, tokenizer: Tokenizer, *, sequence_length: int, seed: int, count: int = 20
) -> list[SamplePair]:
    """Draws pairs, as many that follow as that do not.

    Pairs in training are spans of sentences that fill a row, and the longer text is cut to fit. A
    model that has seen few pairs of single sentences judges those worse, so it is asked what it
    was trained on.

    Args:
        shard: the text, with two documents or more.
        tokenizer: the one that made it.
        sequence_length: L, special tokens included.
        seed: another than that of training draws other pairs.
        count: how many; fewer where the text gives no more.

    Raises:
        KbertError: if there are no pairs to draw: only one document, or rows that are too short.

    Example:
        >>> from kbert.data.shards.shards import encode_documents
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 가 나 다 라 .".split())
        >>> shard = encode_documents([["가.", "나."], ["다.", "라."]], tokenizer)
        >>> pairs = sample_pairs(shard, tokenizer, sequence_length=9, seed=0, count=2)
        >>> [(pair.first, pair.second, pair.follows) for pair in pairs]
        [('다.', '라.', True), ('다.', '나.', False)]
    """
    planned_length = sequence_length - (tokenizer.separators - 1)
    drawn = Instances(Source([shard]), pair_planner(planned_length, 0.1), seed=seed)
    instances = drawn[np.arange(20 * count)]
    _, first = np.unique(instances, return_index=True)
    instances = instances[np.sort(first)]
    half = -(-count // 2)
    follows = instances["label"] == IS_NEXT
    chosen = np.concatenate([instances[follows][:half], instances[~follows][: count - half]])
    rows = instance_rows([shard], chosen, tokenizer, sequence_length)
    lengths = rows["attention_mask"].sum(axis=1)
    return [
        SamplePair(
            rows["input_ids"][i, : lengths[i]],
            rows["token_type_ids"][i, : lengths[i]],
            _text(shard, tokenizer, pair["first_start"], pair["first_end"]),
            _text(shard, tokenizer, pair["second_start"], pair["second_end"]),
            bool(pair["label"] == IS_NEXT),
        )
        for i, pair in enumerate(chosen)
    ]


def _text(shard: Shard, tokenizer: Tokenizer, start: int, end: int) -> str:
    """Some ids as text, with dots where they begin or end within a sentence."""
    before = "" if start in shard.sentence_starts else "..."
    after = "" if end in shard.sentence_starts else "..."
    text = tokenizer.decode(shard.ids[start:end].tolist())
    return before + text.removeprefix(CONTINUATION) + after
