"""Where in a text the answer to a question stands.

    question, context -> windows -> scores of first and last tokens -> the best spans of all windows
                      -> slices of the context

The score of a span is start logit + end logit. A span begins before it ends, and is at most
`max_answer_length` tokens long. That there is no answer is scored by [CLS], whose position a model
that was trained on such questions learns; of several windows the least of these counts.

Shapes: L length.
Source: Devlin et al. 2018, sections 4.2 and 4.3.
"""

from typing import Any, NamedTuple

import numpy as np

from kbert.errors import KbertError, counted, whole_number
from kbert.models.base import KbertModel
from kbert.models.question_answering import BertForQuestionAnswering
from kbert.pipelines.encode import (
    BATCH_SIZE,
    GLOBAL,
    largest,
    log_softmax,
    predict,
    text_list,
    tokenizer_of,
)
from kbert.pipelines.windows import Window, to_windows

CANDIDATES = 20  # of the best starts and of the best ends of a window, as in SQuAD's own code


class _Span(NamedTuple):
    score: float
    start: int
    end: int


class QuestionAnswering:
    """Answers questions by a slice of a text.

    Args:
        model: a `BertForQuestionAnswering` with a tokenizer.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import BertForQuestionAnswering, Tokenizer
        >>> model = BertForQuestionAnswering(
        ...     vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        ...     intermediate_size=8)
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 수도 ##는 서울 ##이다".split()
        >>> model.tokenizer = Tokenizer(tokens)
        >>> context = "수도는 서울이다"
        >>> answer = QuestionAnswering(model)("수도는?", context)
        >>> context[answer["start"] : answer["end"]] == answer["answer"]
        True
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForQuestionAnswering):
            raise KbertError(
                f"QuestionAnswering takes a BertForQuestionAnswering, and got a "
                f"{type(model).__name__}; load it with "
                'kbert.load(..., task="question-answering"), and fine-tune it'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(
        self,
        questions: str | list[str],
        contexts: str | list[str],
        *,
        top_k: int | None = None,
        no_answer: bool = False,
        max_question_length: int = 64,
        max_answer_length: int = 30,
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """Answers a question about a text, or a list of questions about a text each.

        Args:
            questions: a question, or a list.
            contexts: the text of each, of any length: longer ones run in windows.
            top_k: how many answers to give; None gives the best alone, not in a list.
            no_answer: whether "" (there is no answer) is among those that may be given.
            max_question_length: tokens of a question that are looked at.
            max_answer_length: the most tokens of an answer.
            batch_size: the most rows that run together; fewer of long ones.

        Returns:
            A dict, or a list of them: `answer`, `start` and `end` (characters of the context, the
            end exclusive; 0 and 0 of ""), and `score`, its probability among all that could be
            given. For lists of questions, a list of these.

        Raises:
            KbertError: if the lists differ in length, a question or a context is empty, a context
                holds nothing that the model reads and must hold the answer, or a number cannot be.
        """
        one = isinstance(questions, str)
        asked, texts = text_list("questions", questions), text_list("contexts", contexts)
        if len(asked) != len(texts):
            raise KbertError(
                f"{counted(len(asked), 'question')} and {counted(len(texts), 'context')} do not "
                "pair"
            )
        for number, (question, text) in enumerate(zip(asked, texts, strict=True)):
            if not question.strip() or not text.strip():
                what = "context" if question.strip() else "question"
                raise KbertError(f"{what}s[{number}] is empty")
        if top_k is not None:
            whole_number("top_k", top_k, 1)
        whole_number("max_answer_length", max_answer_length, 1)
        cut = [self._cut(question, max_question_length) for question in asked]
        windows = to_windows(self.tokenizer, cut, texts, self.model.max_length)
        if self.model.questions_are_global:
            for window in windows:  # [CLS] and the question
                end = np.argmax(window.row["input_ids"] == self.tokenizer.sep_id)
                window.row[GLOBAL] = np.arange(end)

        def answer(outputs: dict[str, np.ndarray], indices: list[int]) -> list[Any]:
            return [
                _spans(windows[index], outputs["start"][i], outputs["end"][i], max_answer_length)
                for i, index in enumerate(indices)
            ]

        found = predict(self.model, [window.row for window in windows], answer, batch_size)
        spans: list[list[_Span]] = [[] for _ in asked]
        nothing = np.full(len(asked), np.inf)
        for window, (mine, none) in zip(windows, found, strict=True):
            spans[window.text] += mine
            nothing[window.text] = min(nothing[window.text], none)
        if no_answer:
            for number, score in enumerate(nothing):
                spans[number].append(_Span(float(score), 0, 0))
        unread = [number for number, mine in enumerate(spans) if not mine]
        if unread:
            raise KbertError(
                f"contexts[{unread[0]}] holds nothing that the model reads: "
                f"{texts[unread[0]]!r:.80}"
            )
        ranked = [_ranked(text, mine) for text, mine in zip(texts, spans, strict=True)]
        answers = [each[0] if top_k is None else each[:top_k] for each in ranked]
        return answers[0] if one else answers

    def _cut(self, question: str, most: int) -> str:
        """A question of at most so many tokens."""
        pieces = self.tokenizer.encode_pieces([question], ["offsets"])
        if len(pieces.ids) <= whole_number("max_question_length", most, 1):
            return question
        return question[: int(pieces.columns["offsets"][most - 1, 1])]


def _spans(
    window: Window, start: np.ndarray, end: np.ndarray, longest: int
) -> tuple[list[_Span], float]:
    """The best spans of a window, in characters of the context, and the score of there being none.

    Args:
        window: of question and context.
        start: (L,) logits, or more where the batch is padded.
        end: likewise.
        longest: the most tokens of a span.
    """
    second = _second_text(window)
    begins = second[largest(start[second], CANDIDATES)] if len(second) else second
    ends = second[largest(end[second], CANDIDATES)] if len(second) else second
    size = ends[None, :] - begins[:, None] + 1
    spans = [
        _Span(
            float(start[begins[i]] + end[ends[j]]),
            int(window.offsets[begins[i], 0]),
            int(window.offsets[ends[j], 1]),
        )
        for i, j in np.argwhere((size >= 1) & (size <= longest))
    ]
    if len(second) and not spans:  # no one of the best starts goes with one of the best ends
        best = second[np.argmax(start[second] + end[second])]
        offsets = window.offsets[best].tolist()
        spans = [_Span(float(start[best] + end[best]), *offsets)]
    return spans, float(start[0] + end[0])


def _second_text(window: Window) -> np.ndarray:
    """The positions of the second text's tokens: those behind the last separator but one."""
    is_text = window.is_text
    gap = np.flatnonzero(~is_text)
    inner = gap[(gap > 0) & (gap < len(is_text) - 1)]
    return np.flatnonzero(is_text & (np.arange(len(is_text)) > inner.max(initial=0)))


def _ranked(context: str, spans: list[_Span]) -> list[dict[str, Any]]:
    """Spans as answers, the best first, each text once, with the probability of each."""
    best: dict[tuple[int, int], float] = {}
    for span in spans:
        ends = (span.start, span.end)
        best[ends] = max(best.get(ends, -np.inf), span.score)
    ranked = sorted(best, key=lambda ends: -best[ends])
    scores = np.exp(log_softmax(np.array([best[ends] for ends in ranked])))
    return [
        {
            "answer": context[start:end],
            "start": start,
            "end": end,
            "score": float(score),
        }
        for (start, end), score in zip(ranked, scores, strict=True)
    ]
