"""Texts as vectors, how like they are, and which of many are nearest.

Shapes: N texts, M others, E numbers of a vector, Q queries.
Source: Reimers and Gurevych 2019, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks".
"""

from collections.abc import Collection
from functools import cached_property
from typing import Any, Literal

import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.models.base import KbertModel
from kbert.models.fingerprint import fingerprint
from kbert.models.sentence import SentenceBert
from kbert.pipelines.encode import BATCH_SIZE, Row, predict, text_list, to_rows, tokenizer_of
from kbert.pipelines.unknown_words import warn_of_unknown_texts
from kbert.pipelines.windows import to_windows
from kbert.search.approximate import ApproximateIndex
from kbert.search.index import SentenceIndex
from kbert.search.nearest import nearest
from kbert.search.precisions import Precision, checked, checked_precision, in_precision, unit

LongTexts = Literal["windows", "cut"]
_SPECIAL = 2  # tokens of a row that are no text's: [CLS] and [SEP]


class SentenceEncoder:
    """Encodes texts, compares them, and searches among them, by a sentence model.

    A text must hold something that the model reads: an empty one is an error. One of only words
    that the vocabulary does not know is read as [UNK]; all such texts are alike to the model, and a
    warning of the logger "kbert" names the first.

    Args:
        model: a `SentenceBert` with a tokenizer.

    Attributes:
        embedding_size: E.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import Tokenizer
        >>> model = SentenceBert(vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...                      num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 배송 환불 문의".split())
        >>> encoder = SentenceEncoder(model)
        >>> encoder.encode(["배송 문의", "환불 문의"]).shape
        (2, 4)
        >>> [hit["text"] for hit in encoder.search("환불", ["배송", "환불"], top_k=1)]
        ['환불']
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, SentenceBert):
            raise KbertError(
                f"SentenceEncoder takes a SentenceBert, and got {kind_of(model)}; load it "
                'with kbert.load(..., task="sentence-embedding")'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)
        self.embedding_size = model.embedding_size

    @cached_property
    def fingerprint(self) -> str:
        """Tells the model from others, as it was when first asked for."""
        return fingerprint(self.model)

    def encode(
        self,
        texts: str | list[str],
        *,
        batch_size: int = BATCH_SIZE,
        normalize: bool = False,
        precision: Precision = "float32",
        long_texts: LongTexts = "windows",
    ) -> np.ndarray:
        """A vector for each text.

        Args:
            texts: a text, or a list of N texts.
            batch_size: the most texts that run together; fewer of long ones.
            normalize: whether vectors get length 1.
            precision: "float32", "float16", "int8" or "binary"; see `kbert/search/precisions.py`.
            long_texts: what becomes of a text that is longer than the model's `max_length`.
                "windows" reads it in windows that share some tokens: the vector's direction is that
                of the mean of theirs, weighted by their tokens, and its length the mean of theirs.
                "cut" reads the beginning, as sentence-transformers does.

        Returns:
            (N, E), of "binary" (N, E / 8); of a single text (1, E).

        Raises:
            KbertError: if a text is empty, there is no such precision or `long_texts`, or the model
                gives NaN.
        """
        checked_precision(precision, self.embedding_size)
        vectors = self._vectors(text_list("texts", texts), batch_size, long_texts)
        return in_precision(unit(vectors) if normalize else vectors, precision)

    def similarity(self, a: Any, b: Any) -> np.ndarray:
        """The cosine of each of `a` with each of `b`.

        Args:
            a: a text, N texts, or (N, E) vectors, in any precision.
            b: a text, M texts, or (M, E) vectors, in any precision.

        Returns:
            (N, M) float32, in [-1, 1].

        Raises:
            KbertError: as `encode`; or if vectors have not E numbers, or hold NaN or infinity.
        """
        return unit(self._given("a", a)) @ unit(self._given("b", b)).T

    def search(
        self,
        queries: str | list[str],
        corpus: Any,
        *,
        top_k: int = 10,
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """The texts of a corpus that are most like a query, by cosine.

        Args:
            queries: a text, or a list of Q texts.
            corpus: a `SentenceIndex`, asked exactly, or an `ApproximateIndex`; a list of texts,
                which are encoded now; or (N, E) vectors in any precision.
            top_k: how many are wanted; where there are fewer, all of them come.
            batch_size: the most texts that run together.

        Returns:
            A list of dicts, or for a list of queries a list for each: `index` (which of the
            corpus), `score` (the cosine) and, where they are known, `text` and `id`. The best is
            the first.

        Raises:
            KbertError: as `encode`; or if the corpus is an index of another model, or holds vectors
                of another dimension.
        """
        one = isinstance(queries, str)
        index = corpus.index if isinstance(corpus, ApproximateIndex) else corpus
        if isinstance(index, SentenceIndex):
            self._check_same_model(index)
        asked = self._vectors(text_list("queries", queries), batch_size)
        texts, ids = None, None
        if isinstance(corpus, SentenceIndex | ApproximateIndex):
            texts, ids = index.texts, index.ids
            scores, indices = corpus.search(asked, top_k)
        elif _are_texts(corpus):
            texts = text_list("corpus", corpus)
            scores, indices = nearest(asked, self._vectors(texts, batch_size), top_k)
        else:
            # An array stays in its precision; what is none becomes one.
            is_array = isinstance(corpus, np.ndarray)
            vectors = corpus if is_array else checked("corpus", corpus, self.embedding_size)
            scores, indices = nearest(asked, vectors, top_k)
        answers = [
            [_hit(index, score, texts, ids) for index, score in zip(*each, strict=True)]
            for each in zip(indices.tolist(), scores.tolist(), strict=True)
        ]
        return answers[0] if one else answers

    def rank(
        self, query: str, texts: list[str], *, top_k: int | None = None
    ) -> list[dict[str, Any]]:
        """Texts in the order of how like a query they are, as `CrossEncoder.rank` gives them.

        Args:
            query: a text.
            texts: N texts.
            top_k: how many are wanted; None means all.

        Returns:
            A dict for each: `index`, `score` and `text`; the best is the first.

        Raises:
            KbertError: as `encode`.
        """
        if not isinstance(query, str):
            raise TypeError(f"query is a text (str), not {query!r:.80}")
        given = text_list("texts", texts)
        return self.search(query, given, top_k=max(1, len(given)) if top_k is None else top_k)

    def _check_same_model(self, index: SentenceIndex) -> None:
        if index.dimension != self.embedding_size:
            raise KbertError(
                f"{index.folder} holds vectors of {index.dimension} numbers, and the model gives "
                f"{self.embedding_size}: it is another model's index"
            )
        if index.model is not None and index.model != self.fingerprint:
            raise KbertError(
                f"{index.folder} was built with another model (fingerprint {index.model}, and this "
                f"one's is {self.fingerprint}): vectors of two models cannot be compared. Build it "
                "again with this one, or load that one"
            )

    def _given(self, name: str, given: Any) -> np.ndarray:
        if _are_texts(given):
            return self._vectors(text_list(name, given))
        return checked(name, given, self.embedding_size)

    def _vectors(
        self, texts: list[str], batch_size: int = BATCH_SIZE, long_texts: LongTexts = "windows"
    ) -> np.ndarray:
        """(N, E) float32."""
        rows, owners = self._rows(texts, long_texts)
        self._check_rows(texts, rows, owners)

        def answer(vectors: Any, indices: list[int]) -> list[np.ndarray]:
            return list(np.asarray(vectors[: len(indices)], np.float32))

        found = predict(self.model, rows, answer, batch_size)
        vectors = np.array(found, np.float32).reshape(len(rows), self.embedding_size)
        if not np.isfinite(vectors).all():
            raise KbertError(
                "the model gives NaN or infinity for a text: its weights hold some, or its dtype "
                f"({self.model.dtype_policy.name}) is too narrow for them"
            )
        if len(rows) == len(texts):
            return vectors
        tokens = np.array([len(row["input_ids"]) - _SPECIAL for row in rows])
        return joined(vectors, np.array(owners), tokens)

    def _rows(self, texts: list[str], long_texts: str) -> tuple[list[Row], list[int]]:
        """Rows, and which text each is of."""
        if long_texts == "cut":
            rows = to_rows(self.tokenizer, texts, max_length=self.model.max_length)
            return rows, list(range(len(texts)))
        if long_texts != "windows":
            raise KbertError(f"long_texts is windows or cut, not {long_texts!r:.80}")
        windows = to_windows(self.tokenizer, texts, None, self.model.max_length)
        return [window.row for window in windows], [window.text for window in windows]

    def _check_rows(self, texts: list[str], rows: list[Row], owners: list[int]) -> None:
        for row, owner in zip(rows, owners, strict=True):
            if len(row["input_ids"]) <= _SPECIAL:
                raise KbertError(
                    f"texts[{owner}] holds nothing that the model reads: "
                    f"{texts[owner]!r:.80}; leave it out"
                )
        warn_of_unknown_texts(self.tokenizer, texts, rows, owners)


def joined(vectors: np.ndarray, owners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The vectors of windows as one for each text, (W, E) -> (N, E).

    The direction is that of the weighted mean, and the length the weighted mean of the lengths: so
    windows of length 1 make a text of length 1, and a text of one window has its vector.

    Args:
        vectors: (W, E) float32.
        owners: (W,) which text each is of; every text has one at least.
        weights: (W,) of each window.

    Example:
        >>> vectors = np.array([[0.0, 2.0], [3.0, 0.0], [0.0, 1.0]], np.float32)
        >>> joined(vectors, np.array([0, 1, 1]), np.array([5, 1, 3])).round(3).tolist()
        [[0.0, 2.0], [1.0609999895095825, 1.0609999895095825]]
    """
    count = int(owners.max()) + 1
    shares = weights / np.bincount(owners, weights)[owners]  # (W,)
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, owners, shares[:, None] * vectors)
    wanted = np.bincount(owners, shares * np.linalg.norm(vectors, axis=1))  # (N,)
    made = (unit(sums) * wanted[:, None]).astype(np.float32)
    alone = np.bincount(owners)[owners] == 1
    made[owners[alone]] = vectors[alone]
    return made


def _are_texts(given: Any) -> bool:
    """Whether it is a text or a collection of texts (a column of pandas, too), not of vectors."""
    if isinstance(given, str | bytes) or not isinstance(given, Collection):
        return isinstance(given, str | bytes)  # bytes, to be refused as no text
    first = next(iter(given), None)
    return isinstance(first, str) or (first is None and not isinstance(given, np.ndarray))


def _hit(index: int, score: float, texts: Any, ids: Any) -> dict[str, Any]:
    hit: dict[str, Any] = {"index": index, "score": score}
    if texts is not None:
        hit["text"] = texts[index]
    if ids is not None:
        hit["id"] = ids[index]
    return hit
