"""Questions in words, answers in words: classes that take a model.

fill_mask.py          blanks: by tokens, by tokens that go together, by whole words
filled_text.py        a text with its blanks filled, and all else as it was written
unknown_words.py      which words of a text a model does not know
cut_texts.py          which texts are longer than a model reads
left_to_right.py      several blanks by beam search
eojeol.py             a blank filled by a whole word
next_sentence.py      does the second text follow the first
classify.py           which label a text has
tag.py                spans of a text, or its words, and their names
answer.py             the answer to a question, found in a text
sentence_encoder.py   a vector for each text, how like two are, and search among many
cross_encoder.py      how well texts go with a query, each read together with it
word_vectors.py       words as vectors: which are near, and word arithmetic
features.py           a vector for each text, by a frozen encoder
choose.py             which of several choices goes best with a text
parse.py              which word depends on which, and how
spanning_tree.py      the best tree that a parser's scores allow
windows.py            texts of any length as rows that share some tokens
encode.py             rows -> sorted batches -> answers in the texts' order
robustness.py         what a model answers where text is written otherwise
sample_predictions.py blanks, next tokens and pairs from a text, and which were right
"""
