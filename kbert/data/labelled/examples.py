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
    sentence-embedding        none, of texts, or of a text with one of like meaning (or a list: that
                              one, then others of unlike meaning); of texts also a vector each.
                              Pairs with names or numbers are "sequence-classification" until a
                              sentence model reads them
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from numbers import Integral, Real
from typing import Any, NamedTuple

from kbert.data.labelled.split import divide
from kbert.errors import KbertError, counted, in_order
from kbert.labels import composed

TASKS = (  # whose examples these are
    "sequence-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "dependency-parsing",
    "sentence-embedding",
)
_SHOWN = 10  # labels, where examples are shown
ROWS_OF_JSON = 10_000  # how many become text at a time, where all are hashed


class Origin(NamedTuple):
    """Where an example was read: the line of a text file, from 1, or the index in a list."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}"


class Origins(Sequence[Origin]):
    """Where examples of one file were read: 8 bytes for each, as there may be millions.

    Args:
        file: the file's name.
        rows: the number of each example's row.

    Example:
        >>> origins = Origins("표.csv", [2, 3, 5])
        >>> str(origins[-1]), len(origins)
        ('표.csv, row 5', 3)
    """

    def __init__(self, file: str, rows: Iterable[int] = ()):
        self.file, self.rows = file, array("q", rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        """An `Origin`; or by a slice `Origins`."""
        if isinstance(place, slice):
            return Origins(self.file, self.rows[place])
        return Origin(self.file, self.rows[place])

    def at(self, places: Iterable[int]) -> "Origins":
        """Those of some examples, by their places."""
        return Origins(self.file, (self.rows[place] for place in places))


@dataclass(repr=False)
class Examples:
    """Texts with their labels, one of each list an example.

    Names of labels become NFC, as two that look alike would be two labels; texts stay as they are.

    Args:
        task: as `kbert.load` takes it: "sequence-classification", ...
        texts: the first text of each: a sentence, a premise, a question.
        pairs: the second: a hypothesis, a context, or a list of choices; None where there is none.
        labels: see above; None where they are not known.
        label_names: the names of all labels, in the order of the logits; of regression that of
            the number; none for questions and choices.
        problem_type: of "sequence-classification", as in Hugging Face's configs.
        groups: what must not be divided between two parts, such as the premise that several
            pairs share; None means the text itself.
        ids: the set's own names of the examples, or None.
        origins: where each was read.
        part: "train", "dev" or "test"; None where nobody said. On a test set nothing is chosen.
        set_name: the set's name in `kbert.tasks.sets.SETS`, which says how it is scored; None is a
            table of one's own.

    Example:
        >>> examples = Examples("sequence-classification", ["재미있다", "지루하다"],
        ...                     labels=["긍정", "부정"], label_names=["부정", "긍정"])
        >>> len(examples), examples.labels[1]
        (2, '부정')
        >>> examples
        Examples(sequence-classification; 2 examples; labels '긍정': 1, '부정': 1)
    """

    task: str
    texts: list[str]
    pairs: list[Any] | None = None
    labels: list[Any] | None = None
    label_names: list[str] = field(default_factory=list)
    problem_type: str = "single_label_classification"
    groups: list[str] | None = None
    ids: list[str] | None = None
    origins: Sequence[Origin] | None = None
    part: str | None = None
    set_name: str | None = None

    def __post_init__(self):
        names = in_order("label_names", self.label_names)
        if any(isinstance(name, str) and not name.strip() for name in names):
            raise KbertError(f"label_names has an empty name: {names!r:.200}; leave it out")
        self.label_names = list(dict.fromkeys(map(composed, names)))
        if self.task != "question-answering":  # whose labels are slices of a text
            self.labels = composed(self.labels)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, which: slice | Sequence[int]) -> "Examples":
        """Some of the examples, by a slice or their indices."""
        indices = range(len(self))[which] if isinstance(which, slice) else which
        changed = {}
        for name in ("texts", "pairs", "labels", "groups", "ids", "origins"):
            column = getattr(self, name)
            if isinstance(column, Origins):
                changed[name] = column.at(indices)
            else:
                changed[name] = None if column is None else [column[i] for i in indices]
        return replace(self, **changed)

    def split(self, share: float, seed: int = 0) -> tuple["Examples", "Examples"]:
        """Divides the examples into a part to train on and one to hold out.

        Rows of one group stay together, and so do rows whose texts are equal but for spaces and
        case, or share a sentence of 20 characters or more: else what is held out would have been
        seen. Both parts have the labels in like shares.

        Args:
            share: how much is held out, in (0, 1).
            seed: equal seeds give equal parts.

        Returns:
            The examples to train on, and those that are held out, each in their former order.

        Raises:
            KbertError: if the share is none, or the examples are too few or too much alike.

        Example:
            >>> examples = Examples("sequence-classification", [f"글 {i}" for i in range(10)],
            ...                     labels=["가", "나"] * 5, label_names=["가", "나"])
            >>> train, dev = examples.split(0.4)
            >>> len(train), sorted(dev.labels)
            (6, ['가', '가', '나', '나'])
        """
        labels = self.labels if self.is_single_label else None
        pairs = self.pairs or repeat(None)
        texts = (
            [text, other] if isinstance(other, str) else [text]
            for text, other in zip(self.texts, pairs, strict=False)
        )
        learned, held = divide(texts, self.groups, labels, share, seed)
        return self[learned], self[held]

    def balanced_weights(self) -> dict[str, float]:
        """A weight for each label, by which all weigh the same together: N / (C count).

        For `objective(model, class_weights=...)`, where some labels are rare.

        Raises:
            KbertError: if not every text has one of several labels, or one of them does not occur.

        Example:
            >>> Examples("sequence-classification", ["가", "나", "다"], labels=["참", "참", "거짓"],
            ...          label_names=["참", "거짓"]).balanced_weights()
            {'참': 0.75, '거짓': 1.5}
        """
        counts: Counter[str] = Counter((self.labels or []) if self.is_single_label else [])
        missing = [name for name in self.label_names if not counts[name]]
        if missing or not counts:
            is_text = self.task == "sequence-classification"
            what = f"{counted(len(self), 'example')} without {missing[:1]}"
            if not self.is_single_label:
                what = self.problem_type if is_text else self.task
            raise KbertError(
                "balanced weights are of texts that have one of several labels, each of which "
                f"occurs; not of {what}"
            )
        names = self.label_names or sorted(counts)
        return {name: len(self) / (len(counts) * counts[name]) for name in names}

    def label_counts(self) -> Counter[str]:
        """How many examples have each label that occurs; none where labels are no names.

        Example:
            >>> spans = [[(0, 2, "LC"), (3, 5, "LC")], [(0, 2, "LC")], []]
            >>> tagged = Examples("token-classification", ["서울 부산", "대구", "가"], labels=spans)
            >>> tagged.label_counts()
            Counter({'LC': 2})
        """
        return Counter(name for i in range(len(self.labels or ())) for name in self.names_of(i))

    def names_of(self, index: int) -> set[str]:
        """The names in an example's label: itself, or several, or those of its spans."""
        label = None if self.labels is None else self.labels[index]
        names = label if isinstance(label, list | tuple) else [label]
        if self.task == "token-classification":
            names = [span[-1] for span in names if isinstance(span, list | tuple) and span]
        elif self.task not in ("sequence-classification", "sentence-embedding"):
            names = ()
        return {name for name in names if isinstance(name, str)}

    def __repr__(self) -> str:
        """The task, how many examples, and of what labels: the texts may be millions."""
        of = " ".join(filter(None, (self.set_name, self.part)))
        told = [f"{self.task}{of and f' ({of})'}", counted(len(self), "example")]
        counts = self.label_counts().most_common()
        if self.labels is None:
            told.append("no labels")
        elif self.labels and all(isinstance(label, Real) for label in self.labels):
            told.append(f"numbers from {min(self.labels):g} to {max(self.labels):g}")
        elif counts:
            shown = [f"{name!r:.40}: {count:,}" for name, count in counts[:_SHOWN]]
            more = [f"{len(counts) - _SHOWN} more"] if len(counts) > _SHOWN else []
            told.append(f"labels {', '.join(shown + more)}")
        return f"Examples({'; '.join(told)})"

    @property
    def is_single_label(self) -> bool:
        """Whether each text has one of several labels."""
        single = self.problem_type == "single_label_classification"
        return self.task == "sequence-classification" and single

    @property
    def fingerprint(self) -> str:
        """What tells these examples from others: a hash of texts and labels, in their order."""
        columns = [self.task, self.texts, self.pairs, self.labels, self.label_names]
        digest = hashlib.sha256()
        for text in _json_in_parts(columns):
            digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def where(self, index: int) -> str:
        """Where an example is from, for messages: its file and row, or its index."""
        return f"example {index}" if self.origins is None else str(self.origins[index])


