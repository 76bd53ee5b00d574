"""A file that a model is not trained on, made into what the model is asked about it."""

from pathlib import Path
from typing import NamedTuple

from kbert.data.corpus.corpus import read_documents
from kbert.data.pretraining.batches import Batch, Masking, Objective, PretrainingBatches
from kbert.data.pretraining.pseudo_perplexity import pseudo_perplexity_batches
from kbert.data.pretraining.sentence_pairs import Negatives
from kbert.data.shards.shards import Shard, encode_documents
from kbert.errors import KbertError
from kbert.text.korean.morphemes import Morphemes
from kbert.text.tokenizer import Tokenizer

_LONGEST_SENTENCE = 64  # for pseudo-perplexity, special tokens included


class HeldoutText(NamedTuple):
    """What `heldout_figures` (`kbert/training/evaluation.py`) takes of a text.

    Attributes:
        shard: the text as ids.
        batches: one pass over it, as in training; always the same rows and masks.
        pseudo_perplexity_batches: single sentences, one token masked at a time, whatever `masking`;
            none for the objective "causal", whose model reads no [MASK].
    """

    shard: Shard
    batches: PretrainingBatches
    pseudo_perplexity_batches: list[Batch]


def read_heldout(
    path: str | Path,
    tokenizer: Tokenizer,
    *,
    sequence_length: int,
    batch_size: int,
    seed: int,
    objective: Objective = "pretraining",
    masking: Masking = "token",
    mask_rate: float = 0.15,
    negatives: Negatives = "random",
    ngram: int = 1,
    encoding: str = "utf-8",
) -> HeldoutText:
    """Reads a file of held-out text, or a folder of files.

    Args:
        path: as `read_documents` takes it.
        tokenizer: the model's.
        sequence_length: L, in tokens, special tokens included.
        batch_size: B.
        seed: equal seeds give equal rows, masks and sentences.
        objective: what the model was trained for, as `PretrainingBatches` has it.
        masking: what is masked as a whole; morphemes are those that Mecab finds.
        mask_rate: the share of tokens to guess.
        negatives: what half of the second texts are, as `PretrainingBatches` has it.
        ngram: the most words that are masked together.
        encoding: of text files.

    Raises:
        KbertError: if the file cannot be read, or has no text, or no sentence that fits into L and
            64 tokens.
    """
    documents = list(read_documents([path], encoding))
    if not documents:
        raise KbertError(f"{path} is empty: it has no text to ask a model about")
    shard = encode_documents(
        documents,
        tokenizer,
        eojeols=masking == "eojeol",
        morphemes=Morphemes() if masking == "morpheme" else None,
    )
    batches = PretrainingBatches(
        shard,
        tokenizer,
        sequence_length=sequence_length,
        batch_size=batch_size,
        seed=seed,
        objective=objective,
        masking=masking,
        mask_rate=mask_rate,
        negatives=negatives,
        ngram=ngram,
    )
    if objective == "causal":
        return HeldoutText(shard, batches, [])
    alone = pseudo_perplexity_batches(
        shard,
        tokenizer,
        sequence_length=min(sequence_length, _LONGEST_SENTENCE),
        batch_size=batch_size,
        seed=seed,
        objective=objective,
    )
    return HeldoutText(shard, batches, alone)
