"""Labelled rows into the batches that `model.fit` takes.

A batch is a pure function of (seed, step), so a run can be repeated and continued, and every
backend sees the same numbers. An epoch's rows are shuffled, sorted by length within pools of
some batches, and cut; then the batches are shuffled. So little of a batch is padding, and since
lengths are rounded up, a backend that compiles each shape meets a handful of them.

Shapes: B batch, L length, C labels or choices, W words.
"""

import math
from typing import Any

import numpy as np

from kbert.backend import require_backend
from kbert.data.labelled.cautions import (
    tell_of_cut_texts,
    tell_of_far_targets,
    tell_of_one_label,
)
from kbert.data.labelled.check_labels import check_labels
from kbert.data.labelled.examples import TASKS, Examples, as_examples
from kbert.data.labelled.parses import fill_words
from kbert.data.labelled.rows import LabelledRows, label_rows, question_positions
from kbert.data.labelled.sentences import WITHOUT_LABELS
from kbert.errors import KbertError, kind_of, whole_number
from kbert.text.encoding.rows import fill_rows

try:
    import keras
except ImportError:
    require_backend()  # its error says what to install, and Keras's own does not
    raise

POOL = 64  # batches within which rows are sorted by length
MAX_LENGTH = 512  # tokens, where the model takes longer rows and nobody asks for them

Batch = tuple[dict[str, np.ndarray], Any, Any]


