"""Texts -> pieces -> rows, and ids -> text.

encoder.py            texts -> pieces: which engine takes which text
rust.py               Hugging Face's `tokenizers`, set up: the engine that the others agree with
characters.py         what that engine makes of single characters
numpy_wordpiece.py    WordPiece of many texts at once
numpy_unigram.py      unigram models of many texts at once
byte_level.py         byte-level BPE, by the same engine
trie.py               a trie that many words walk through together
whole_tokens.py       where special and added tokens stand
alignment.py          from a Unicode form back to the original string
after_mask.py         what stands behind a [MASK] without a space
pieces.py             the pieces of many texts, as arrays
rows.py               pieces -> rows, cut to fit and padded
decoder.py            ids -> text
"""
