"""What a student is told beside the right answer: how probable its teacher finds each one.

Shapes: B batch, L length, D hidden, C classes or words, N heads, H head size.
Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Sanh et al. 2019,
"DistilBERT"; Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation for Task-Agnostic
Compression of Pre-Trained Transformers".
"""

import math

from keras import ops


def soft_target_loss(logits, of_teacher, temperature: float):
    """How far a student's probabilities are from its teacher's, both softened.

        loss = T^2 KL(softmax(t / T) || softmax(s / T))

    T^2 keeps the gradient's size, which falls by that much.

    Args:
        logits: (..., C), the student's.
        of_teacher: (..., C).
        temperature: T, above 0; 1 softens nothing.

    Returns:
        (...) float32, 0 where both say the same.

    Example:
        >>> s, t = ops.log(ops.array([0.5, 0.5])), ops.log(ops.array([0.9, 0.1]))
        >>> round(float(soft_target_loss(s, t, 1.0)), 4)  # 0.9 log(0.9 / 0.5) + 0.1 log(0.1 / 0.5)
        0.3681
    """
    scaled = [ops.cast(each, "float32") / temperature for each in (logits, of_teacher)]
    student, teacher = scaled
    sums = [ops.logsumexp(each, axis=-1, keepdims=True) for each in scaled]  # (..., 1)
    of_student, of_teacher = sums
    probabilities = ops.exp(teacher - of_teacher)  # (..., C)
    apart = ops.sum(probabilities * (teacher - student), axis=-1)
    return temperature**2 * (apart + (of_student - of_teacher)[..., 0])


def cosine_distance(one, two):
    """1 - cos of the angle between vectors: (B, L, D) twice -> (B, L), float32.

    Example:
        >>> float(cosine_distance(ops.array([3.0, 4.0]), ops.array([4.0, 3.0]))).__round__(4)
        0.04
    """
    one, two = (ops.cast(each, "float32") for each in (one, two))
    squares = ops.sum(ops.square(one), axis=-1) * ops.sum(ops.square(two), axis=-1)
    return 1 - ops.sum(one * two, axis=-1) * ops.rsqrt(ops.maximum(squares, 1e-24))


def relation_loss(student, teacher, bias=None):
    """How far what a student's positions take from each other is from its teacher's.

        R(a, b) = softmax(a b^T / sqrt(H)), a row for each position and head
        loss = mean over heads of KL(R of the teacher || R of the student)

    Of queries and keys it is attention's weights (MiniLM's equation 4); of values and values their
    relation (equation 6). Student and teacher may have heads of other sizes, and of other layers'
    widths, but as many.

    Args:
        student: a and b, each (B, L, N, H).
        teacher: the same of the teacher.
        bias: what is added to the scores where there is padding, (B, 1, 1, L), or None.

    Returns:
        (B, L) float32, 0 where both are the same.

    Example:
        >>> a = ops.reshape(ops.array([1.0, 0.0]), (1, 2, 1, 1))  # two positions, one head
        >>> b = ops.zeros((1, 2, 1, 1))
        >>> loss = relation_loss((b, b), (a, a))  # of (0.731, 0.269) to (0.5, 0.5), and of equals
        >>> [round(float(each), 4) for each in loss[0]]
        [0.1109, 0.0]

    Source: Wang et al. 2020, sections 3.1 and 3.2.
    """
    scores = []
    for one, two in (student, teacher):
        one, two = (ops.cast(each, "float32") for each in (one, two))
        each = ops.einsum("bqnh,bknh->bnqk", one / math.sqrt(one.shape[-1]), two)
        scores.append(each if bias is None else each + bias)  # (B, N, L, L)
    return ops.mean(soft_target_loss(*scores, temperature=1.0), axis=1)
