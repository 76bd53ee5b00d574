"""Smaller models of a model: the same numbers in fewer bytes, or fewer numbers.

quantize.py           weights as whole numbers of a byte, or of half of one
prune.py              heads and neurons are taken out
prune_weights.py      single weights become 0, while the others are trained
importance.py         which of them matter least to a loss
"""