class LabelledBatches(keras.utils.PyDataset):
    """Batches of labelled text, for a number of epochs, one after the other.

    One call of `fit` with `epochs=1` (Keras's default) goes through all of them. Pass
    `shuffle=False`: they are shuffled already, and Keras's own shuffling cannot be repeated.

    Args:
        examples: from `read_table` or `read_task`; or (texts, labels), two lists.
        model: the one to be trained, with its tokenizer and labels.
        batch_size: B, rows a step; the last batch of an epoch is filled with rows that weigh 0.
        epochs: how often each row is seen.
        seed: of the order; equal seeds give equal batches.
        max_length: the most tokens of a row, special tokens included; None means the model's, 512
            at the most. Longer texts are cut, and a warning says how many; for tags and answers
            they become windows.

    Regression's numbers that lie far from 0, beyond 10 in mean or deviation, are warned of.

    Attributes:
        steps: how many batches: epochs x ceil(rows / B).
        shapes: the lengths L that batches have, rounded up to 16, 32, 48, 64, 96, 128, 192, ...
        mean_length: that of all rows, so rounded.

    Raises:
        KbertError: if an argument cannot be, there are no examples, their labels are not those of
            the model, or the model is for another task. (If all have one and the same label, a
            warning of the logger "kbert" says so.)

    Example:
        >>> from kbert import BertForSequenceClassification, Tokenizer
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 재미 ##있다 ##없다".split())
        >>> batches = LabelledBatches((["재미있다", "재미없다"], ["긍정", "부정"]), model, epochs=3)
        >>> x, y, weights = batches[0]
        >>> batches.steps, x["input_ids"].shape, sorted(y[weights > 0].tolist())
        (3, (32, 16), [0, 1])
    """

    def __init__(
        self,
        examples: Examples | tuple,
        model: Any,
        batch_size: int = 32,
        epochs: int = 1,
        seed: int = 0,
        *,
        max_length: int | None = None,
    ):
        super().__init__(workers=1)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.epochs = whole_number("epochs", epochs, 1)
        self.seed = whole_number("seed", seed, 0)
        examples = as_examples(examples, model)
        objective = getattr(model, "objective", None)
        check_fit(examples, model)
        if examples.labels is None and objective not in WITHOUT_LABELS:
            raise KbertError("to train on them, examples need labels, and these have none")
        if examples.labels is not None and objective is None:
            tell_of_one_label(examples)
        self.tokenizer = model.tokenizer
        self.examples = examples
        self.label_names = list(getattr(model, "labels", []))
        self.max_length = row_limit(model, max_length)
        self.rows = label_rows(
            examples, self.tokenizer, self.label_names, self.max_length, objective
        )
        what = "texts" if examples.pairs is None else "pairs of texts"
        uncut = self.rows.uncut.reshape(-1, self.rows.choices)
        tell_of_cut_texts(what, uncut, self.max_length, model.max_length)
        if is_number(examples):
            tell_of_far_targets(self.rows.targets["label"])
        # A unit is what stays together: an example's rows, one for each choice; else a row.
        lengths = self.rows.lengths.reshape(-1, self.rows.choices).max(axis=1)
        self._lengths = np.minimum(round_lengths(lengths), self.max_length)
        self.steps_per_epoch = math.ceil(len(self._lengths) / self.batch_size)
        self.steps = self.epochs * self.steps_per_epoch
        self.shapes = np.unique(self._lengths).tolist()
        self.mean_length = int(self._lengths.mean())
        self._widths = _widths(self.rows, self._lengths, self.shapes)
        self._questions = 0  # how many global tokens a question may take, with [CLS]
        if getattr(model, "questions_are_global", False):
            longest = (self.rows.plan["first_end"] - self.rows.plan["first"]).max()
            self._questions = int(round_lengths(longest + 1))
        self._epoch, self._plan = -1, np.zeros((0, 0), np.int64)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        """The batch of a step: `(x, y, sample_weight)`.

        `x` holds `input_ids`, `token_type_ids` and `attention_mask` (B, L), or (B, C, L) where
        each choice, or each text of an example of sentences, is a row; for a parser also what it
        takes of words, (B, W), with the gold `heads`; for answers by a Longformer
        `global_positions` (B, G), those of the question. `y` is as `label_rows` says; of tags
        (B, L), with weights (B, L); of parsing `heads` and `relations` (B, W), with weights.
        """
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} of {self.steps}")
        epoch, position = divmod(index, self.steps_per_epoch)
        units = self._batches_of(epoch)[position]  # (B,), -1 where the batch is filled up
        weights = (units >= 0).astype(np.float32)
        length = self._length(units)
        units = np.where(units >= 0, units, units[0])
        x = fill(self.rows, units, length, self.tokenizer)
        if self._questions:
            x["global_positions"] = question_positions(self.rows.plan[units], self._questions)
        if self.rows.parsed is not None:
            x.update(fill_words(self.rows.parsed, units, self._widths[length]))
            y = {"heads": x["heads"], "relations": x.pop("relations")}
            return x, y, dict.fromkeys(y, x.pop("weights") * weights[:, None])
        if "labels" in x:
            labels = x.pop("labels")
            return x, np.maximum(labels, 0), (labels >= 0) * weights[:, None]
        targets = {name: values[units] for name, values in self.rows.targets.items()}
        if set(targets) != {"label"}:
            return x, targets, dict.fromkeys(targets, weights)
        return x, targets["label"], weights

    def _batches_of(self, epoch: int) -> np.ndarray:
        """(steps, B) the rows of an epoch's batches; -1 fills the last row's batch up."""
        if epoch != self._epoch:
            self._plan = _order(self._lengths, self.batch_size, [self.seed, epoch])
            self._epoch = epoch
        return self._plan

    def _length(self, units: np.ndarray) -> int:
        return int(self._lengths[units[units >= 0]].max())


def fill(rows: LabelledRows, units: np.ndarray, length: int, tokenizer: Any) -> dict[str, Any]:
    """Rows as arrays (B, L), or (B, C, L) where each choice is a row.

    Args:
        rows: of examples.
        units: (B,) which rows; where each choice is a row, which examples.
        length: L.
        tokenizer: the one that made them.
    """
    chosen = units
    if rows.choices > 1:
        chosen = (units[:, None] * rows.choices + np.arange(rows.choices)).reshape(-1)
    x = fill_rows(
        rows.plan[chosen],
        rows.first,
        rows.second,
        length=length,
        pad_id=tokenizer.pad_id,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
        separators=tokenizer.separators,
        segments=not tokenizer.roberta_pairs,
    )
    if rows.choices > 1:
        x = {name: array.reshape(len(units), rows.choices, -1) for name, array in x.items()}
    return x


