"""Labelled texts, as plain lists.

Text and labels are strings here; what makes ids of them is `batches.py`. What a label is depends on
the task (and, for texts that get one of several labels, on `problem_type`):

    sequence-classification   "긍정"; of "regression" a number; of "multi_label_classification" a
                              list of names
    token-classification      spans, as [(start, end, "PS"), ...]: characters, the end exclusive
    question-answering        the answers, as [(start, text), ...] in the pair; [] is no answer
    multiple-choice           which of the choices is right, from 0; the pair is a list of choices
    dependency-parsing        a (head, relation, part of speech) for each word; words are numbered
                              from 1, and the root's head is 0
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Where an example was read: the line of a text file, from 1, or the place in a list."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}"


@dataclass
class Examples:
    """Texts with their labels, one of each list an example.

    Args:
        task: as `kbert.load` takes it: "sequence-classification", ...
        texts: the first text of each: a sentence, a premise, a question.
        pairs: the second: a hypothesis, a context, or a list of choices; None where there is none.
        labels: see above; None where they are not known.
        label_names: the names of all labels, in the order of the logits; none for regression,
            questions and choices.
        problem_type: of "sequence-classification", as in Hugging Face's configs.
        groups: what must not be divided between two parts, such as the premise that several
            pairs share; None means the text itself.
        ids: the set's own names of the examples, or None.
        origins: where each was read.
        set_name: the set's name in `kbert.tasks.sets.SETS`, which says how it is scored; None is a
            table of one's own.

    Example:
        >>> examples = Examples("sequence-classification", ["재미있다", "지루하다"],
        ...                     labels=["긍정", "부정"], label_names=["부정", "긍정"])
        >>> len(examples), examples.labels[1]
        (2, '부정')
    """

    task: str
    texts: list[str]
    pairs: list[Any] | None = None
    labels: list[Any] | None = None
    label_names: list[str] = field(default_factory=list)
    problem_type: str = "single_label_classification"
    groups: list[str] | None = None
    ids: list[str] | None = None
    origins: list[Origin] | None = None
    set_name: str | None = None

    def __len__(self) -> int:
        return len(self.texts)
