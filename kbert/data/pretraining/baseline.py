"""What guessing without looking would score: the yardstick beside a model's loss."""

from collections.abc import Iterable

import numpy as np

from kbert.data.shards.shards import Shard
from kbert.text.tokenizer import Tokenizer

_AT_ONCE = 1 << 24  # ids: bincount makes int64 of them


def unigram_loss(shards: Iterable[Shard], tokenizer: Tokenizer) -> float:
    """The masked-LM loss, in nats, of always answering with how often each token occurs.

    It is the entropy of the tokens of the text itself, so no guesser that ignores the context does
    better on it. A model whose loss is not clearly lower has learned nothing but frequencies.

    Example:
        >>> from kbert.data.shards.shards import encode_documents
        >>> tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "가", "나"])
        >>> shard = encode_documents([["가 나 가 나"]], tokenizer)
        >>> round(unigram_loss([shard], tokenizer), 4)  # ln 2
        0.6931
    """
    counts = np.zeros(len(tokenizer))
    for shard in shards:
        for start in range(0, len(shard.ids), _AT_ONCE):
            part = shard.ids[start : start + _AT_ONCE]
            counts += np.bincount(part, minlength=len(tokenizer))
    counts[list(tokenizer.special_ids)] = 0
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