def _json_in_parts(columns: Sequence[Any]) -> Iterator[str]:
    """The JSON of columns, which may be as long as a file, in parts that are not.

    Example:
        >>> "".join(_json_in_parts(["글", ["가", "나"], None, []]))
        '["글", ["가", "나"], null, []]'
    """
    for place, column in enumerate(columns):
        yield ", " if place else "["
        if not isinstance(column, list):
            yield _json(column)
            continue
        yield "["
        for begin in range(0, len(column), ROWS_OF_JSON):
            part = _json(column[begin : begin + ROWS_OF_JSON])
            yield (", " if begin else "") + part[1:-1]
        yield "]"
    yield "]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist() if getattr(value, "ndim", 0) else str(value)


def as_examples(given: Any, model: Any) -> Examples:
    """Examples as they are; or a list of texts, or (texts, labels), as examples of a model's task.

    Pairs of texts become examples of sentences where the model is one of those.

    Labels are names, or whole numbers, each the index of a name in `model.labels`. Columns of
    pandas and arrays of numpy do as well as lists.

    Raises:
        KbertError: if they are neither, or of unequal lengths.

    Example:
        >>> from types import SimpleNamespace
        >>> model = SimpleNamespace(task="sequence-classification", labels=["부정", "긍정"])
        >>> as_examples((["재미있다"], ["긍정"]), model).label_names
        ['부정', '긍정']
    """
    if isinstance(given, Examples):
        reads_alone = getattr(model, "task", None) == "sentence-embedding"
        alone = reads_alone and given.task == "sequence-classification"
        return replace(given, task="sentence-embedding") if alone else given
    texts, labels = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    # Columns of pandas and arrays of numpy are as good as lists.
    texts, labels = map(_as_list, (texts, labels))
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise KbertError(
            "expected Examples, as kbert.read_table gives them, or (texts, labels), two lists; "
            f"received {given!r:.80}"
        )
    if labels is not None and (isinstance(labels, str) or not isinstance(labels, Sequence)):
        raise KbertError(f"labels are a list, one for each text, not {labels!r:.80}")
    if labels is not None and len(labels) != len(texts):
        raise KbertError(
            f"{counted(len(texts), 'text')} and {counted(len(labels), 'label')} do not go together"
        )
    names = list(getattr(model, "labels", []))
    problem_type = getattr(model, "problem_type", "single_label_classification")
    are_numbers = problem_type == "regression"  # and no indices of names
    if labels and names and not are_numbers and all(map(_is_index, labels)):
        wrong = [label for label in labels if not 0 <= label < len(names)]
        if wrong:
            raise KbertError(f"the label {wrong[0]} is no index in {names!r:.200}")
        labels = [names[label] for label in labels]
    return Examples(
        model.task,
        list(texts),
        labels=None if labels is None else list(labels),
        label_names=names,
        problem_type=problem_type,
    )


def _is_index(label: Any) -> bool:
    return isinstance(label, Integral) and not isinstance(label, bool)  # numpy's, too


def _as_list(column: Any) -> Any:
    if getattr(getattr(column, "dtype", None), "kind", "") == "f" and column.ndim == 2:
        return list(column)  # vectors, which take less memory as they are
    return column.tolist() if hasattr(column, "tolist") else column
