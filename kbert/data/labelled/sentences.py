"""Examples of which a sentence model learns: one text, two of like meaning, or more.

    learned by       examples are                                  y of a batch
    softmax          a pair and its label (NLI)                    (B,) the label's number
    cosine, cosent   a pair and how alike it is, 0 to 5 (STS)      (B,) that number
    in-batch         a text, one of like meaning, and then, where  (B, T) a number for each text,
                     there are, some that look alike and are not   equal for equal ones
    simcse           a text                                        (B, 2) likewise, it and itself
    vectors          a text and another model's vector of it       (B, E) the vector

Shapes: N examples, B batch, T texts of an example, E numbers of a vector.
Source: Reimers and Gurevych 2019; Gao et al. 2021, "SimCSE".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kbert.data.labelled.examples import Examples
from kbert.errors import KbertError

MOST_ALIKE = 5.0  # of STS: 0 has nothing in common, 5 means the same
WITHOUT_LABELS = ("in-batch", "simcse")


class SentenceRows(NamedTuple):
    """Texts of which each is a row, T for an example; and what is asked of each example."""

    texts: list[str]
    count: int
    targets: np.ndarray | None


def sentence_rows(examples: Examples, objective: str, label_names: Sequence[str]) -> SentenceRows:
    """The texts of examples, each a row of its own, with the targets of an objective.

    Args:
        examples: of sentences, their labels checked.
        objective: see above.
        label_names: of "softmax", in the order of the model's logits.

    Raises:
        KbertError: if the examples are not what the objective learns from.

    Example:
        >>> examples = Examples("sentence-embedding", ["가", "나"], pairs=["다", "가"])
        >>> rows = sentence_rows(examples, "in-batch", [])
        >>> rows.texts, rows.targets.tolist()
        (['가', '다', '나', '가'], [[0, 1], [2, 0]])
    """
    wants_pair = objective in ("softmax", "cosine", "cosent", "in-batch")
    if wants_pair and examples.pairs is None:
        raise KbertError(
            f"{objective!r} learns from pairs, and these examples have one text each; "
            '"simcse" learns from those'
        )
    if objective == "softmax" and not _has_names(examples):
        raise KbertError("'softmax' learns from pairs with one of several labels each, as NLI has")
    if objective in ("cosine", "cosent") and examples.problem_type != "regression":
        raise KbertError(
            f"{objective!r} learns from pairs with a number each, from 0 to {MOST_ALIKE:g}, as STS "
            "has; read_table(..., problem_type='regression') reads such"
        )
    if objective == "in-batch" and examples.labels is not None:
        raise KbertError(
            "'in-batch' learns from pairs of like meaning, without labels; entailed(examples), of "
            "kbert.data.labelled.sentences, makes them of NLI"
        )
    groups = _groups(examples, objective)
    texts = [text for group in groups for text in group]
    return SentenceRows(texts, len(groups[0]), _targets(examples, objective, texts, label_names))


def _groups(examples: Examples, objective: str) -> list[tuple[str, ...]]:
    """The texts of each example."""
    if objective == "simcse":
        return [(text, text) for text in examples.texts]
    if objective == "vectors" or examples.pairs is None:
        return [(text,) for text in examples.texts]
    groups = []
    for i, (text, pair) in enumerate(zip(examples.texts, examples.pairs, strict=True)):
        group = (text, pair) if isinstance(pair, str) else (text, *pair)
        if groups and len(group) != len(groups[0]):
            raise KbertError(
                f"{examples.where(i)}: every example has as many texts, and this has {len(group)}, "
                f"the first {len(groups[0])}"
            )
        groups.append(group)
    return groups


def _targets(
    examples: Examples, objective: str, texts: list[str], label_names: Sequence[str]
) -> np.ndarray | None:
    if objective in WITHOUT_LABELS:
        numbers: dict[str, int] = {}
        ids = [numbers.setdefault(text.strip(), len(numbers)) for text in texts]
        return np.array(ids, np.int32).reshape(len(examples), -1)
    labels = examples.labels
    if labels is None:
        return None
    if objective == "softmax":
        places = {name: place for place, name in enumerate(label_names)}
        return np.array([places[name] for name in labels], np.int32)
    if objective == "vectors":
        return _vectors(examples, labels)
    return np.array([float(each) for each in labels], np.float32)


def _vectors(examples: Examples, labels: Sequence[Any]) -> np.ndarray:
    """(N, E) float32."""
    width = np.shape(labels[0])
    for i, vector in enumerate(labels):
        if np.shape(vector) != width or len(width) != 1 or isinstance(vector, str):
            raise KbertError(
                f"{examples.where(i)}: a sentence model learns from vectors, all of one length, "
                f"and this label is {vector!r:.80}; of pairs and numbers learns "
                "kbert.SiameseBert(model, ...)"
            )
    vectors = np.array(labels, np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        wrong = int(np.flatnonzero(~finite)[0])
        raise KbertError(f"{examples.where(wrong)}: its vector holds what is no number")
    return vectors


def _has_names(examples: Examples) -> bool:
    return examples.problem_type == "single_label_classification" and examples.labels is not None


def entailed(
    examples: Examples,
    entailment: str = "entailment",
    contradiction: str | None = "contradiction",
) -> Examples:
    """Of NLI: each premise with what follows from it, and with what contradicts it, where known.

    A hypothesis that follows is a text of like meaning; one that contradicts has the same words and
    another meaning, which makes it a hard negative. Premises without both are left out.

    Args:
        examples: of NLI.
        entailment: the label of what follows.
        contradiction: that of what contradicts; None leaves hard negatives out.

    Raises:
        KbertError: if nothing is left.

    Example:
        >>> nli = Examples("sequence-classification", ["비가 온다"] * 2, pairs=["젖는다", "맑다"],
        ...                labels=["entailment", "contradiction"])
        >>> entailed(nli).pairs
        [['젖는다', '맑다']]

    Source: Gao et al. 2021, "SimCSE", section 4.
    """
    follows: dict[str, list[str]] = {}
    against: dict[str, list[str]] = {}
    for text, pair, label in zip(
        examples.texts, examples.pairs or [], examples.labels or [], strict=False
    ):
        of_label = {entailment: follows, contradiction: against}.get(label)
        if of_label is not None:
            of_label.setdefault(text, []).append(pair)
    texts, pairs = [], []
    for text, right in follows.items():
        wrong = against.get(text, [])
        for place, each in enumerate(right):
            if contradiction is None:
                texts.append(text)
                pairs.append(each)
            elif wrong:
                texts.append(text)
                pairs.append([each, wrong[place % len(wrong)]])
    if not texts:
        raise KbertError(
            f"of these {len(examples)} examples none has {entailment!r} and {contradiction!r}"
        )
    return Examples(
        "sentence-embedding", texts, pairs=pairs, part=examples.part, set_name=examples.set_name
    )
