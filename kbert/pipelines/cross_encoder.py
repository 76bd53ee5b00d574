"""Query and text read together: slower than comparing vectors, and better at the order.

Shapes: N pairs.
Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT".
"""

from typing import Any

import numpy as np

from kbert.errors import KbertError, whole_number
from kbert.models.base import KbertModel
from kbert.models.classification import BertForSequenceClassification
from kbert.pipelines.classify import score_rows
from kbert.pipelines.cut_texts import warn_of_cut_texts
from kbert.pipelines.encode import BATCH_SIZE, check_read, text_list, to_rows, tokenizer_of


class CrossEncoder:
    """Scores pairs of texts by a classifier of pairs, and reranks what a search has found.

    Args:
        model: a `BertForSequenceClassification` with a tokenizer: of regression, whose number is
            the score, or of labels, of one of which the probability is.
        label: whose probability; None is the second of two labels, as in 0 and 1.

    Raises:
        KbertError: if the model is another or has no tokenizer, or there is no such label.

    Example:
        >>> from kbert import BertForSequenceClassification, Tokenizer
        >>> model = BertForSequenceClassification(
        ...     labels=["0", "1"], vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 배송 환불 문의".split())
        >>> reranker = CrossEncoder(model)
        >>> sorted(hit["index"] for hit in reranker.rank("환불", ["배송 문의", "환불 문의"]))
        [0, 1]
    """

    def __init__(self, model: KbertModel, label: str | None = None):
        if not isinstance(model, BertForSequenceClassification):
            raise KbertError(
                "CrossEncoder takes a BertForSequenceClassification of pairs, and got a "
                f"{type(model).__name__}; two texts' vectors are compared by a SentenceEncoder"
            )
        self._tokenizer, labels = tokenizer_of(model), model.labels
        if label is None and len(labels) > 2:
            raise KbertError(
                f"the model has the labels {', '.join(labels)}: name the one whose probability is "
                "the score, as label="
            )
        if label is not None and label not in labels:
            raise KbertError(f"label is one of {', '.join(labels)}, not {label!r:.80}")
        self.model = model
        self._column = len(labels) - 1 if label is None else labels.index(label)

    def scores(
        self, queries: str | list[str], texts: str | list[str], *, batch_size: int = BATCH_SIZE
    ) -> np.ndarray:
        """How well each text goes with its query.

        Args:
            queries: N texts.
            texts: the N others. Of pairs that are too long the longer text is cut, and a warning of
                the logger "kbert" says how many these are.
            batch_size: the most pairs that run together; fewer of long ones.

        Returns:
            (N,) float32: a probability, or the number of a regression.

        Raises:
            KbertError: if the lists differ in length, or a text is empty.
        """
        firsts, seconds = text_list("queries", queries), text_list("texts", texts)
        check_read(self._tokenizer, queries=firsts, texts=seconds)
        rows = to_rows(self._tokenizer, firsts, seconds, max_length=self.model.max_length)
        warn_of_cut_texts(self._tokenizer, rows, firsts, seconds, self.model.max_length)
        return score_rows(self.model, rows, batch_size)[:, self._column]

    def rank(
        self,
        query: str,
        texts: list[str],
        *,
        top_k: int | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> list[dict[str, Any]]:
        """Texts in the order of how well they go with a query.

        Args:
            query: a text.
            texts: N texts, as those of a search's best hits.
            top_k: how many are wanted; None means all.
            batch_size: the most pairs that run together.

        Returns:
            A dict for each: `index` (which of the texts), `score` and `text`; the best is the
            first, and of equal ones the first.

        Raises:
            KbertError: if the query or a text is empty, or `top_k` is less than 1.
        """
        if not isinstance(query, str):
            raise TypeError(f"query is a text (str), not {query!r:.80}")
        if not query.strip():
            raise KbertError("query is empty: there is nothing to rank by")
        given = text_list("texts", texts)
        count = None if top_k is None else whole_number("top_k", top_k, 1)
        scores = self.scores([query] * len(given), given, batch_size=batch_size)
        order = np.argsort(-scores, kind="stable")[:count]
        return [{"index": int(i), "score": float(scores[i]), "text": given[i]} for i in order]
