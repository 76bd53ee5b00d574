"""The nearest of very many vectors by a graph, which does not look at all of them: approximate.

    faiss's HNSW graph -> some dozens of candidates -> their exact cosines -> the best of them

Shapes: N vectors, E numbers of each, Q queries, K wanted.
Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs".
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from kbert.errors import KbertError, how_to_install, whole_number
from kbert.search.index import SentenceIndex
from kbert.search.nearest import nearest
from kbert.search.precisions import checked, decoded, unit

LINKS = 32  # M of the paper: neighbours that each vector has in the graph
EF_CONSTRUCTION = 100  # efConstruction: candidates that are looked at where one is added
BLOCK = 1 << 16  # vectors that are added at a time


class ApproximateIndex:
    """A `SentenceIndex` that is asked by a graph: some vectors are looked at, and not all.

    A query takes about as long among ten million vectors as among one; what it names may miss some
    of the true nearest. What is named has its exact cosine. Needs `faiss-cpu`, by the extra
    "search".

    The graph is made when the object is, in memory: E float32 and 2 M links of each vector (1.8 KB
    of 384 numbers), at some thousand vectors a second. It is not written to the disk: faiss's files
    are not safe to read from a stranger, and a SentenceIndex is.

    Args:
        index: whose vectors are asked.
        ef_search: how many candidates are looked at for a query; more find more of the true
            nearest, and take longer.
        watch: called with how many vectors are in the graph, after each 65,536.

    Attributes:
        index: the `SentenceIndex`.
        ef_search: may be changed between queries.

    Raises:
        KbertError: if `ef_search` is less than 1, a stored vector has NaN or infinity, or faiss is
            not installed.

    Example:
        >>> index = kbert.SentenceIndex.open("faq.index")  # doctest: +SKIP
        >>> fast = kbert.ApproximateIndex(index)  # doctest: +SKIP
        >>> encoder.search("언제 도착해요?", fast, top_k=3)  # doctest: +SKIP
    """

    def __init__(
        self,
        index: SentenceIndex,
        *,
        ef_search: int = 64,
        watch: Callable[[int], None] = lambda done: None,
    ):
        try:
            faiss: Any = import_module("faiss")  # has no types of some of it
        except ImportError:
            raise KbertError(
                f"ApproximateIndex needs faiss: {how_to_install('search')}, or search the "
                "SentenceIndex itself, which is exact"
            ) from None
        self.index = index
        self.ef_search = whole_number("ef_search", ef_search, 1)
        self._graph = faiss.IndexHNSWFlat(index.dimension, LINKS, faiss.METRIC_INNER_PRODUCT)
        self._graph.hnsw.efConstruction = EF_CONSTRUCTION
        self._settings = faiss.SearchParametersHNSW
        for start in range(0, len(index), BLOCK):
            block = decoded(index.vectors[start : start + BLOCK], index.dimension)
            if not np.isfinite(block).all():
                raise KbertError(
                    f"of the vectors from {start:,} to {start + len(block):,} some hold NaN or "
                    "infinity"
                )
            self._graph.add(unit(block))
            watch(start + len(block))

    def __len__(self) -> int:
        return len(self.index)

    def search(self, vectors: Any, top_k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Stored vectors near to the given ones by cosine.

        Args:
            vectors: (Q, E), or one of (E,); in any precision.
            top_k: K; where there are fewer vectors, all of them come.

        Returns:
            (Q, K) float32 cosines, the largest first, and (Q, K) int64 places in the index; of
            equal ones the first comes first.

        Raises:
            KbertError: if the vectors are of another dimension, hold NaN or infinity, or `top_k` is
                less than 1.
        """
        count = min(whole_number("top_k", top_k, 1), len(self))
        queries = checked("vectors", vectors, self.index.dimension)
        looked_at = max(self.ef_search, count)
        settings = self._settings(efSearch=looked_at)
        _, found = self._graph.search(unit(queries), min(looked_at, len(self)), params=settings)
        scores = np.empty((len(queries), count), np.float32)
        indices = np.empty((len(queries), count), np.int64)
        for i, places in enumerate(found):
            places = np.sort(places[places >= 0])  # -1 where the graph found fewer
            if len(places) < count:
                scores[i], indices[i] = (each[0] for each in self.index.search(queries[i], count))
                continue
            scores[i], best = nearest(queries[i : i + 1], self.index.vectors[places], count)
            indices[i] = places[best[0]]
        return scores, indices
