"""WordPiece: BERT's cleaning, words, and the longest pieces first.

Source: google-research/bert, tokenization.py.
"""

import tokenizers

from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH


def build_engine(
    ids: dict[str, int],
    unk_token: str,
    *,
    lowercase: bool,
    strip_accents: bool | None,
    split_cjk: bool,
) -> tokenizers.Tokenizer:
    """The WordPiece engine, without special tokens."""
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
