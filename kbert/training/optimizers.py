"""AdamW as BERT uses it.

Source: Devlin et al. 2018, appendix A.2; google-research/bert, optimization.py; for rates by
layer Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?".
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from kbert.errors import KbertError, number_from_zero, whole_number
from kbert.training.layerwise_rates import layer_scales
from kbert.training.schedules import LinearWarmupDecay, WarmupStableDecay

_log = logging.getLogger("kbert")


@keras.saving.register_keras_serializable("kbert")
class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW, by PyTorch's fused kernel on PyTorch, with rates by layer if wanted.

    In the kernel the rate, the decay and both averages are one pass over the weights, where Keras
    makes some ten. XLA fuses them by itself.

    Args:
        *args: Keras's.
        layerwise_decay: how much smaller a layer's rate is than that of the layer above, in (0, 1];
            see `layer_scales`. None means that all have the same.
        **kwargs: Keras's.
    """

    def __init__(self, *args: Any, layerwise_decay: float | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if (
            layerwise_decay is not None
            and not 0 < number_from_zero("layerwise_decay", layerwise_decay) <= 1
        ):
            raise KbertError(f"layerwise_decay is a number in (0, 1], not {layerwise_decay}")
        self.layerwise_decay = layerwise_decay
        self._scales: dict[str, float] = {}
        self._has_said_zero = False

    def build(self, variables):
        """Makes the averages, and the scale of each weight's rate."""
        super().build(variables)
        if self.layerwise_decay is not None:
            paths = [variable.path for variable in variables]
            self._scales = dict(zip(paths, layer_scales(paths, self.layerwise_decay), strict=True))

    @property
    def learning_rate(self):
        """The rate of the next step; settable where it follows no schedule."""
        return self._get_current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, rate):
        follows = isinstance(self._learning_rate, LinearWarmupDecay)
        if follows and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            raise KbertError(
                "the rate rises and falls by itself, so nothing else can set it. For "
                "ReduceLROnPlateau or LearningRateScheduler take adamw(learning_rate, "
                "total_steps=None), whose rate stays until it is set"
            )
        keras.optimizers.AdamW.learning_rate.fset(self, rate)

    def finalize_variable_values(self, var_list):
        """What Keras calls at the end of `fit`: says, once, if there were steps of nothing."""
        super().finalize_variable_values(var_list)
        rate = self._learning_rate
        if not isinstance(rate, LinearWarmupDecay) or self._has_said_zero:
            return
        beyond = int(self.iterations) // rate.micro_batches - rate.total_steps
        if beyond > 0:
            self._has_said_zero = True
            _log.warning(
                "the last %d steps had a learning rate of 0 and changed nothing: adamw was made "
                "with total_steps=%d. Give it the steps of the whole training",
                beyond,
                rate.total_steps,
            )

    @property
    def _is_fused(self) -> bool:
        return keras.backend.backend() == "torch" and not self.amsgrad

    def _by_scale(self, variables) -> dict[float, list[int]]:
        """The indices of variables whose rates are the same, by their scale."""
        indices: dict[float, list[int]] = {}
        for index, variable in enumerate(variables):
            scale = self._scales.get(getattr(variable, "path", ""), 1.0)
            indices.setdefault(scale, []).append(index)
        return indices

    def _apply_weight_decay(self, trainable_variables):
        pass  # with the step, right below, so that both are by the same rate

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        for scale, indices in self._by_scale(trainable_variables).items():
            chosen = [grads[index] for index in indices]
            weights = [trainable_variables[index] for index in indices]
            rate = learning_rate if scale == 1 else learning_rate * scale
            if self._is_fused:
                self._fused_update(chosen, weights, rate)
                continue
            with _after(chosen):
                self._decay(weights, scale)
            super()._backend_update_step(chosen, weights, rate)

    def _decay(self, weights, scale):
        """Keras's decay, which goes by the optimizer's rate, by a rate of its own."""
        whole = self.weight_decay
        try:
            self.weight_decay = whole * scale if whole else whole
            super()._apply_weight_decay(weights)
        finally:
            self.weight_decay = whole

    def _fused_update(self, grads, trainable_variables, learning_rate):
        import torch
        from torch.optim.adamw import adamw as update

        step = int(self.iterations)
        # PyTorch adds epsilon to the corrected root, Keras to the plain one.
        epsilon = self.epsilon / (1 - self.beta_2 ** (step + 1)) ** 0.5
        for decays in (True, False):
            chosen = [
                (grad, variable)
                for grad, variable in zip(grads, trainable_variables, strict=True)
                if self._use_weight_decay(variable) == decays
            ]
            if not chosen:
                continue
            indices = [self._get_variable_index(variable) for _, variable in chosen]
            weights = [variable.value for _, variable in chosen]
            with torch.no_grad():
                update(
                    weights,
                    [grad for grad, _ in chosen],
                    [self._momentums[index].value for index in indices],
                    [self._velocities[index].value for index in indices],
                    [],
                    list(torch.full((len(chosen),), float(step), device=weights[0].device)),
                    fused=True,
                    amsgrad=False,
                    beta1=self.beta_1,
                    beta2=self.beta_2,
                    lr=float(learning_rate),
                    weight_decay=self.weight_decay if decays else 0.0,
                    eps=epsilon,
                    maximize=False,
                )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "layerwise_decay": self.layerwise_decay}


