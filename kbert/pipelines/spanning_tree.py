"""The best tree that a parser's scores allow: Chu and Liu's algorithm, and Edmonds'.

To take the best head of each word can make circles and several roots, or none: then it is no tree.

Shapes: W words, M nodes (the root, numbered 0, and the words).
Source: Chu and Liu 1965; Edmonds 1967; McDonald et al. 2005, "Non-projective Dependency Parsing
using Spanning Tree Algorithms", for its use here.
"""

import numpy as np

from kbert.errors import KbertError


def spanning_tree(scores: np.ndarray) -> np.ndarray:
    """The heads of words that have the highest sum of scores and form a tree with one root.

    Args:
        scores: (W, W + 1) of each word with each head; column 0 is the root, column i the i-th
            word. A word is never its own head.

    Returns:
        (W,) int64 the head of each word: 0 for the one that is the root's only child.

    Raises:
        KbertError: if there are no words, the shape is another, or a score is no finite number.

    Example:
        >>> best_of_each_is_a_circle = np.array([[1.0, 0.0, 5.0], [0.0, 5.0, 0.0]])
        >>> spanning_tree(best_of_each_is_a_circle).tolist()
        [0, 1]
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or not scores.size or scores.shape[1] != len(scores) + 1:
        raise KbertError(f"scores are (words, words + 1), from one word on, not {scores.shape}")
    if not np.isfinite(scores).all():
        raise KbertError(f"scores are finite numbers, not {scores[~np.isfinite(scores)][0]}")
    size = len(scores) + 1
    square = np.full((size, size), -np.inf)
    square[1:] = scores - scores.max(axis=1, keepdims=True)  # 0 and below
    # A child of the root costs more than two trees can differ by, so there is but one.
    square[1:, 0] -= 1.0 - len(scores) * square[1:].min()
    np.fill_diagonal(square, -np.inf)
    return _best_tree(square)[1:]


def _best_tree(scores: np.ndarray) -> np.ndarray:
    """(M,) the heads of the best tree below node 0, whose own head is 0.

    Args:
        scores: (M, M) of each node (rows) with each head; -inf where it cannot be.
    """
    heads = scores.argmax(axis=1)
    heads[0] = 0
    circle = _circle(heads)
    if not len(circle):
        return heads
    # The circle becomes one node, the last. It gives the best edge that one of its nodes gives,
    # and takes a head at the node where that costs least.
    others = np.setdiff1d(np.arange(len(scores)), circle)
    last = len(others)
    smaller = np.full((last + 1, last + 1), -np.inf)
    smaller[:last, :last] = scores[np.ix_(others, others)]
    given = scores[np.ix_(others, circle)]
    smaller[:last, last] = given.max(axis=1)
    taken = scores[np.ix_(circle, others)] - scores[circle, heads[circle]][:, None]
    smaller[last, :last] = taken.max(axis=0)

    found = _best_tree(smaller)
    for index, node in enumerate(others):
        head = found[index]
        heads[node] = others[head] if head < last else circle[given[index].argmax()]
    head = found[last]
    heads[circle[taken[:, head].argmax()]] = others[head]
    return heads


def _circle(heads: np.ndarray) -> np.ndarray:
    """The nodes of a circle, in the order of their heads; none where all lead to node 0."""
    seen = np.zeros(len(heads), np.int64)  # by the walk that came by
    seen[0] = -1
    for start in range(1, len(heads)):
        node = start
        while not seen[node]:
            seen[node] = start
            node = heads[node]
        if seen[node] == start:
            circle = [node]
            while heads[circle[-1]] != node:
                circle.append(heads[circle[-1]])
            return np.array(circle)
    return np.zeros(0, np.int64)
