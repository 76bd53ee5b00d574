"""A callback for `fit`: evaluates on held-out examples, and keeps the weights that were best."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kbert.data.labelled.batches import check_fit
from kbert.data.labelled.examples import Examples, as_examples
from kbert.errors import KbertError, whole_number
from kbert.evaluation.evaluate import evaluate
from kbert.models.in_training import ModelInTraining
from kbert.pipelines.encode import BATCH_SIZE
from kbert.tasks.score import best_by


class KeepBest(keras.callbacks.Callback):
    """Scores held-out examples several times while `fit` runs, and ends with the best weights.

    The score is the task's own metric, computed on whole answers, which a Keras metric, that sees
    the tensors of a batch, cannot be. Of equal scores the later counts: its weights have learned
    more, which shows where few examples are held out. Of a model that is there to train another, as
    a `Distillation`, that other is scored.

    Args:
        examples: held out: not those that are trained on, and no test set, on which nothing is
            chosen.
        metric: the score that is to be highest; None means that of the set or the task.
        evaluations: how many times in the course of the run; there is one at the end.
        patience: after how many evaluations in a row without a better one `fit` ends; None never.
        batch_size: the most rows that run together.
        say: takes a line for each evaluation.

    Attributes:
        history: a dict of `step` and the scores for each evaluation.
        best: that of them whose weights the model has when `fit` has ended.

    Raises:
        KbertError: if the examples are a test set; when `fit` begins, if they have no labels or are
            of another task, or there is no such score; while it runs, if the loss is no number.

    Example:
        >>> model.fit(batches, shuffle=False, callbacks=[KeepBest(dev)])  # doctest: +SKIP
        step 117  accuracy 81.2%  macro_f1 81.1%  best so far
        ...
    """

    restore_best_weights = True  # as Keras's `EarlyStopping` calls it

    def __init__(
        self,
        examples: Examples | tuple,
        metric: str | None = None,
        *,
        evaluations: int = 16,
        patience: int | None = None,
        batch_size: int = BATCH_SIZE,
        say: Callable[[str], Any] = print,
    ):
        super().__init__()
        if isinstance(examples, Examples) and examples.part == "test":
            raise KbertError(
                "these examples are a test set, and weights that are chosen on it score too well: "
                "hold some of the training set out, as train.split(0.1) does"
            )
        self.evaluations = whole_number("evaluations", evaluations, 1)
        self.patience = None if patience is None else whole_number("patience", patience, 1)
        self._given, self.metric, self.batch_size, self.say = examples, metric, batch_size, say
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks at examples and model before a step is taken."""
        model = self.model
        kept = model.kept if isinstance(model, ModelInTraining) else model
        self.examples = as_examples(self._given, kept)
        check_fit(self.examples, kept)
        if self.examples.labels is None:
            raise KbertError("to choose the best weights, held-out examples need labels")
        if self.metric is not None:
            scores = evaluate(self.model, self.examples[:2], self.batch_size)
            if self.metric not in scores:
                raise KbertError(f"metric is one of {', '.join(scores)}, not {self.metric!r}")
        self._total = (self.params["steps"] or 0) * self.params["epochs"]
        self._step, self._weights = 0, None
        self.history, self.best = [], {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluates where it is time to."""
        self._step += 1
        every = max(1, self._total // self.evaluations)
        if self._step % every == 0 and self._step + every <= self._total:
            if self.say is print and self.params.get("verbose") in (1, "auto"):
                print()  # Keras's bar does not end its line
            self._evaluate(logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Evaluates what came out, and gives the model its best weights."""
        if not self.history or self.history[-1]["step"] != self._step:
            self._evaluate(logs or {})
        if self._weights is not None:
            self.model.set_weights(self._weights)
            self._weights = None

    def _evaluate(self, logs: dict[str, Any]) -> None:
        loss = float(logs.get("loss", 0.0))
        if not math.isfinite(loss):
            raise KbertError(
                f"the loss of step {self._step} is {loss}: a lower learning rate or a longer "
                "warm-up may help"
            )
        scores = evaluate(self.model, self.examples, self.batch_size)
        metric = self.metric or best_by(self.examples)
        self.history.append({"step": self._step, **scores})
        best = is_best(scores[metric], [each[metric] for each in self.history])
        self.say(f"step {self._step}  {scores}{'  best so far' if best else ''}")
        if best:
            self.best = self.history[-1]
            self._weights = [np.array(weight) for weight in self.model.get_weights()]
        # To be as good as before is not to be better.
        as_good = [
            i
            for i, each in enumerate(self.history)
            if each is self.best or each[metric] == self.best[metric]
        ]
        if self.patience is not None and len(self.history) - 1 - as_good[0] >= self.patience:
            self.model.stop_training = True


def is_best(score: float, scores: list[float]) -> bool:
    """Whether a score is at least as high as all of them.

    A correlation is no number where all answers are the same; any number is better.

    Example:
        >>> is_best(0.8, [0.8, 0.7, float("nan")]), is_best(float("nan"), [0.1])
        (True, False)
    """
    numbers = [each for each in scores if not math.isnan(each)]
    return not numbers or score >= max(numbers)
