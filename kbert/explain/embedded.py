"""A model from the token embeddings on, and how an answer's score changes with them.

`Bert` takes ids, which have no gradient. Here its parts run one after the other on vectors.

Shapes: B batch, L length, E embedding, D hidden, P masked positions, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.explain.read_text import as_array, bert_of
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
    bert = bert_of(model)
    embeddings = bert.embeddings
    vectors = ops.convert_to_tensor(vectors)
    hidden = embeddings.layer_norm(vectors + ops.convert_to_tensor(rest), training=False)
    if embeddings.projection is not None:
        hidden = embeddings.projection(hidden)
    for layer in bert.layers_in_order:
        hidden = layer(hidden, training=False)
    if head != "mlm":
        assert bert.pooler is not None  # these heads have one
        return getattr(model, head)(bert.pooler(hidden))
    positions = ops.full((vectors.shape[0], 1), position, dtype="int32")
    return model.mlm(hidden, embeddings.token_table, positions, training=False)[:, 0]  # (B, V)


def gradient_of(score: Score) -> Callable[[np.ndarray], np.ndarray]:
    """A function that gives the score's gradient, (B, L, E) -> (B, L, E), on whichever backend.

    On JAX it is compiled as one: for a text of a new length, operation by operation took 17 s and
    this 7, of 4 layers of 256 on 2 cores.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        compiled = jax.jit(jax.grad(lambda vectors: ops.sum(score(vectors))))
        return lambda vectors: as_array(compiled(ops.convert_to_tensor(vectors)))
    if backend == "tensorflow":
        import tensorflow as tf

        def by_tape(vectors):
            watched = tf.convert_to_tensor(vectors)
            with tf.GradientTape() as tape:
                tape.watch(watched)
                scores = score(watched)
            return as_array(tape.gradient(scores, watched))

        return by_tape
    import torch

    def by_autograd(vectors):
        with torch.enable_grad():
            watched = ops.convert_to_tensor(vectors).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(score(watched).sum(), watched)
        return as_array(gradient)

    return by_autograd