def _after(gradients) -> AbstractContextManager[Any]:
    """A block that runs when gradients are there.

    TensorFlow would take decay off the weights while it waits for a batch that may never come.
    """
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([each for each in gradients if each is not None])


def adamw(
    learning_rate: float,
    total_steps: int | None,
    *,
    warmup_steps: int = 0,
    weight_decay: float = 0.01,
    max_gradient_norm: float = 1.0,
    micro_batches: int = 1,
    layerwise_decay: float | None = None,
    decay_steps: int | None = None,
) -> AdamW:
    """AdamW with BERT's settings: no decay on biases and norms, gradients clipped by their norm.

    Args:
        learning_rate: the peak rate.
        total_steps: steps until the rate is 0; those beyond change nothing, and are told of by the
            logger "kbert". None means a rate that stays as it is until it is set, as
            ReduceLROnPlateau and LearningRateScheduler do.
        warmup_steps: of those, steps of rising.
        weight_decay: how much of a weight is taken off it a step, times the rate.
        max_gradient_norm: gradients whose common norm is larger are scaled down to it.
        micro_batches: of how many batches the gradients are averaged for one step.
        layerwise_decay: how much smaller each encoder layer's rate is than that of the layer above
            (0.8 to 0.95 is usual in fine-tuning); None means that all have the same.
        decay_steps: how many of the last steps the rate falls in, staying at its peak before
            (ModernBERT); None means that it falls in a straight line from the warm-up on (BERT).

    Raises:
        KbertError: if a number is not what it can be, or there is a warm-up without an end,
            or one that is longer than the run.

    Example:
        >>> optimizer = adamw(1e-4, total_steps=1000, warmup_steps=100)
    """
    if total_steps is not None:
        whole_number("total_steps", total_steps, 1)
    elif warmup_steps:
        raise KbertError(f"warmup_steps {warmup_steps} need total_steps, which is None")
    if whole_number("warmup_steps", warmup_steps, 0) > (total_steps or 0):
        raise KbertError(
            f"warmup_steps {warmup_steps} are more than total_steps {total_steps}: the rate would "
            "never come to its peak"
        )
    if decay_steps is not None:
        whole_number("decay_steps", decay_steps, 1)
        if total_steps is None or warmup_steps + decay_steps > total_steps:
            raise KbertError(
                f"warmup_steps {warmup_steps} and decay_steps {decay_steps} are more than "
                f"total_steps {total_steps}"
            )
    whole_number("micro_batches", micro_batches, 1)
    number_from_zero("learning_rate", learning_rate)
    number_from_zero("weight_decay", weight_decay)
    if number_from_zero("max_gradient_norm", max_gradient_norm) == 0:
        raise KbertError("max_gradient_norm is above 0, which would make all gradients 0")
    rate: Any = learning_rate
    if total_steps is not None and decay_steps is not None:
        rate = WarmupStableDecay(
            learning_rate, warmup_steps, total_steps, decay_steps, micro_batches
        )
    elif total_steps is not None:
        rate = LinearWarmupDecay(learning_rate, warmup_steps, total_steps, micro_batches)
    optimizer = AdamW(
        rate,
        weight_decay=weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        global_clipnorm=max_gradient_norm,
        gradient_accumulation_steps=micro_batches if micro_batches > 1 else None,
        layerwise_decay=layerwise_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "pruning_scores"])
    return optimizer
