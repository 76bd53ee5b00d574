"""A few words that tell a vocabulary, or a text in ids, from any other."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from kbert.data.shards.shard_files import ShardFolder
from kbert.data.shards.shards import Shard
from kbert.text.tokenizer import Tokenizer

_DIGITS = 16  # of the sha256


def vocabulary_fingerprint(tokenizer: Tokenizer) -> str:
    """Equal for tokenizers that give equal ids.

    Example:
        >>> vocabulary_fingerprint(Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
        '5 tokens, sha256 ...'
    """
    described = json.dumps([tokenizer.settings, list(tokenizer.vocabulary)], sort_keys=True)
    digest = hashlib.sha256(described.encode()).hexdigest()
    return f"{len(tokenizer):,} tokens, sha256 {digest[:_DIGITS]}"


def text_fingerprint(shard: Shard) -> str:
    """Equal for texts with equal ids, sentences and documents."""
    digest = hashlib.sha256()
    for array in (shard.ids, shard.sentence_starts, shard.document_starts):
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return (
        f"{len(shard.ids):,} tokens in {shard.num_documents:,} documents, "
        f"sha256 {digest.hexdigest()[:_DIGITS]}"
    )


def shards_fingerprint(folders: Sequence[ShardFolder]) -> str:
    """Equal for folders that hold the same files, in the same order, wherever they are."""
    files = json.dumps([folder.manifest["files"] for folder in folders], sort_keys=True)
    return f"shards, sha256 {hashlib.sha256(files.encode()).hexdigest()[:_DIGITS]}"
