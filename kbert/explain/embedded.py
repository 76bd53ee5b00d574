"""A model from the token embeddings on, and how an answer's score changes with them.

`Bert` takes ids, which have no gradient. Here its parts run one after the other on vectors.

Shapes: B batch, L length, E embedding, D hidden, P masked positions, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.explain.read_text import as_array, encoder_of
from kbert.models.base import KbertModel

Score = Callable[[Any], Any]  # (B, L, E) -> (B,)


def outputs_of(
    model: KbertModel, vectors, rest: np.ndarray, head: str, position: int | None
) -> Any:
    """The logits of a head, from token embeddings.

    Args:
        model: a model with a Bert within, and the head.
        vectors: (B, L, E) token embeddings.
        rest: (L, E) what is added to them: position and segment embeddings.
        head: the attribute that is the head: "mlm", "nsp" or "classifier".
        position: for "mlm", the position that is asked for.

    Returns:
        (B, V), or (B, labels).
    """
    bert = encoder_of(model)
    embeddings = bert.embeddings
    vectors = ops.convert_to_tensor(vectors)
    hidden = embeddings.layer_norm(vectors + ops.convert_to_tensor(rest), training=False)
    if embeddings.embedding_size != embeddings.hidden_size:
        hidden = embeddings.projection(hidden)
    for layer in bert.encoder_layers:
        hidden = layer(hidden, training=False)
    if head != "mlm":
        assert bert.pooler is not None  # these heads have one
        return getattr(model, head)(bert.pooler(hidden))
    positions = ops.full((vectors.shape[0], 1), position, dtype="int32")
    return model.mlm(hidden, embeddings.token_table, positions, training=False)[:, 0]  # (B, V)


def with_gradient(score: Score, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The score of each row (B,), and its gradient (B, L, E), on whichever backend runs."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def summed(each):
            scores = score(each)
            return ops.sum(scores), scores

        (_, scores), gradient = jax.value_and_grad(summed, has_aux=True)(
            ops.convert_to_tensor(vectors)
        )
    elif backend == "tensorflow":
        import tensorflow as tf

        watched = tf.convert_to_tensor(vectors)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            scores = score(watched)
        gradient = tape.gradient(scores, watched)
    else:
        import torch

        with torch.enable_grad():
            watched = ops.convert_to_tensor(vectors).detach().requires_grad_()
            scores = score(watched)
            (gradient,) = torch.autograd.grad(scores.sum(), watched)
        scores = scores.detach()
    return as_array(scores), as_array(gradient)
