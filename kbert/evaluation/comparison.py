"""One's own scores of a set beside those that others published, with what sets them apart."""

from collections.abc import Mapping

from kbert.evaluation.evaluate import Evaluation, shown
from kbert.tasks.published import published, why_not_comparable
from kbert.tasks.sets import SETS

_ABSENT = "-"


def comparison(evaluations: Mapping[str, Evaluation]) -> str:
    """A table in Markdown: scores of models on one part of a set, then the published ones.

    Below it stands why they are not to be compared without a word, and what is to be known of the
    set.

    Args:
        evaluations: by the models' names, one or more, of the same examples.

    Example:
        >>> from kbert import Examples
        >>> from kbert.evaluation.predictions import Predictions
        >>> examples = Examples("sequence-classification", ["가"], labels=["positive"],
        ...                     part="test", set_name="nsmc")
        >>> scored = Evaluation({"accuracy": 0.9}, examples, Predictions(["positive"], None))
        >>> lines = comparison({"mine": scored}).splitlines()
        >>> lines[0]
        '| model | accuracy | measured on | published by |'
        >>> lines[2]
        '| mine | 90.0% | test, 1 example | - |'
        >>> [line for line in lines if line.startswith("Not ")]
        ['Not to be compared without a word: 1 of the 50,000 examples of test.']
    """
    first = next(iter(evaluations.values()))
    examples, others = first.examples, []
    of_vectors = examples.task == "sentence-embedding"
    if examples.set_name is not None:
        others = published(examples.set_name, bi_encoders=of_vectors)
    names = [*first, *dict.fromkeys(n for row in others for n in row.scores if n not in first)]
    count = len(examples)
    on = [examples.part] if examples.part else []
    measured = ", ".join([*on, f"{count:,} example{'s' if count != 1 else ''}"])
    rows = [(name, each, measured, _ABSENT) for name, each in evaluations.items()]
    rows += [(row.model, row.scores, row.split, row.source) for row in others]
    lines = [
        _line("model", *names, "measured on", "published by"),
        _line(*["---"] * (len(names) + 3)),
        *(_line(model, *_cells(scores, names), split, by) for model, scores, split, by in rows),
    ]
    if examples.set_name is not None:
        reasons = why_not_comparable(
            examples.set_name, examples.part or "", count, bi_encoders=of_vectors
        )
        note = SETS[examples.set_name].note
        if others and reasons:
            lines += ["", f"Not to be compared without a word: {'; '.join(reasons)}."]
        if note:
            lines += ["", f"{examples.set_name}: {note}."]
    return "\n".join(lines)


def _cells(scores: Mapping[str, float], names: list[str]) -> list[str]:
    return [shown(name, scores[name]) if name in scores else _ABSENT for name in names]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
