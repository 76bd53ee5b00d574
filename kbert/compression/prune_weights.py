"""Single weights become 0 while the others are trained: more and more of them, to a share.

    used(t) = keep + (1 - keep) (1 - (t - begin) / (end - begin))^3        t: the part of the run

Before `begin` all weights are used, after `end` that share. `kbert/layers/sparse.py` says which.

Source: Zhu and Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", section 3, for the schedule; Sanh et al. 2020, "Movement Pruning: Adaptive Sparsity by
Fine-Tuning", for movement.
"""

import logging
from typing import Any

import keras
import numpy as np
from keras import ops

from kbert.compression.prune import rebuilt
from kbert.errors import KbertError, as_number, whole_number
from kbert.layers.dense import Dense
from kbert.layers.sparse import MEASURES, Sparse
from kbert.models.base import KbertModel, check_model
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters

_log = logging.getLogger("kbert")


class PruneWeights(keras.callbacks.Callback):
    """A callback for `fit` that has an ever smaller share of the encoder's weights used.

    They are the kernels of its layers' dense layers, each pruned to the same share; tables, biases,
    norms, pooler and head stay whole. Make it before the model is compiled, since by movement the
    model is given a score for each weight, which is trained; afterwards `merge_pruning` gives a
    plain model, as also `model.save` writes one.

    By magnitude the smallest weights are 0, which are mostly those that were small after
    pretraining; by movement those that fine-tuning moves towards 0. That takes twice the memory for
    the kernels, their gradients and averages. The scores have the rate of the weights, not a larger
    one as in the paper: they begin at 0, Adam's steps are as large as the rate, and only their
    order counts, which no rate changes.

    A run is one call of `fit`. `KeepBest` beside it is refused: it would keep an early step, with
    few zeros.

    Args:
        model: any of kbert's. It is changed; what it gives is not, before it is trained.
        keep: the share of weights that is used in the end, in (0, 1]. One of each kernel is kept.
        by: "magnitude" or "movement", which takes a longer run: early scores say little.
        begin: the part of the run before which all are used, in [0, 1).
        end: the part after which `keep` of them is, in (begin, 1]. What is left of the run then
            trains the weights that are kept.
        updates: how many times in the course of the run the share is set.

    Raises:
        KbertError: if an argument cannot be, or the model has adapters, weights that are no floats,
            or is being pruned already; when `fit` begins, if it trains another model, the model is
            compiled as it was before, the steps are not known, another callback would restore
            earlier weights, or, by movement, a kernel is frozen.

    Example:
        >>> import kbert
        >>> model = kbert.BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=100, **kbert.SIZES["tiny"])
        >>> pruning = PruneWeights(model, keep=0.25, by="movement")
        >>> model.compile(kbert.adamw(1e-3, 4), **kbert.objective(model))
        >>> history = model.fit(
        ...     np.array([[2, 5, 3], [2, 6, 3]]), np.array([0, 1]), epochs=4, verbose=0,
        ...     callbacks=[pruning])
        >>> share_of_zeros(merge_pruning(model))
        0.75

    Source: Sanh et al. 2020, section 4, and its code's `initial_warmup` and `final_warmup`, which
    are about the 0.1 and 0.2 of a run that are the defaults here.
    """

    needs_last_weights = True  # as `fit` asks of callbacks

    def __init__(
        self,
        model: KbertModel,
        keep: float,
        by: str = "magnitude",
        *,
        begin: float = 0.1,
        end: float = 0.8,
        updates: int = 100,
    ):
        super().__init__()
        layers = _dense_layers(model)
        if by not in MEASURES:
            raise KbertError(f"by is one of {', '.join(MEASURES)}, not {by!r:.80}")
        self.keep, self.begin, self.end = map(as_number, (keep, begin, end))
        if not 0 < self.keep <= 1:
            raise KbertError(f"keep is a share of the weights, in (0, 1], not {keep!r:.80}")
        if not 0 <= self.begin < self.end <= 1:
            raise KbertError(
                "begin and end are parts of the run, 0 <= begin < end <= 1, not "
                f"{begin!r:.80} and {end!r:.80}"
            )
        self.updates = whole_number("updates", updates, 1)
        check_no_adapters(model)
        check_floats(model, "PruneWeights")
        optimizer = getattr(model, "optimizer", None)
        self._former = optimizer if getattr(optimizer, "built", False) else None
        self._step = self._epoch = self._done = 0
        for layer in layers:
            layer.sparse = Sparse(layer, by)
        self._pruned = _pruned(model)
        # On TensorFlow they would compute on as they were compiled.
        model.train_function = model.test_function = model.predict_function = None

    def used(self, part: float) -> float:
        """The share of weights that is used after a part of the run.

        Example:
            >>> from kbert import SIZES, Bert
            >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
            >>> pruning = PruneWeights(bert, keep=0.2, begin=0.0, end=0.5)
            >>> [round(pruning.used(part), 2) for part in (0, 0.25, 0.5, 1)]
            [1.0, 0.3, 0.2, 0.2]
        """
        to_go = 1 - (part - self.begin) / (self.end - self.begin)
        return self.keep + (1 - self.keep) * min(max(to_go, 0.0), 1.0) ** 3

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks at the model before a step is taken."""
        model, layers = self.model, {id(layer) for layer in self.model._flatten_layers()}
        if not all(id(layer) in layers for layer, _ in self._pruned):
            raise KbertError(
                "fit trains another model than the one that PruneWeights was made with: "
                "PruneWeights(model, ...), and then model.fit"
            )
        if self._former is not None and model.optimizer is self._former:
            raise KbertError(
                "the model was compiled and trained before PruneWeights changed it: compile it anew"
            )
        trained = {id(weight) for weight in model.trainable_weights}
        for layer, sparse in self._pruned:
            wanted = {id(sparse.scores), id(layer._kernel)}
            if sparse.scores is not None and not wanted <= trained:
                raise KbertError(
                    f"{layer.path} is frozen, and what is not trained does not move: prune by "
                    "'magnitude', or freeze the tables alone, kbert.freeze(model, layers=0)"
                )
        if not self.params["steps"]:
            raise KbertError("the run's length must be known: pass steps_per_epoch to fit")
        self._step = self._done = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the share where it is time to."""
        self._step = self._epoch * self.params["steps"] + batch + 1
        due = self.updates * self._step // self._total
        if due > self._done:
            self._done = due
            self._set(for_good=self._step == self._total)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Sets the last share where `fit` ended early."""
        if self._step == self._total:
            return
        used = self.used(self._step / self._total)
        self._set(for_good=used == self.keep)
        if used > self.keep:
            _log.warning(
                "fit ended after %d of %d steps, where %.1f%% of the weights are used, and not yet "
                "the %.1f%% that are to be kept",
                self._step,
                self._total,
                100 * used,
                100 * self.keep,
            )

    @property
    def _total(self) -> int:
        return self.params["steps"] * self.params["epochs"]

    def _set(self, for_good: bool) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # until then JAX's are elsewhere
        used = self.used(self._step / self._total)
        for _, sparse in self._pruned:
            sparse.use(used, for_good)


def merge_pruning(model: KbertModel) -> KbertModel:
    """A plain model that computes what a pruned one does: 0 in place of what is not used.

    Args:
        model: after `fit` with `PruneWeights`; it stays as it is.

    Returns:
        A model of the same class, with the tokenizer, not compiled. Training fills its zeros.

    Raises:
        KbertError: if the model's weights are not being pruned.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> pruning = PruneWeights(bert, keep=0.5, by="magnitude")
        >>> len(bert.weights), len(merge_pruning(bert).weights)
        (39, 31)
    """
    pruned = _pruned(model)
    if not pruned:
        raise KbertError("the model's weights are not being pruned: PruneWeights(model, ...) is")
    values = {id(layer._kernel): ops.convert_to_numpy(each.kernel()) for layer, each in pruned}
    without = {id(weight) for _, each in pruned for weight in (each.threshold, each.scores)}
    return rebuilt(model, {}, values, without)


def share_of_zeros(model: KbertModel) -> float:
    """How many of the weights that `PruneWeights` prunes are 0, as a share of them.

    Args:
        model: any of kbert's, while it is pruned, afterwards, or from a file.

    Example:
        >>> from kbert import SIZES, Bert
        >>> bert = Bert(vocab_size=100, **SIZES["tiny"])
        >>> share_of_zeros(bert)
        0.0
    """
    kernels = [ops.convert_to_numpy(layer.kernel) for layer in _dense_layers(model)]
    zeros = sum(kernel.size - np.count_nonzero(kernel) for kernel in kernels)
    return float(zeros / sum(kernel.size for kernel in kernels))


def _dense_layers(model: KbertModel) -> list[Dense]:
    """The dense layers within a model's encoder layers, from the bottom."""
    check_model(model)
    layers = encoder_of(model).encoder_layers
    within = [each for layer in layers for each in layer._flatten_layers()]
    return [each for each in within if isinstance(each, Dense)]


def _pruned(model: KbertModel) -> list[tuple[Dense, Sparse]]:
    """Those of them that are being pruned, and what is used of each."""
    layers = _dense_layers(model)
    return [(layer, layer.sparse) for layer in layers if layer.sparse is not None]
