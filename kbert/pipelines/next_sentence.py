"""Does the second text follow the first?

Shapes: B batch.
"""

from typing import Any

import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.labels import IS_NEXT, IS_RANDOM
from kbert.models.base import KbertModel
from kbert.models.pretraining import BertForNextSentencePrediction, BertForPreTraining
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
from kbert.pipelines.unknown_words import warn_of_unknown_words


class NextSentence:
    """Judges whether one text follows another, with the next-sentence head.

    Args:
        model: a `BertForPreTraining` or `BertForNextSentencePrediction` with a tokenizer.

    Raises:
        KbertError: if the model has no next-sentence head or no tokenizer.

    Example:
        >>> from kbert import BertForPreTraining, Tokenizer
        >>> model = BertForPreTraining(vocab_size=7, hidden_size=4, num_hidden_layers=1,
        ...                            num_attention_heads=1, intermediate_size=8)
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "축구", "경기"]
        >>> model.tokenizer = Tokenizer(words)
        >>> sorted(NextSentence(model)("축구", "경기"))
        ['label', 'next', 'random']
        >>> len(NextSentence(model).rank("축구", ["경기", "축구"]))
        2
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForNextSentencePrediction | BertForPreTraining):
            raise KbertError(
                "NextSentence takes a BertForNextSentencePrediction or a BertForPreTraining, and "
                f"got {kind_of(model)}, which has no next-sentence head. Load a file or "
                "checkpoint that was saved with one: where there is none, "
                "task='next-sentence-prediction' makes one with random weights, which has to be "
                "trained first"
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(
        self, first: str | list[str], second: str | list[str], *, batch_size: int = BATCH_SIZE
    ) -> Any:
        """Judges a pair, or a list of pairs.

        Args:
            first: a text, or a list of B texts.
            second: the text that may follow each.
            batch_size: the most pairs that run together; fewer of long ones.

        Returns:
            A dict of `label` (0 next, 1 random), and the probabilities `next` and `random`, which
            sum to 1; for lists, a list of B dicts. Texts that are too long together are cut, the
            longer first. A warning of the logger "kbert" says how many these are, and names words
            that the vocabulary does not know.

        Raises:
            KbertError: if the lists differ in length, or a text is empty.
        """
        firsts, seconds = text_list("first", first), text_list("second", second)
        check_read(self.tokenizer, first=firsts, second=seconds)
        rows = to_rows(self.tokenizer, firsts, seconds, max_length=self.model.max_length)
        warn_of_unknown_words(self.tokenizer, [*firsts, *seconds], rows)
        warn_of_cut_texts(self.tokenizer, rows, firsts, seconds, self.model.max_length)
        judged = judge_rows(self.model, rows, batch_size)
        return judged[0] if isinstance(first, str) else judged

    def rank(
        self, first: str, candidates: list[str], *, batch_size: int = BATCH_SIZE
    ) -> list[dict[str, Any]]:
        """Orders texts by how well they follow a text.

        Args:
            first: the text.
            candidates: the texts that may follow it.
            batch_size: as for a call.

        Returns:
            A dict for each candidate, the likeliest first: `text`, its `index` in `candidates`,
            and the probability `next`. (Each is judged alone: they do not sum to 1.)

        Raises:
            KbertError: if a text is empty.
        """
        if not isinstance(first, str):
            raise TypeError(f"first is a text (str), not {first!r:.80}")
        texts = text_list("candidates", candidates)
        judged = self([first] * len(texts), texts, batch_size=batch_size)
        ranked = [
            {"text": text, "index": index, "next": each["next"]}
            for index, (text, each) in enumerate(zip(texts, judged, strict=True))
        ]
        return sorted(ranked, key=lambda each: -each["next"])


def judge_rows(
    model: KbertModel, rows: list[Row], batch_size: int = BATCH_SIZE
) -> list[dict[str, Any]]:
    """The answers of `NextSentence` to pairs that are rows of ids already."""

    def answer(logits: np.ndarray, indices: list[int]) -> list[dict[str, Any]]:  # (B, 2)
        return [
            {
                "label": int(row.argmax()),
                "next": float(row[IS_NEXT]),
                "random": float(row[IS_RANDOM]),
            }
            for row in np.exp(log_softmax(logits[: len(indices)]))
        ]

    return predict(model, rows, answer, batch_size, output="nsp")
