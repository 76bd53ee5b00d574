"""Documents in ids -> masked batches; `batches.py` and `heldout.py` need Keras.

training_text.py      what a run reads: files, or folders of shards
sources.py            kinds of text, and how much of each
sentence_pairs.py     documents -> next-sentence pairs, as offsets
packed_rows.py        documents -> full rows of running text, as offsets
instances.py          the n-th instance of a source, without those before it
rows.py               instances -> rows of ids, unmasked
masking.py            80/10/10, by token or whole word
batches.py            instances -> masked batches, a keras.utils.PyDataset
heldout.py            held-out text -> what a model is asked about it
pseudo_perplexity.py  rows with one token masked at a time
sample_pairs.py       some next-sentence pairs, made as in training
baseline.py           the loss of guessing by frequency, to compare with
"""
