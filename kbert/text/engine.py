"""Hugging Face's `tokenizers` (Rust), set up as a tokenizer of ours: WordPiece or unigram."""

from collections.abc import Iterable, Sequence

import tokenizers

from kbert.text import sentencepiece, wordpiece


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
