"""Optimizer, schedule, losses and progress. It knows models only as Keras does."""

from kbert.backend import require_backend

require_backend()
