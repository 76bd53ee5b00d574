"""Figures of text that a model is not trained on.

Shapes: B rows, P masked positions.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import keras
import numpy as np

from kbert.training.distribution import rows_of_this_host

Batches = Iterable[tuple[Any, Any, Any]]  # (x, y, sample_weight), the weights as y


class Heldout(Protocol):
    """A source of held-out text, as `kbert/data/pretraining/heldout.py` makes it."""

    @property
    def batches(self) -> Batches:
        """The text, as in training."""
        ...

    @property
    def pseudo_perplexity_batches(self) -> Batches:
        """Sentences of it, one token masked at a time."""
        ...


def of_heads(figures: Mapping[str, float]) -> dict[str, float]:
    """A step's figures by head, as `mlm_loss`.

    Keras names no head where a model has one output only; of the models that are pretrained the
    accuracy says which it is. What is fine-tuned has no such name; its figures stay as they are.

    Example:
        >>> of_heads({"loss": 2.0, "mlm_accuracy": 0.5})
        {'loss': 2.0, 'mlm_accuracy': 0.5, 'mlm_loss': 2.0}
        >>> of_heads({"loss": 2.0, "mlm_loss": 1.5, "nsp_loss": 0.5})
        {'loss': 2.0, 'mlm_loss': 1.5, 'nsp_loss': 0.5}
        >>> of_heads({"loss": 2.0, "accuracy": 0.5})
        {'loss': 2.0, 'accuracy': 0.5}
    """
    named = dict(figures)
    for head in ("mlm", "next_token"):
        if f"{head}_accuracy" in figures:
            named.setdefault(f"{head}_loss", figures["loss"])
    return named


def mean_scores(model: keras.Model, batches: Batches) -> dict[str, float]:
    """The mean losses and metrics of a compiled model over all that has a weight.

        mean = sum(w value) / sum(w)    over every masked position, or pair, of all batches

    Keras's `evaluate` takes the mean of the batches' means instead, in which a token of a batch
    with fewer masked tokens counts more. Nothing is dropped, and no weight of the model changes.

    Args:
        model: with one output, or with several by name, which are compiled with metrics.
        batches: `(x, y, sample_weight)`, the weights as `y`: whole ones, of which each of
            several hosts takes its rows.

    Returns:
        The means: of the outputs by name, as `mlm_loss` (see `of_heads`); and `loss`, their sum, in
        which they count as in training.

    Source: Devlin et al. 2018, section 3.1, for what is measured.
    """
    sums: dict[str, float] = {}
    totals: dict[str, float] = {}
    for x, y, weights in batches:
        parts = weights if isinstance(weights, dict) else {"": weights}
        # With weights that sum to 1, a loss is a mean, whether it is compiled as one or as a sum.
        shares = {part: np.float32(1 / (w.sum() or 1.0)) * w for part, w in parts.items()}
        model.reset_metrics()
        batch = rows_of_this_host((x, y, shares.get("", shares)))
        logs = model.test_on_batch(*batch, return_dict=True)
        for part, weight in parts.items():
            total = float(weight.sum())
            totals[part] = totals.get(part, 0.0) + total
            prefix = f"{part}_" if part else ""
            for name, value in logs.items():
                if name.startswith(prefix) and name != ("loss" if part else ""):
                    sums[name] = sums.get(name, 0.0) + float(value) * total
    model.reset_metrics()
    means = {}
    for part, total in totals.items():
        prefix = f"{part}_" if part else ""
        means |= {n: s / (total or 1.0) for n, s in sums.items() if n.startswith(prefix)}
    if "" not in totals:
        counted = getattr(model, "loss_weights", None) or {}
        means["loss"] = sum(counted.get(part, 1) * means[f"{part}_loss"] for part in totals)
    return of_heads(means)


def heldout_figures(model: keras.Model, text: Heldout) -> dict[str, float]:
    """What is said of a source of held-out text: `mean_scores`, and a perplexity.

        pseudo_perplexity = exp(mean loss of each token of some sentences, masked alone)
        perplexity = exp(mean loss of the next token)    where that is what was asked

    Args:
        model: a compiled one.
        text: the rows to ask about.
    """
    scores = mean_scores(model, text.batches)
    if "next_token_loss" in scores:
        return {**scores, "perplexity": _exp(scores["next_token_loss"])}
    alone = mean_scores(model, text.pseudo_perplexity_batches)
    return {**scores, "pseudo_perplexity": _exp(alone["mlm_loss"])}


def _exp(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf  # beyond, Python raises


def source_figures(
    sources: Mapping[str, Heldout], say: Callable[[str], Any], model: keras.Model
) -> dict[str, dict[str, float]]:
    """The figures of each source of held-out text, by name.

    Args:
        sources: by name.
        say: takes the figures of each in words.
        model: a compiled one.
    """
    figures = {}
    for name, source in sources.items():
        figures[name] = heldout_figures(model, source)
        say(f"held-out {name}: {in_words(figures[name])}")
    return figures


def in_words(figures: Mapping[str, float]) -> str:
    """The figures of held-out text, for a screen.

    Example:
        >>> in_words({"mlm_loss": 2.0, "mlm_accuracy": 0.5, "pseudo_perplexity": 7.25})
        'MLM loss 2.000, accuracy 50.0%, pseudo-perplexity 7.2'
        >>> in_words({"next_token_loss": 2.0, "next_token_accuracy": 0.5, "perplexity": 7.389})
        'next-token loss 2.000, accuracy 50.0%, perplexity 7.4'
    """
    causal = "next_token_loss" in figures
    head, label = ("next_token", "next-token") if causal else ("mlm", "MLM")
    perplexity = "perplexity" if causal else "pseudo_perplexity"
    words = (
        f"{label} loss {figures[f'{head}_loss']:.3f}, "
        f"accuracy {100 * figures[f'{head}_accuracy']:.1f}%, "
        f"{perplexity.replace('_', '-')} {figures[perplexity]:.1f}"
    )
    if "nsp_accuracy" in figures:
        words += f"; NSP {100 * figures['nsp_accuracy']:.1f}%"
    if "rtd_accuracy" in figures:
        words += (
            f"; RTD loss {figures['rtd_loss']:.3f}, accuracy {100 * figures['rtd_accuracy']:.1f}%, "
            f"{100 * figures['rtd_recall']:.1f}% of the replaced found"
        )
    return words
