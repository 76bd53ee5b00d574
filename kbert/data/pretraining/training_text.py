"""What a run reads: files in memory, or folders of shards mapped from the disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from kbert.data.corpus.corpus import Document, read_documents
from kbert.data.corpus.konlpy_corpora import konlpy_documents
from kbert.data.pretraining.sources import Source
from kbert.data.shards.fingerprint import shards_fingerprint, text_fingerprint
from kbert.data.shards.shard_files import open_shards
from kbert.data.shards.shards import Shard, encode_documents
from kbert.errors import KbertError, counted
from kbert.text.korean.morphemes import Morphemes
from kbert.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class TrainingText:
    """The text of a run, as ids.

    Attributes:
        tokenizer: what made the ids.
        sources: what to draw batches from.
        fingerprint: equal for runs that read the same.
        sample: documents of it as text, to ask about in the end.
    """

    tokenizer: Tokenizer
    sources: list[Source]
    fingerprint: str
    sample: list[Document] = field(repr=False)

    @property
    def shards(self) -> list[Shard]:
        """Of all sources."""
        return [shard for source in self.sources for shard in source.shards]

    def __str__(self) -> str:
        """Says how much it is."""
        return (
            f"{counted(sum(shard.num_documents for shard in self.shards), 'document')}, "
            f"{counted(sum(shard.num_sentences for shard in self.shards), 'sentence')}, "
            f"{sum(len(shard.ids) for shard in self.shards):,} tokens, "
            f"a vocabulary of {len(self.tokenizer):,}"
        )


def text_of_corpus(
    paths: Sequence[str | Path] | None,
    tokenizer: Tokenizer | None = None,
    *,
    vocab_size: int = 32000,
    exact_vocab_size: bool = True,
    encoding: str = "utf-8",
    field: str = "text",
    eojeols: bool = False,
    morphemes: Morphemes | None = None,
) -> TrainingText:
    """Reads files, and encodes them in memory.

    Args:
        paths: files and folders, as `read_documents` takes them; None means KoNLPy's two corpora.
        tokenizer: what makes the ids; None means that a vocabulary is trained on the text.
        vocab_size: of that.
        exact_vocab_size: whether a text that gives fewer tokens is an error; else it gets as many
            as it gives.
        encoding: of text files.
        field: what tables and .jsonl call the text.
        eojeols: whether to mark the tokens that begin an eojeol, for masking whole ones.
        morphemes: an analyser, to mark those that begin a morpheme.

    Raises:
        KbertError: if there is no text, or it cannot be read.
    """
    documents = list(read_documents(paths, encoding, field=field)) if paths else konlpy_documents()
    if not documents:
        raise KbertError(f"the corpus is empty: {', '.join(map(str, paths or ()))}")
    tokenizer = tokenizer or Tokenizer.train(
        chain.from_iterable(documents), vocab_size, exact=exact_vocab_size
    )
    shard = encode_documents(documents, tokenizer, eojeols=eojeols, morphemes=morphemes)
    return TrainingText(tokenizer, [Source([shard])], text_fingerprint(shard), documents)


def text_of_shards(
    folders: Sequence[str],
    tokenizer: Tokenizer | None = None,
    *,
    weights: Sequence[float] | None = None,
    unpaired: Sequence[str] = (),
) -> TrainingText:
    """Opens folders that `build_shards` wrote, each of them a source.

    Args:
        folders: their paths.
        tokenizer: the one that made them; None means that of the first folder.
        weights: of the folders, see `Source`; None means that all are 1.
        unpaired: those of the folders that are no running text, named as in `folders`.

    Raises:
        KbertError: if a folder is not whole, or was made by another tokenizer; or the weights are
            not as many, or an unpaired one is none of the folders.
    """
    opened = [open_shards(folder) for folder in folders]
    tokenizer = tokenizer or Tokenizer.from_file(folders[0])
    for folder in opened:
        folder.check_tokenizer(tokenizer)
    weights = weights or [1.0] * len(opened)
    if len(weights) != len(opened) or not set(unpaired) <= set(folders):
        raise KbertError(
            f"{counted(len(opened), 'folder')} of shards, {counted(len(weights), 'weight')}, "
            f"unpaired {list(unpaired)}: "
            "give each folder a weight, and name the unpaired as the folders are named"
        )
    sources = [
        Source(folder.shards, weight, name not in unpaired, name)
        for folder, weight, name in zip(opened, weights, folders, strict=True)
    ]
    sample = decoded_documents(opened[0].shards[0], tokenizer)
    return TrainingText(tokenizer, sources, shards_fingerprint(opened), sample)


def decoded_documents(shard: Shard, tokenizer: Tokenizer, most: int = 50) -> list[Document]:
    """The first documents of a shard, as text again.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 가 ##나 .".split())
        >>> shard = encode_documents([["가나.", "가"], ["가 가"]], tokenizer)
        >>> decoded_documents(shard, tokenizer)
        [['가나.', '가'], ['가 가']]
    """
    starts, documents = shard.sentence_starts, []
    for begin, end in zip(shard.document_starts[:most], shard.document_starts[1:], strict=False):
        sentences = [shard.ids[starts[i] : starts[i + 1]].tolist() for i in range(begin, end)]
        documents.append([tokenizer.decode(ids) for ids in sentences])
    return documents
