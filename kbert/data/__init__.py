"""From documents to batches. Nothing here imports Keras, but for three files that say so.

corpus/               files and folders -> documents; what is left out of them
shards/               documents -> ids on the disk, built once by all cores
pretraining/          documents in ids -> masked batches, and what is held out
labelled/             labelled texts -> batches by length
"""
