"""Several blanks together, one after the other, by beam search.

    log P(x1 ... xn) = sum over i of log p(xi | the text, x1 ... xi-1, blanks behind)

Each blank is judged with the ones before it filled and the ones after it still [MASK]. BERT has no
one joint distribution of several blanks: another order gives other numbers. The order is fixed,
from left to right, so that all candidates are judged alike and each is met once; filling the
surest blank first would judge each candidate in an order of its own. Candidates for different
numbers of blanks are compared by log P / n^0.5: by log P alone the longer ones lose, and by its
mean, log P / n, nonsense wins whose last pieces follow surely from the first.

Shapes: V vocabulary.
Source: Wang and Cho 2019, "BERT has a Mouth, and It Must Speak"; Jiang et al. 2020, "X-FACTR",
section 4 (several masks, beam search); Wu et al. 2016, section 7 (a power of the length).
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kbert.models.base import KbertModel
from kbert.pipelines.encode import POSITIONS, Row, largest, log_softmax, predict

LENGTH_POWER = 0.5


@dataclass(frozen=True, eq=False)
class Form:
    """A row with blanks to fill.

    Attributes:
        question: the index of the question that it may answer; a question may have several forms.
        row: the row, [MASK] at its blanks.
        positions: where in the row the blanks are, from left to right.
        choices: for each blank, which ids may stand there: (V,) booleans.
    """

    question: int
    row: Row
    positions: list[int]
    choices: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Filled:
    """A form with some of its blanks filled, and the logarithm of its probability."""

    form: Form
    log_probability: float = 0.0
    ids: list[int] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether no blank is left."""
        return len(self.ids) == len(self.form.positions)

    @property
    def score(self) -> float:
        """What candidates are compared by; the most that it can become, while blanks are left."""
        return self.log_probability / len(self.form.positions) ** LENGTH_POWER

    def row(self) -> Row:
        """The row as far as it is filled, and the next blank."""
        input_ids = self.form.row["input_ids"].copy()
        input_ids[self.form.positions[: len(self.ids)]] = self.ids
        blank = np.array(self.form.positions[len(self.ids) :][:1], np.int32)
        return {**self.form.row, "input_ids": input_ids, POSITIONS: blank}


def fill_left_to_right(
    model: KbertModel,
    forms: list[Form],
    *,
    top_k: int,
    beam_size: int,
    batch_size: int,
    accept: Callable[[Filled], bool] = lambda filled: True,
) -> dict[int, list[Filled]]:
    """The likeliest fillings that beam search finds.

    Args:
        model: a model with a masked-LM head.
        forms: what to fill; those of one question compete.
        top_k: how many answers for each question.
        beam_size: how many fillings of each form are followed from one blank to the next.
        batch_size: rows in a batch.
        accept: whether a filling that is complete is an answer.

    Returns:
        For each question at most `top_k` fillings, the likeliest first.
    """
    answers: dict[int, list[Filled]] = defaultdict(list)
    beam = [Filled(form) for form in forms]
    while beam:
        longer = _extend(model, beam, max(beam_size, top_k), batch_size)
        for filled in longer:
            if filled.is_complete and accept(filled):
                answers[filled.form.question].append(filled)
        for question in answers:
            answers[question] = _best(answers[question], top_k)

        by_form: dict[Form, list[Filled]] = defaultdict(list)
        for filled in longer:
            found = answers[filled.form.question]
            # A score only falls from here, so what is behind the last answer stays behind it.
            hopeless = len(found) == top_k and filled.score <= found[-1].score
            if not (filled.is_complete or hopeless):
                by_form[filled.form].append(filled)
        beam = [each for group in by_form.values() for each in _best(group, beam_size)]
    return answers


def _extend(model: KbertModel, beam: list[Filled], count: int, batch_size: int) -> list[Filled]:
    """Each filling with its next blank filled by the likeliest ids that may stand there."""

    def answer(logits: np.ndarray, indices: list[int]) -> list[list[Filled]]:  # (B, 1, V)
        return [_longer(beam[i], logits[slot, 0], count) for slot, i in enumerate(indices)]

    rows = [filled.row() for filled in beam]
    groups = predict(model, rows, answer, batch_size, output="mlm")
    return [each for group in groups for each in group]


def _longer(filled: Filled, logits: np.ndarray, count: int) -> list[Filled]:
    allowed = np.flatnonzero(filled.form.choices[len(filled.ids)])
    scores = log_softmax(logits)[allowed]
    return [
        Filled(
            filled.form, filled.log_probability + float(scores[i]), [*filled.ids, int(allowed[i])]
        )
        for i in largest(scores, count)
    ]


def _best(group: list[Filled], count: int) -> list[Filled]:
    return sorted(group, key=lambda filled: -filled.score)[:count]