def round_lengths(lengths: np.ndarray) -> np.ndarray:
    """Each length as the next of 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, ...

    Example:
        >>> round_lengths(np.array([3, 17, 65, 97, 129])).tolist()
        [16, 32, 96, 128, 192]
    """
    power = 2 ** np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    step = np.maximum(16, power // 4)
    return -(-lengths // step) * step


def row_limit(model: Any, max_length: int | None) -> int:
    """The most tokens of a row: what is asked for, within what the model takes.

    Raises:
        KbertError: if the model takes no such rows.
    """
    if max_length is None:
        return min(model.max_length, MAX_LENGTH)
    if whole_number("max_length", max_length, 8) > model.max_length:
        raise KbertError(
            f"max_length {max_length} is more than the {model.max_length} tokens of the model"
        )
    return max_length


def _widths(rows: LabelledRows, lengths: np.ndarray, shapes: list[int]) -> dict[int, int]:
    """W for each L: the most words of a row that short, rounded up. So W makes no more shapes."""
    if rows.parsed is None:
        return {}
    words = round_lengths(rows.parsed.lengths)
    return {length: int(words[lengths <= length].max()) for length in shapes}


def check_fit(examples: Examples, model: Any) -> None:
    """Raises KbertError if examples are not of the task, the labels and the kind of a model.

    Also where a label cannot be, or a second text is missing: before a model is asked.
    """
    if not len(examples):
        raise KbertError("there are no examples")
    if model.tokenizer is None:
        raise KbertError(
            "the model has no vocabulary, so it cannot read text: set "
            'model.tokenizer = kbert.Tokenizer.from_file("vocab.txt")'
        )
    task = getattr(model, "task", None)
    if task == examples.task and task not in TASKS:  # plain lists are of the model's task
        raise KbertError(
            f"{kind_of(model)} is for {task!r}, which learns from no labels: load the model with "
            f"task='sequence-classification', or another of {', '.join(TASKS[1:])}"
        )
    if task != examples.task:
        raise KbertError(
            f"the examples are of {examples.task!r}, and {kind_of(model)} is for "
            f"{task!r}: load the model with task={examples.task!r}"
        )
    asked = getattr(model, "problem_type", examples.problem_type)
    if asked != examples.problem_type:
        raise KbertError(
            f"the examples are of {examples.problem_type}, and the model is for {asked}: load it "
            f"with problem_type={examples.problem_type!r}"
        )
    names = list(getattr(model, "labels", []))
    if is_number(examples) and len(names) != 1:
        raise KbertError(
            f"a label of regression is one number, and the model gives {len(names)}, for "
            f'{names!r:.200}: load it with labels=["score"]'
        )
    unknown = [name for name in examples.label_names if name not in names]
    if names and unknown and examples.problem_type != "regression":
        raise KbertError(
            f"the examples have the label {unknown[0]!r}, and the model's are {names!r:.200}: load "
            "it with labels=examples.label_names"
        )
    check_labels(examples, names)


def is_number(examples: Examples) -> bool:
    """Whether each text has a number."""
    kind = (examples.task, examples.problem_type)
    return kind == ("sequence-classification", "regression")


def _order(lengths: np.ndarray, batch_size: int, seed: list[int]) -> np.ndarray:
    """(steps, B) rows, shuffled, those of a batch of like lengths."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(lengths))
    pool = POOL * batch_size
    for begin in range(0, len(rows), pool):
        part = rows[begin : begin + pool]
        rows[begin : begin + pool] = part[np.argsort(lengths[part], kind="stable")]
    missing = -len(rows) % batch_size
    plan = np.concatenate([rows, np.full(missing, -1)]).reshape(-1, batch_size)
    return plan[rng.permutation(len(plan))]
