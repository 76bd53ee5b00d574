"""A trie that many words walk through at once, in numpy.

All edges lie in one array: the child of node n by character c stands in slot base[n] + c, if the
node that stands there has n as its parent. The bases are drawn at random until no two nodes want
one slot, so an edge is found by two look-ups, without a search. Where nodes have so many children
that this does not come to an end, the edges are searched in their order instead.

Shapes: K nodes, E edges (K - 1), W words.
Source: Tarjan and Yao 1979, "Storing a Sparse Table"; Aoe 1989 (the double array).
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np

_MOST_DRAWS = 50  # an edge, on the average; KLUE-BERT's vocabulary takes 10


class Trie:
    """Finds, from many offsets of a text, the longest path that begins there.

    Args:
        paths: lists of characters, which are numbers from 0 to `size` - 1; none empty.
        values: a number from 0 for each path.
        size: how many characters there are.

    Example:
        >>> trie = Trie([[1], [1, 2, 3], [2]], [10, 11, 12], 5)
        >>> values, lengths = trie.longest(np.array([1, 2, 3, 1, 2, 4]), np.array([0, 3, 4, 5]))
        >>> values.tolist(), lengths.tolist()
        ([11, 10, 12, -1], [3, 1, 1, 0])
    """

    def __init__(self, paths: list[list[int]], values: list[int], size: int):
        self._parent, chars, self._value = _grow(paths, values)
        self._edges = (self._parent[1:].astype(np.int64) << 32) | chars  # (E,) in rising order
        self._base, self._child = _lay_out(self._parent[1:], chars, size)
        self._has_children = np.bincount(self._parent[1:], minlength=len(self._parent)) > 0

    def longest(self, chars: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The longest paths.

        Args:
            chars: the text; its last character is in no path but at the beginning.
            begins: (W,) where to begin.

        Returns:
            (W,) the value of the longest path, -1 if there is none, and (W,) its length.
        """
        value = np.full(len(begins), -1, np.int32)
        length = np.zeros(len(begins), np.int32)
        for depth, which, found in self.walk(chars, begins):
            value[which] = found
            length[which] = depth
        return value, length

    def walk(
        self, chars: np.ndarray, begins: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """All paths, the shortest first.

        Args:
            chars: as in `longest`.
            begins: (W,) where to begin.

        Yields:
            A length, from which of `begins` paths of this length go, and the values of these.
        """
        node = self._step(np.zeros(len(begins), np.int32), chars[begins])
        walking = np.flatnonzero(node)
        node, offset = node[walking], begins[walking]
        depth = 1
        while len(walking):
            here = self._value[node]
            ends = here >= 0
            yield depth, walking[ends], here[ends]
            inner = np.flatnonzero(self._has_children[node])
            walking, node, offset = walking[inner], node[inner], offset[inner]
            child = self._step(node, chars[offset + depth])
            found = np.flatnonzero(child)
            walking, node, offset = walking[found], child[found], offset[found]
            depth += 1

    def _step(self, node: np.ndarray, char: np.ndarray) -> np.ndarray:
        """(W,) the child of each node by a character; 0 where there is none."""
        if len(self._base):
            child = self._child[self._base[node] + char]
            return np.where(self._parent[child] == node, child, 0)
        wanted = (node.astype(np.int64) << 32) | char
        slot = np.minimum(np.searchsorted(self._edges, wanted), len(self._edges) - 1)
        return np.where(self._edges[slot] == wanted, slot + 1, 0)


def _grow(paths: list[list[int]], values: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes, level by level, all paths at once.

    Returns:
        (K,) each node's parent (the root's is -1), (E,) the character that leads to each node but
        the root, (K,) the value of the path that ends there, or -1.
    """
    lengths = np.fromiter(map(len, paths), np.int64, len(paths))
    flat = np.fromiter(chain.from_iterable(paths), np.int64)
    starts = np.cumsum(lengths) - lengths
    parents, chars, ends = [np.array([-1])], [], [np.array([-1])]
    all_values = np.array(values)
    node = np.zeros(len(paths), np.int64)  # where each path has come to
    alive, nodes, depth = np.arange(len(paths)), 1, 0
    while len(alive):
        edges = (node[alive] << 32) | flat[starts[alive] + depth]
        different, index = np.unique(edges, return_inverse=True)
        parents.append(different >> 32)
        chars.append(different & 0xFFFFFFFF)
        node[alive] = nodes + index
        nodes, depth = nodes + len(different), depth + 1
        done = lengths[alive] == depth
        value = np.full(len(different), -1)
        value[index[done]] = all_values[alive[done]]
        ends.append(value)
        alive = alive[~done]
    return (
        np.concatenate(parents).astype(np.int32),
        np.concatenate(chars),
        np.concatenate(ends).astype(np.int32),
    )


def _lay_out(parents: np.ndarray, chars: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The base of each node (K,), and the child in each slot, 0 where there is none.

    Both are empty if some nodes find no room.
    """
    edges = len(parents)
    slots = size * 2 + 4 * edges
    rng = np.random.default_rng(0)
    base = np.zeros(edges + 1, np.int32)
    child = np.zeros(slots, np.int32)
    numbers = np.arange(1, edges + 1, dtype=np.int32)
    draws = _MOST_DRAWS * edges
    of_root = parents == 0
    child[chars[of_root]] = numbers[of_root]
    degree = np.bincount(parents, minlength=edges + 1)
    largest = size
    for least in (64, 16, 4, 1):  # those with many children while there is much room
        waiting = (degree[parents] >= least) & (degree[parents] < largest) & ~of_root
        rows = np.flatnonzero(waiting)
        largest = least
        while len(rows):
            draws -= len(rows)
            if draws < 0:
                return np.zeros(0, np.int32), np.zeros(0, np.int32)
            nodes = np.unique(parents[rows])
            base[nodes] = rng.integers(size, slots - size, len(nodes))
            wanted = base[parents[rows]] + chars[rows]
            free = child[wanted] == 0
            child[wanted[free]] = numbers[rows[free]]
            won = child[wanted] == numbers[rows]
            lost = np.unique(parents[rows[~won]])  # these try again, with all their children
            again = np.isin(parents[rows], lost)
            child[wanted[again & won]] = 0
            rows = rows[again]
    return base, child
