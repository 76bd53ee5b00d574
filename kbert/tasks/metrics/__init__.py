"""Gold and predicted labels, as plain lists -> a dict of scores in [0, 1].

Where an official metric is odd it is as odd here, and the honest one stands beside it under a name
that says what it is.

labels.py        one label, several labels or a number a text; relations
entities.py      named entities: of whole entities and of characters
answers.py       KorQuAD's F1 of characters, and KLUE's longest common substring
dependencies.py  heads and relations
states.py        what a dialogue's user has asked for
counts.py        what the metrics of labels count
"""
