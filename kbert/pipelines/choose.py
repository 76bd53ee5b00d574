"""Which of several endings, causes or answers goes best with a text.

Shapes: C choices.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kbert.errors import KbertError, counted, kind_of
from kbert.models.base import KbertModel
from kbert.models.multiple_choice import BertForMultipleChoice
from kbert.pipelines.cut_texts import warn_of_cut_texts
from kbert.pipelines.encode import (
    BATCH_SIZE,
    check_read,
    log_softmax,
    predict,
    text_list,
    to_rows,
    tokenizer_of,
)


class MultipleChoice:
    """Chooses with a fine-tuned model.

    Args:
        model: a `BertForMultipleChoice` with a tokenizer.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import BertForMultipleChoice, Tokenizer
        >>> model = BertForMultipleChoice(vocab_size=9, hidden_size=4, num_hidden_layers=1,
        ...                               num_attention_heads=1, intermediate_size=8)
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 비가 온다 우산을 쓴다".split()
        >>> model.tokenizer = Tokenizer(tokens)
        >>> answer = MultipleChoice(model)("비가 온다", ["우산을 쓴다", "비가 쓴다"])
        >>> sorted(answer), len(answer["scores"])
        (['choice', 'scores', 'text'], 2)
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForMultipleChoice):
            raise KbertError(
                f"MultipleChoice takes a BertForMultipleChoice, and got {kind_of(model)}; "
                'load it with kbert.load(..., task="multiple-choice"), and fine-tune it'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(
        self,
        texts: str | list[str],
        choices: Sequence[str] | Sequence[Sequence[str]],
        *,
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """Chooses what goes with a text, or with each of a list of texts.

        Args:
            texts: a text, or a list of texts.
            choices: two choices or more; for a list of texts, a list of choices for each, which
                need not be as many.
            batch_size: the most rows that run together; fewer of long ones.

        Returns:
            A dict, or for a list one for each text: `choice` (which, from 0), `text` (its text) and
            `scores` (the probability of each choice, in their order). What is too long is cut,
            and a warning of the logger "kbert" says how many pairs of text and choice are.

        Raises:
            KbertError: if choices are not lists of texts, fewer than two, or not one list a text;
                or if a text or a choice is empty.
        """
        one = isinstance(texts, str)
        asked = text_list("texts", texts)
        given: Any = [choices] if one else choices
        answers = []
        _check(asked, given)
        check_read(self.tokenizer, texts=asked)
        for i, mine in enumerate(given):
            check_read(self.tokenizer, **{"choices" if one else f"choices[{i}]": mine})
        scores = self._scores(asked, given, batch_size, tells=True)
        for mine, probabilities in zip(given, scores, strict=True):
            best = int(probabilities.argmax())
            answers.append({"choice": best, "text": mine[best], "scores": probabilities.tolist()})
        return answers[0] if one else answers

    def scores(
        self, texts: list[str], choices: Sequence[Sequence[str]], *, batch_size: int = BATCH_SIZE
    ) -> list[np.ndarray]:
        """The probability of each choice of each text, (C,) float32; arguments as of a call."""
        texts = text_list("texts", texts)
        _check(texts, choices)
        return self._scores(texts, choices, batch_size, tells=False)

    def _scores(
        self, texts: list[str], choices: Sequence[Sequence[str]], batch_size: int, tells: bool
    ) -> list[np.ndarray]:
        """`scores`; and whether a warning tells of what is cut."""
        firsts = [text for text, mine in zip(texts, choices, strict=True) for _ in mine]
        seconds = [choice for mine in choices for choice in mine]
        rows = to_rows(self.tokenizer, firsts, seconds, max_length=self.model.max_length)
        if tells:
            warn_of_cut_texts(self.tokenizer, rows, firsts, seconds, self.model.max_length)

        def answer(logits: np.ndarray, indices: list[int]) -> list[float]:
            return logits[: len(indices), 0].tolist()

        logits = predict(self.model, rows, answer, batch_size, one_choice=True)
        ends = np.cumsum([len(mine) for mine in choices], dtype=int)
        parts = np.split(np.array(logits, np.float32), ends)[:-1]
        return [np.exp(log_softmax(part)) for part in parts]


def _check(texts: list[str], choices: Any) -> None:
    if isinstance(choices, str) or len(choices) != len(texts):
        raise KbertError(
            f"a list of choices is needed for each of {counted(len(texts), 'text')}, not "
            f"{choices!r:.80}"
        )
    for mine in choices:
        is_list = isinstance(mine, Sequence) and not isinstance(mine, str)
        if not is_list or len(mine) < 2 or not all(isinstance(each, str) for each in mine):
            raise KbertError(f"choices are a list of two texts or more, not {mine!r:.80}")
