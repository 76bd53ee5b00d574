"""A `keras.Model` that looks at what it is given before a backend meets it.

fit, evaluate, predict, ... -> Watch (watched_data.py) looks at each batch -> Keras's own
"""

import threading
from collections.abc import Callable
from types import GeneratorType
from typing import Any

import keras

from kbert.errors import KbertError
from kbert.models.frozen import check_trained
from kbert.models.inputs import INPUTS, Limits, as_inputs, as_whole_numbers, check_inputs
from kbert.models.watched_data import LabelLimits, Watch

DETAILS = ("output_attentions", "output_hidden_states")


class WatchedModel(keras.Model):
    """A model whose inputs and labels are looked at first.

    So what cannot be is named before a backend meets it, and a call that is refused costs nothing.
    A subclass has the attributes `vocab_size`, `max_length` and `num_segments`.
    """

    vocab_size: int
    max_length: int
    num_segments: int
    input_axes = ("batch", "length")  # of input_ids

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._one_at_a_time = threading.RLock()

    def __call__(self, inputs=None, *args, **kwargs):
        """Runs the model, after a look at the inputs where they are at hand.

        Inputs are a dict or the ids alone; a mapping such as transformers' BatchEncoding and rows
        of Python numbers will do, and so will `model(**inputs)`.

        Raises:
            KbertError: if there are no ids, or a list does not say which array is which; or if, of
                numpy arrays, a shape does not fit, a row is too long, an id is outside the
                vocabulary, or a segment or masked position is none.
        """
        named = {name: kwargs.pop(name) for name in INPUTS if name in kwargs}
        if named and inputs is not None:
            raise KbertError(f"inputs are given twice: as the first argument, and by {[*named]}")
        inputs = as_inputs(named or inputs)
        check_inputs(inputs, self._limits)
        return super().__call__(as_whole_numbers(inputs), *args, **kwargs)

    @property
    def _limits(self) -> Limits:
        return Limits(self.vocab_size, self.num_segments, self.max_length, self.input_axes)

    def _label_limits(self) -> LabelLimits:
        """What labels can be; see `kbert/models/watched_data.py`."""
        return {}

    def fit(self, x=None, y=None, *args, **kwargs):
        """Keras's `fit`. Inputs and labels are looked at first, or as their batches come.

        Raises:
            KbertError: as a call of the model; or if a label is none, the model is not compiled, or
                the encoder's weights are whole numbers and not frozen; or if rows are to be held
                out of batches. The model stays as it was before the batch.
        """
        check_trained(self)
        _check_compiled(self)
        if kwargs.get("validation_split") and isinstance(x, keras.utils.PyDataset | GeneratorType):
            raise KbertError(
                "validation_split cuts arrays, and these are batches: hold rows out before, as "
                "train, dev = examples.split(0.1), and pass fit kbert.KeepBest(dev) as a callback, "
                "or validation_data=kbert.LabelledBatches(dev, model)"
            )
        _check_callbacks(kwargs.get("callbacks"), getattr(self, "optimizer", None))
        _build_for_tensorflow(self)

        def run(watch: Watch):
            given = kwargs.get("validation_data")
            if isinstance(given, tuple):
                kwargs["validation_data"] = (watch.data(*given[:2]), *given[1:])
            elif given is not None:
                kwargs["validation_data"] = watch.data(given)
            data = watch.data(x, y, kwargs.get("shuffle", True))
            if isinstance(x, keras.utils.PyDataset) and keras.backend.backend() == "tensorflow":
                kwargs["shuffle"] = False  # it is done
            return super(WatchedModel, self).fit(data, y, *args, **kwargs)

        return self._watched(run)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Keras's `evaluate`, with the look of `fit`."""
        _check_compiled(self)
        inherited = super().evaluate
        if kwargs.get("_use_cached_eval_dataset"):  # by `fit`, which has looked at it
            return inherited(x, y, *args, **kwargs)
        return self._watched(lambda watch: inherited(watch.data(x, y), y, *args, **kwargs))

    def predict(self, x, *args, **kwargs):
        """Keras's `predict`, with the look of `fit`; threads are served one after the other."""
        for option in DETAILS:
            if option in kwargs:
                raise KbertError(
                    f"{option} is an argument of the encoder's call, not of predict: "
                    f"bert(inputs, {option}=True)"
                )
        inherited = super().predict
        with self._one_at_a_time:
            return self._watched(lambda watch: inherited(watch.data(x), *args, **kwargs))

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """Keras's `train_on_batch`, with the look of `fit`."""
        check_trained(self)
        _check_compiled(self)
        _build_for_tensorflow(self)
        inherited = super().train_on_batch
        return self._watched(lambda watch: inherited(watch.data(x, y), y, *args, **kwargs))

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """Keras's `test_on_batch`, with the look of `fit`."""
        _check_compiled(self)
        inherited = super().test_on_batch
        return self._watched(lambda watch: inherited(watch.data(x, y), y, *args, **kwargs))

    def predict_on_batch(self, x):
        """Keras's `predict_on_batch`, with the look of `fit`; one thread after the other."""
        inherited = super().predict_on_batch
        with self._one_at_a_time:
            return self._watched(lambda watch: inherited(watch.data(x)))

    def _watched(self, run: Callable[[Watch], Any]) -> Any:
        watch = Watch(self._limits, self._label_limits())
        is_jax = keras.backend.backend() == "jax"
        # A call that fails on JAX would give the model what Keras keeps of an earlier one.
        if is_jax and self._jax_state_synced:
            self._jax_state = None
        try:
            return run(watch)
        except BaseException as error:
            if is_jax:
                self._jax_state, self._jax_state_synced = None, True
            if watch.error is not None and isinstance(error, Exception):
                raise watch.error from None
            raise

    def _get_jax_state(self, *args, **kwargs):
        """What a step of JAX begins with; the variables keep it.

        Keras takes it from them to save memory, which the donated buffers save already; then a step
        that fails before it begins would leave a model without weights.
        """
        return super()._get_jax_state(*args, **{**kwargs, "purge_model_variables": False})

    def make_predict_function(self, force=False):
        """Keras's, but on JAX without donation: weights that are only read stay where they are."""
        if keras.backend.backend() != "jax":
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            predicted = self._compiled(lambda state, data: self.predict_step(state, data)[0])
            self.predict_function = self._make_function(
                lambda state, data: (predicted(state, data), state), concatenate_outputs=True
            )
        return self.predict_function

    def make_test_function(self, force=False):
        """Keras's, but on JAX without donation."""
        if keras.backend.backend() != "jax":
            return super().make_test_function(force)
        if self.test_function is None or force:

            def only_metrics(state, data):
                logs, (_, _, metrics) = self.test_step(state, data)
                return logs, metrics

            tested = self._compiled(only_metrics)

            def step(state, data):
                logs, metrics = tested(state, data)
                return logs, (*state[:2], metrics)

            self.test_function = self._make_function(step)
        return self.test_function

    def _compiled(self, step):
        if self.run_eagerly or not self.jit_compile:
            return step
        import jax

        return jax.jit(step)


