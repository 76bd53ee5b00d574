"""What a student is told beside the right answer: how probable its teacher finds each one.

Shapes: B batch, L length, D hidden, C classes or words.
Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Sanh et al. 2019,
"DistilBERT".
"""

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
