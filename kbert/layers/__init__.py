"""The parts of a BERT, each a `keras.layers.Layer`."""

from kbert.backend import require_backend

require_backend()
