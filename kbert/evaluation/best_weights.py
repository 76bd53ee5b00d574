"""The best weights of a run that `train` drives: scored as it goes, and written to a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kbert.data.labelled.examples import Examples
from kbert.evaluation.evaluate import evaluate
from kbert.evaluation.keep_best import is_best
from kbert.models.base import KbertModel
from kbert.models.in_training import ModelInTraining
from kbert.tasks.score import best_by
from kbert.training.loop import HELDOUT_LOG

BEST = "best.keras"


class BestWeights:
    """Scores held-out examples in the course of a run, and writes the model where it is best.

    For `train(..., evaluate=...)`, which logs what a call returns; a run that goes on finds its
    former scores in that log. Of equal scores the later counts. (`KeepBest` does the like for
    Keras's `fit`, in memory.) Of a model that is there to train another, as a `Distillation`, that
    other is scored and written.

    Args:
        examples: held out: not those that are trained on, and no test set.
        folder: the run's, whose `best.keras` is written.
        say: takes a line for each evaluation.
        plain: what makes of a model the one that is written, as `merge_lora`.

    Example:
        >>> train(model, ..., evaluate=BestWeights(dev, folder, print))  # doctest: +SKIP
    """

    def __init__(
        self,
        examples: Examples,
        folder: Path,
        say: Callable[[str], Any],
        plain: Callable[[KbertModel], KbertModel] | None = None,
    ):
        self.examples, self.path, self.say, self.plain = examples, folder / BEST, say, plain
        self.log = folder / HELDOUT_LOG

    def __call__(self, model: KbertModel) -> dict[str, dict[str, float]]:
        """The scores, for the log."""
        metric, lines = best_by(self.examples), []
        if self.log.exists():
            lines = self.log.read_text(encoding="utf-8").splitlines()
        former = [json.loads(line)["sources"]["held out"][metric] for line in lines if line]
        scores = evaluate(model, self.examples)
        best = is_best(scores[metric], former) or not self.path.exists()
        self.say(f"{scores}{'  best so far' if best else ''}")
        if best:
            kept = model.as_trained() if isinstance(model, ModelInTraining) else model
            written = self.plain(kept) if self.plain else kept
            written.with_settings(dtype="float32").save(self.path)
        return {"held out": dict(scores)}
