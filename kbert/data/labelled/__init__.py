"""Labelled text -> batches: examples as plain lists, labels beside pieces, rows by length.

examples.py           labelled texts: plain lists, labels as they are written
read_table.py         a table -> Examples, checked row by row
table_rows.py         the rows of a table: CSV, jsonl, Parquet, Excel, DataFrames, datasets
split.py              two parts that share no text
rows.py               examples -> rows and windows of ids, and what a model is to say of each
batches.py            rows -> batches by length, a keras.utils.PyDataset
"""
