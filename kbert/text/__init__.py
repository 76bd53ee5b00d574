"""Between a Korean string and its ids. Nothing here imports Keras.

tokenizer.py          Tokenizer: text or pair -> arrays; ids -> text
vocabulary.py         what a WordPiece vocabulary looks like, and the file that holds it
special_tokens.py     which token is [CLS], [SEP], ...
sentencepiece.py      unigram models: the file, read and checked, and the engine that runs them
tags.py               labels of characters beside labels of pieces, and back
merges.py             which two tokens become one, in byte-level BPE
word_pieces.py        which pieces each word between spaces begins and ends with
korean/               Unicode forms, jamo, josa, morphemes, sentences, the web's spelling
encoding/             texts -> pieces -> rows; ids -> text
learning/             a text -> counted words -> a vocabulary
files/                a tokenizer's files, ours and Hugging Face's
reports/              what a vocabulary does to a text
"""
