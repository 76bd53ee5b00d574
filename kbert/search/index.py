"""SentenceIndex: vectors on the disk, with the texts that they are of, and the nearest of them.

Shapes: N vectors, E numbers of each, Q queries, K wanted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.search.index_builder import Watch, build_index
from kbert.search.index_files import (
    MANIFEST,
    PROGRESS,
    VECTORS,
    check_files,
    read_manifest,
)
from kbert.search.nearest import nearest
from kbert.search.precisions import DTYPES, Precision, checked, width
from kbert.search.strings import Strings


class Encodes(Protocol):
    """What makes vectors of texts, as a `SentenceEncoder`."""

    @property
    def embedding_size(self) -> int:
        """E."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for encoders whose vectors can be compared."""
        ...

    def encode(self, texts: list[str]) -> np.ndarray:
        """(N, E) float32."""
        ...


class SentenceIndex:
    """A folder of vectors, mapped from the disk: exact search, in the memory of a block.

    Make one with `build` or `from_vectors`, open it with `open`, and ask it with
    `SentenceEncoder.search`. The stored vectors have length 1 (int8 and binary: their direction).

    A folder that somebody shared can be opened: nothing in it is run or unpickled, its files have
    just the sizes that its manifest says, and they are read where they lie.

    Attributes:
        folder: where it is.
        vectors: (N, E) as they are stored, of bits (N, E / 8); a `numpy.memmap`.
        texts: the N texts, a sequence that reads each from the disk, or None.
        ids: the N ids, or None.
        dimension: E.
        precision: of the vectors; see `kbert/search/precisions.py`.
        model: the fingerprint of the encoder that made them, or None.

    Example:
        >>> import tempfile
        >>> vectors = np.array([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = SentenceIndex.from_vectors(f"{folder}/a", vectors, ids=["가", "나", "다"])
        ...     scores, indices = index.search([[0.0, 1.0]], top_k=2)
        ...     print(scores.round(2).tolist(), [index.ids[i] for i in indices[0]])
        [[1.0, 0.800000011920929]] ['나', '가']
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]):
        self.folder = folder
        self.dimension: int = manifest["dimension"]
        self.precision: str = manifest["precision"]
        self.model: str | None = manifest["model"]
        count = manifest["count"]
        self.vectors = np.memmap(
            folder / VECTORS,
            DTYPES[self.precision],
            mode="r",
            shape=(count, width(self.precision, self.dimension)),
        )
        columns = {
            name: Strings(folder / f"{name}.bin", folder / f"{name}.starts.bin", count)
            for name in manifest["columns"]
        }
        self.texts, self.ids = columns.get("texts"), columns.get("ids")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return (
            f"SentenceIndex({str(self.folder)!r}: {len(self):,} vectors of {self.dimension} "
            f"numbers, {self.precision})"
        )

    @classmethod
    def open(cls, folder: str | Path, *, check_contents: bool = False) -> Self:
        """Opens a folder.

        Args:
            folder: the folder.
            check_contents: whether to read everything and compare it with the manifest's sha256.

        Raises:
            KbertError: if it is missing, not finished, of a newer format, damaged, or none.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            if (folder / PROGRESS).is_file():
                raise KbertError(
                    f"{folder}: the index is not finished; build it with the same arguments again, "
                    "and it goes on"
                )
            raise KbertError(f"{folder}: no index: it has no {MANIFEST}")
        manifest = read_manifest(folder)
        if not manifest["count"]:
            raise KbertError(f"{folder / MANIFEST}: an index of no vectors")
        check_files(folder, manifest, check_contents)
        return cls(folder, manifest)

    @classmethod
    def build(
        cls,
        folder: str | Path,
        texts: Iterable[str],
        encoder: Encodes,
        *,
        ids: Iterable[str] | None = None,
        precision: Precision = "float32",
        watch: Watch = lambda done: None,
    ) -> Self:
        """Encodes texts into a folder, or goes on where a former build of the same was killed.

        Of the same it is if folder, texts, ids, model and precision are; if it had come to its end,
        it is opened.

        Args:
            folder: new, empty, or what a former build left.
            texts: N texts; an iterator is read once, 4,096 at a time.
            encoder: a `SentenceEncoder`.
            ids: what the texts are called elsewhere, each a str.
            precision: of the stored vectors.
            watch: called with how many are done, after each 4,096.

        Raises:
            KbertError: if the folder holds something else, another process builds there, a text is
                empty, texts and ids are not as many, or the model gives NaN. What was done before
                is kept.
        """
        if not hasattr(encoder, "fingerprint"):
            raise KbertError(f"encoder is a kbert.SentenceEncoder(model), not {kind_of(encoder)}")
        columns = {"texts": texts} if ids is None else {"texts": texts, "ids": ids}
        _check_lists(columns)
        build_index(
            Path(folder),
            lambda start, count, part: encoder.encode(part),
            source="texts",
            model=encoder.fingerprint,
            dimension=encoder.embedding_size,
            precision=precision,
            columns=columns,
            total=None,
            watch=watch,
        )
        return cls.open(folder)

    @classmethod
    def from_vectors(
        cls,
        folder: str | Path,
        vectors: np.ndarray,
        *,
        texts: Iterable[str] | None = None,
        ids: Iterable[str] | None = None,
        model: str | None = None,
        precision: Precision = "float32",
    ) -> Self:
        """Writes vectors that are there already into a folder.

        Args:
            folder: new or empty.
            vectors: (N, E) floats; may be mapped from a disk.
            texts: what they are of, each a str.
            ids: what they are called elsewhere, each a str.
            model: the `fingerprint` of the encoder that made them; None means that `search` asks
                for their dimension only.
            precision: of the stored vectors.

        Raises:
            KbertError: if the vectors are none, hold NaN or infinity, or are not as many as texts
                and ids; or the folder holds something else.
        """
        shape = np.shape(vectors)
        if len(shape) != 2 or not shape[0] or not shape[1]:
            raise KbertError(f"vectors are an array (N, E), not one of shape {shape}")
        given = {"texts": texts, "ids": ids}
        columns = {name: each for name, each in given.items() if each is not None}
        _check_lists(columns)
        build_index(
            Path(folder),
            lambda start, count, part: vectors[start : start + count],
            source="vectors",
            model=model,
            dimension=shape[1],
            precision=precision,
            columns=columns,
            total=shape[0],
            watch=lambda done: None,
        )
        return cls.open(folder)

    def search(self, vectors: Any, top_k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of the stored vectors by cosine; exact.

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
        queries = checked("vectors", vectors, self.dimension)
        return nearest(queries, self.vectors, top_k, are_unit=self.precision == "float32")


def _check_lists(columns: dict[str, Iterable[str]]) -> None:
    for name, given in columns.items():
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise TypeError(f"{name} are a list of str, not {given!r:.80}")
