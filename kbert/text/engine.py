"""Hugging Face's `tokenizers` (Rust), set up as a tokenizer of ours: WordPiece or unigram."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import tokenizers

from kbert.text import sentencepiece, wordpiece
from kbert.text.rows import Pieces

Span = tuple[int, int]  # (start, end) in a text
Encoded = tuple[list[int], list[Span], list[int | None]]  # ids, spans, and the word of each


@dataclass(frozen=True)
class Model:
    """What all ways to encode are made of, so that they give the same.

    Attributes:
        engine: WordPiece or a unigram model, from `build_engine`.
        ids: token -> id.
        scores: the log-probability of each token in a unigram model; None is WordPiece.
        unk_id: the id of what the pieces do not cover.
        whole_tokens: special and added tokens, which are cut out of a text as they stand.
        spellings: syllables that are taken apart; see `jamo.py`.
    """

    engine: tokenizers.Tokenizer
    ids: dict[str, int]
    scores: list[float] | None
    unk_id: int
    whole_tokens: list[str]
    spellings: dict[int, str]


def build_engine(
    vocabulary: list[str],
    scores: Sequence[float] | None,
    charsmap: bytes,
    *,
    unk_id: int,
    lowercase: bool,
    strip_accents: bool | None,
    split_cjk: bool,
    special_tokens: list[str],
    added_tokens: Iterable[str],
) -> tokenizers.Tokenizer:
    """The engine, with the tokens that are cut out of a text as they stand.

    Args:
        vocabulary: the tokens.
        scores: the log-probability of each in a unigram model; None is WordPiece.
        charsmap: a unigram model's table of normalisation.
        unk_id: the id of [UNK].
        lowercase: as the Tokenizer's.
        strip_accents: as the Tokenizer's.
        split_cjk: as the Tokenizer's.
        special_tokens: those that have a role.
        added_tokens: the others.
    """
    if scores is None:
        engine = wordpiece.build_engine(
            {token: index for index, token in enumerate(vocabulary)},
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
    engine.add_special_tokens(special_tokens)
    engine.add_tokens([tokenizers.AddedToken(token, normalized=False) for token in added_tokens])
    return engine


def pieces_of(found: Sequence[Encoded], places: Collection[str]) -> Pieces:
    """What the engine found in several texts, as arrays.

    Args:
        found: ids, spans and words of each text; the last two may be empty if not asked for.
        places: which of "offsets" and "word_ids" to give.
    """
    columns = {}
    if "offsets" in places:
        spans = chain.from_iterable(spans for _, spans, _ in found)
        flat = np.fromiter(chain.from_iterable(spans), np.int32)
        columns["offsets"] = flat.reshape(-1, 2)
    if "word_ids" in places:
        words = chain.from_iterable(words for _, _, words in found)
        columns["word_ids"] = np.fromiter(words, np.int32)
    ids = np.fromiter(chain.from_iterable(ids for ids, _, _ in found), np.int32)
    starts = np.cumsum([0, *(len(ids) for ids, _, _ in found)], dtype=np.int64)
    return Pieces(ids, starts, columns)
