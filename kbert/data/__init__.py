"""From documents to batches. Nothing here imports Keras, but for `batches.py`."""
