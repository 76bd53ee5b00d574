"""A model from the token embeddings on, and how an answer's score changes with them.

Ids have no gradient; the vectors in their place do.

Shapes: B batch, L length, E embedding, D hidden, P masked positions, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.explain.read_text import as_array
from kbert.models.base import KbertModel

Score = Callable[[Any], Any]  # (B, L, E) -> (B,)


def outputs_of(
    model: KbertModel, vectors, segments: np.ndarray, head: str, position: int | None
) -> Any:
    """The logits of a head, from token embeddings.

    Args:
        model: a model with the head.
        vectors: (B, L, E) token embeddings.
        segments: (L,) of the tokens.
        head: the attribute that is the head: "mlm", "nsp" or "classifier".
        position: for "mlm", the position that is asked for.

    Returns:
        (B, V), or (B, labels).
    """
    rows = vectors.shape[0]
    inputs = {
        "inputs_embeds": vectors,
        "token_type_ids": np.tile(segments, (rows, 1)),
        # Where the words are not asked for either, one position costs less than all.
        "masked_lm_positions": np.full((rows, 1), position or 0, "int32"),
    }
    outputs = model(inputs, training=False)
    outputs = outputs[head] if isinstance(outputs, dict) else outputs
    return outputs[:, 0] if head == "mlm" else outputs


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
