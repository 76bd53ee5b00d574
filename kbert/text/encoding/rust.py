"""Hugging Face's `tokenizers` (Rust), set up as a tokenizer of ours: WordPiece, unigram or BPE."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import tokenizers
from tokenizers import AddedToken

from kbert.text import sentencepiece
from kbert.text.encoding.byte_level import byte_level_engine
from kbert.text.encoding.pieces import Pieces
from kbert.text.merges import Merges
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH

Span = tuple[int, int]  # (start, end) in a text
Encoded = tuple[list[int], list[Span], list[int | None]]  # ids, spans, and the word of each


@dataclass(frozen=True)
class Model:
    """What all ways to encode are made of, so that they give the same.

    Attributes:
        engine: WordPiece or a unigram model, from `build_engine`.
        ids: token -> id.
        scores: the log-probability of each token in a unigram model, else None.
        merges: of byte-level BPE, else None; without either it is WordPiece.
        unk_id: the id of what the pieces do not cover.
        whole_tokens: special and added tokens, which are cut out of a text whole.
        spellings: syllables that are taken apart; see `jamo.py`.
    """

    engine: tokenizers.Tokenizer
    ids: dict[str, int]
    scores: list[float] | None
    merges: Merges | None
    unk_id: int
    whole_tokens: list[AddedToken]
    spellings: dict[int, str]

    @cached_property
    def breaks_at_lines(self) -> bool:
        """Whether a line break is a space, and no part of a token: so lines may go one by one."""
        if self.merges is not None or any("\n" in token.content for token in self.whole_tokens):
            return False
        return self.scores is None or self.engine.normalizer.normalize_str("\n") in ("\n", " ")

    def encode_with_offsets(self, texts: list[str]) -> list[Encoded]:
        """What the engine finds in texts, and where.

        In a unigram model a line break goes first: control characters at the very beginning, which
        are deleted, would shift all that `tokenizers` says.
        """
        break_first = self.scores is not None and self.breaks_at_lines
        if break_first:
            texts = [f"\n{text}" for text in texts]
        found = self.engine.encode_batch(texts, add_special_tokens=False)
        if break_first:
            return [
                (each.ids, [(max(a - 1, 0), b - 1) for a, b in each.offsets], each.word_ids)
                for each in found
            ]
        return [(each.ids, each.offsets, each.word_ids) for each in found]


def build_engine(
    vocabulary: list[str],
    scores: Sequence[float] | None,
    charsmap: bytes,
    *,
    merges: Merges | None,
    unk_id: int,
    lowercase: bool,
    strip_accents: bool | None,
    split_cjk: bool,
    whole_tokens: Sequence[AddedToken],
) -> tokenizers.Tokenizer:
    """The engine, with the tokens that are cut out of a text as they stand.

    Args:
        vocabulary: the tokens.
        scores: the log-probability of each in a unigram model, else None.
        charsmap: a unigram model's table of normalisation.
        merges: of byte-level BPE, else None.
        unk_id: the id of [UNK].
        lowercase: as the Tokenizer's.
        strip_accents: as the Tokenizer's.
        split_cjk: as the Tokenizer's.
        whole_tokens: special and added tokens; see `with_roles`.
    """
    ids = {token: index for index, token in enumerate(vocabulary)}
    if merges is not None:
        engine = byte_level_engine(ids, merges)
    elif scores is None:
        engine = wordpiece_engine(
            ids,
            vocabulary[unk_id],
            lowercase=lowercase,
            strip_accents=strip_accents,
            split_cjk=split_cjk,
        )
    else:
        engine = sentencepiece.build_engine(
            vocabulary,
            list(scores),
            unk_id,
            charsmap=charsmap,
            lowercase=lowercase,
            strip_accents=bool(strip_accents),
        )
    engine.add_tokens(list(whole_tokens))
    return engine


def wordpiece_engine(
    ids: dict[str, int],
    unk_token: str,
    *,
    lowercase: bool,
    strip_accents: bool | None,
    split_cjk: bool,
) -> tokenizers.Tokenizer:
    """WordPiece: BERT's cleaning, words, and the longest pieces first; without special tokens.

    Source: google-research/bert, tokenization.py.
    """
    engine = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            ids,
            unk_token=unk_token,
            max_input_chars_per_word=MAX_WORD_LENGTH,
            continuing_subword_prefix=CONTINUATION,
        )
    )
    engine.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=split_cjk,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    engine.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    engine.decoder = tokenizers.decoders.WordPiece(prefix=CONTINUATION, cleanup=True)
    return engine


def pieces_of(found: Sequence[Encoded], wanted: Collection[str]) -> Pieces:
    """What the engine found in several texts, as arrays.

    Args:
        found: ids, spans and words of each text; the last two may be empty if not asked for.
        wanted: which of "offsets" and "word_ids" to give.
    """
    columns = {}
    if "offsets" in wanted:
        spans = chain.from_iterable(spans for _, spans, _ in found)
        flat = np.fromiter(chain.from_iterable(spans), np.int32)
        columns["offsets"] = flat.reshape(-1, 2)
    if "word_ids" in wanted:
        words = chain.from_iterable(words for _, _, words in found)
        columns["word_ids"] = np.fromiter(words, np.int32)
    ids = np.fromiter(chain.from_iterable(ids for ids, _, _ in found), np.int32)
    starts = np.cumsum([0, *(len(ids) for ids, _, _ in found)], dtype=np.int64)
    return Pieces(ids, starts, columns)
