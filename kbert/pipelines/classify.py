"""Which label a text, or a pair of texts, has.

Shapes: N texts, C labels.
"""

from numbers import Real
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.classification import BertForSequenceClassification
from kbert.pipelines.cut_texts import warn_of_cut_texts
from kbert.pipelines.encode import (
    BATCH_SIZE,
    Row,
    check_read,
    log_softmax,
    predict,
    text_list,
    to_rows,
    tokenizer_of,
)
from kbert.pipelines.unknown_words import warn_of_unknown_texts


class TextClassifier:
    """Labels texts or pairs with a fine-tuned classifier.

    Args:
        model: a `BertForSequenceClassification` with a tokenizer.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import BertForSequenceClassification, Tokenizer
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 재미 ##있다 ##없다".split())
        >>> answer = TextClassifier(model)("재미있다")
        >>> sorted(answer), sorted(answer["scores"])
        (['label', 'score', 'scores'], ['긍정', '부정'])
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForSequenceClassification):
            raise KbertError(
                "TextClassifier takes a BertForSequenceClassification, and got a "
                f"{type(model).__name__}; load it with "
                'kbert.load(..., task="sequence-classification"), and fine-tune it'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(
        self,
        texts: str | list[str],
        pairs: str | list[str] | None = None,
        *,
        threshold: float = 0.5,
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """Labels a text, or a list of texts.

        Args:
            texts: a text, or a list of N texts.
            pairs: the second text of each, for a model of pairs.
            threshold: of a model of several labels: the least probability of those that a text has.
            batch_size: the most texts that run together; fewer of long ones.

        Returns:
            A dict, or for a list N dicts: `label`, `score` (its probability) and `scores` (that of
            every label, the most likely first). Of several labels at once: `labels` and `scores`.
            Of regression: `score`. Texts that are too long are cut. A warning of the logger "kbert"
            says how many these are, and if there are texts of only words that the vocabulary does
            not know.

        Raises:
            KbertError: if the lists differ in length, a text is empty, or the threshold is not in
                [0, 1].
        """
        if not isinstance(threshold, Real) or not 0 <= threshold <= 1:
            raise KbertError(f"threshold is a probability in [0, 1], not {threshold!r:.80}")
        given = text_list("texts", texts)
        seconds = None if pairs is None else text_list("pairs", pairs)
        check_read(self.tokenizer, texts=given, pairs=seconds or [])
        rows = to_rows(self.tokenizer, given, seconds, max_length=self.model.max_length)
        warn_of_unknown_texts(self.tokenizer, given, rows)
        warn_of_cut_texts(self.tokenizer, rows, given, seconds, self.model.max_length)
        answers = [self._answer(row, threshold) for row in score_rows(self.model, rows, batch_size)]
        return answers[0] if isinstance(texts, str) else answers

    def scores(
        self, texts: list[str], pairs: list[str] | None = None, *, batch_size: int = BATCH_SIZE
    ) -> np.ndarray:
        """The probability of each label, in the order of `model.labels`: (N, C) float32.

        Those of several labels at once are each by itself; of regression it is the number, (N, 1).
        An empty text has some, too: official sets hold a few, and count them.
        """
        given = text_list("texts", texts)
        seconds = None if pairs is None else text_list("pairs", pairs)
        rows = to_rows(self.tokenizer, given, seconds, max_length=self.model.max_length)
        return score_rows(self.model, rows, batch_size)

    def _answer(self, scores: np.ndarray, threshold: float) -> dict[str, Any]:
        if self.model.problem_type == "regression":
            return {"score": float(scores[0])}
        order = np.argsort(-scores, kind="stable").tolist()
        named = {self.model.labels[index]: float(scores[index]) for index in order}
        if self.model.problem_type == "multi_label_classification":
            return {"labels": [name for name in named if named[name] >= threshold], "scores": named}
        label = self.model.labels[order[0]]
        return {"label": label, "score": named[label], "scores": named}


def score_rows(
    model: BertForSequenceClassification, rows: list[Row], batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """`TextClassifier.scores` of texts that are rows of ids already: (N, C) float32."""

    def answer(logits: Any, indices: list[int]) -> list[np.ndarray]:
        return list(_probabilities(logits[: len(indices)], model.problem_type))

    found = predict(model, rows, answer, batch_size)
    return np.array(found, np.float32).reshape(len(rows), len(model.labels))


def _probabilities(logits: np.ndarray, problem_type: str) -> np.ndarray:
    """(N, C) logits as probabilities; numbers of regression as they are."""
    if problem_type == "regression":
        return logits
    if problem_type == "multi_label_classification":
        return 0.5 * (1.0 + np.tanh(0.5 * logits))  # the sigmoid, without overflow
    return np.exp(log_softmax(logits))
