"""Labelled text -> batches: examples as plain lists, labels beside pieces, rows by length.

examples.py     Examples: texts and labels as they are, before anything is a number
read_table.py   CSV, Excel, Parquet, DataFrames ... -> Examples; every bad row is named
cells.py        what a cell of one may hold: texts, labels, spans, answers
table_rows.py   the rows of such a table, whatever it is
split.py        a part to train on and one to hold out, which share no text
check_labels.py what a label may be, by task
cautions.py     what is likely a mistake: rare labels, cut texts, numbers out of reach
overlap.py      which examples of one part are in another
parses.py       the words of parsed sentences, as numbers
sentences.py    pairs, and more, of which a sentence model learns
rows.py         Examples -> rows of ids, with targets by task
batches.py      LabelledBatches: rows -> what `fit` takes, those of like lengths together
"""