def _check_compiled(model: keras.Model) -> None:
    """Raises KbertError if the model has no loss yet; Keras misses an attribute on PyTorch."""
    if not model.compiled:
        raise KbertError(
            "the model is not compiled: call model.compile(optimizer, **kbert.objective(model)) "
            "before; to score labelled examples, kbert.evaluate(model, examples) needs none of that"
        )


def _build_for_tensorflow(model: keras.Model) -> None:
    """Makes what a first step of TensorFlow would make: one that makes variables is traced twice.

    Keras does so by itself on the other backends.
    """
    if keras.backend.backend() != "tensorflow" or model._distribute_strategy is not None:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    loss = model._compile_loss
    if isinstance(model.loss, dict) and loss is not None and not loss.built:
        outputs = dict.fromkeys(model.loss, 0.0)
        loss.build(outputs, outputs)  # a mean of each


def _check_callbacks(callbacks: Any, optimizer: Any) -> None:
    """Raises KbertError if a callback would undo another, or set a rate that follows a schedule.

    Of a rate Keras raises too, but when it is to be set, which may be in the tenth epoch.
    """
    callbacks = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    first, last = (
        next((type(each).__name__ for each in callbacks if getattr(each, name, False)), None)
        for name in ("restore_best_weights", "needs_last_weights")
    )
    if first and last:
        raise KbertError(
            f"{first} would restore weights of an early step, where {last} has hardly begun: leave "
            f"{first} out, and kbert.evaluate afterwards"
        )
    rate = getattr(optimizer, "_learning_rate", None)
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return
    setters = keras.callbacks.ReduceLROnPlateau | keras.callbacks.LearningRateScheduler
    for callback in callbacks:
        if isinstance(callback, setters):
            raise KbertError(
                f"{type(callback).__name__} sets the learning rate, and the optimizer's follows a "
                "schedule: leave the callback out, or take adamw(learning_rate, total_steps=None), "
                "whose rate stays until it is set"
            )
