"""A text -> counted words -> a WordPiece vocabulary.

word_counts.py        how often each word occurs, counted by processes in bounded memory
word_arrays.py        words in arrays: cut and counted without a Python object each
byte_pairs.py         the merges that the counts call for
vocabulary_trainer.py the tokens, in the order of their ids
"""
