"""What can be, and is likely to be a mistake: warnings of the logger "kbert", never errors.

Each is told once, where the data is looked at anyway, and says what to do.
"""

import logging

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.errors import counted

RARE = 2  # rows: a label that has no more is hardly learnt, and may be a typo;
ROWS_TO_TELL = 50  # but not in a table of fewer rows,
ROWS_A_LABEL = 10  # or of fewer for each label on average, where rare ones are to be expected
IN_REACH = 10.0  # of regression's targets, mean and deviation: those of 0 to 5 are
_SHOWN = 5  # labels in a warning

_log = logging.getLogger("kbert")


def tell_of_rare_labels(examples: Examples) -> None:
    """Warns of labels that next to no rows have, where the others have many.

    Args:
        examples: of a table, whose labels nobody named.
    """
    counts = examples.label_counts()
    rows, origins = len(examples), examples.origins
    if origins is None or rows < ROWS_TO_TELL or counts.total() < ROWS_A_LABEL * len(counts):
        return
    rare = [name for name, count in sorted(counts.items()) if count <= RARE]
    told = []
    for name in rare[:_SHOWN]:
        first = next(i for i in range(rows) if name in examples.names_of(i))
        number = f"{counts[name]} of {counted(rows, 'row')}, first in row {origins[first].row}"
        told.append(f"{name!r:.60} ({number})")
    if rare:
        more = f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else ""
        _log.warning(
            "%s: next to no row has the label %s%s. A typo makes a label of its own; labels=[...] "
            "names those that there are, and any other is an error",
            *(origins[0].file, ", ".join(told), more),
        )


def tell_of_one_label(examples: Examples) -> None:
    """Warns of examples that all have the same label."""
    labels = examples.labels if examples.is_single_label else None
    if labels is not None and len(labels) > 1 and len({*map(str, labels)}) == 1:
        _log.warning(
            "all %d examples have the label %r: nothing else can be learned from them",
            len(labels),
            labels[0],
        )


def tell_of_cut_texts(what: str, lengths: np.ndarray, max_length: int, most: int) -> None:
    """Warns of texts whose ends are not read.

    Args:
        what: they are: "texts", or "pairs of texts".
        lengths: (N, C) tokens of the rows of each example, if nothing were cut off.
        max_length: the most tokens of a row.
        most: the most tokens that the model takes.
    """
    cut: np.ndarray = np.any(lengths > max_length, axis=1)  # (N,)
    if not cut.any():
        return
    more = "the model reads no more"
    if max_length < most:
        more = f"max_length=... keeps more of them, and the model reads up to {most:,}"
    _log.warning(
        "%s of more than %s tokens are cut off at the end: %s of %s, the longest of %s; %s",
        what,
        *(f"{number:,}" for number in (max_length, cut.sum(), len(cut), lengths.max())),
        more,
    )


def tell_of_far_targets(targets: np.ndarray) -> None:
    """Warns of numbers that a head, which begins near 0, does not reach by small steps.

    Args:
        targets: (N,) of regression.
    """
    numbers = targets.astype(np.float64)
    mean, deviation = numbers.mean(), numbers.std()
    if max(abs(mean), deviation) > IN_REACH:
        _log.warning(
            "the numbers to be learnt are from %g to %g, their mean %.3g and deviation %.3g, and a "
            "head begins near 0: scale them, or little is learnt. Divide by %g, or subtract the "
            "mean and divide by the deviation; what the model says is then to be scaled back",
            *(numbers.min(), numbers.max(), mean, deviation, abs(numbers).max()),
        )
