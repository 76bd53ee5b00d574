"""AdamW as BERT uses it, and the settings of a run: BERT's published ones, and some for less.

Source: Devlin et al. 2018, appendix A.2; google-research/bert, optimization.py; for further
pretraining Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 4.1.
"""

from typing import Any

import keras
from keras import ops

from kbert.errors import KbertError, number_from_zero, whole_number

# What a run takes where it is not told otherwise, by what it is for.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {  # size tiny and a small text, learned by heart: 4 minutes on 2 cores
        "vocab_size": 1500,
        "batch_size": 32,
        "sequence_length": 32,
        "steps": 4000,
        "learning_rate": 3e-3,
        "warmup_steps": 400,
        "weight_decay": 0.01,
        "dropout": 0.0,
    },
    "corpus": {  # sizes tiny to small, and more text than a run reads
        "vocab_size": 16_000,
        "batch_size": 32,
        "sequence_length": 128,
        "steps": 20_000,
        "learning_rate": 1e-3,
        "warmup_steps": 1000,
        "weight_decay": 0.01,
        "dropout": 0.0,
    },
    "further": {  # a model that has been pretrained; its own vocabulary and dropout
        "vocab_size": None,
        "batch_size": 32,
        "sequence_length": 128,
        "steps": 100_000,
        "learning_rate": 5e-5,
        "warmup_steps": 10_000,
        "weight_decay": 0.01,
        "dropout": None,
    },
    "bert": {  # the paper's, for 16 TPUs
        "vocab_size": 32_000,
        "batch_size": 256,
        "sequence_length": 512,
        "steps": 1_000_000,
        "learning_rate": 1e-4,
        "warmup_steps": 10_000,
        "weight_decay": 0.01,
        "dropout": 0.1,
    },
}


@keras.saving.register_keras_serializable("kbert")
class LinearWarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to its peak in a straight line, and falls to 0 in another.

    Args:
        peak: the highest rate, reached after `warmup_steps`.
        warmup_steps: steps of rising; the first step has rate peak / warmup_steps.
        total_steps: steps until the rate is 0.
        micro_batches: how many of the optimizer's iterations make a step.

    Example:
        >>> rate = LinearWarmupDecay(1.0, warmup_steps=2, total_steps=4)
        >>> [round(float(rate(step)), 2) for step in range(4)]
        [0.5, 1.0, 0.67, 0.33]
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, micro_batches: int = 1):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps
        self.micro_batches = micro_batches

    def __call__(self, step):
        """The rate of an iteration, counted from 0."""
        if self.micro_batches > 1:
            step = ops.floor_divide(step, self.micro_batches)
        step = ops.cast(step, "float32")
        rising = (step + 1) / max(self.warmup_steps, 1)
        falling = (self.total_steps - step) / max(self.total_steps - self.warmup_steps + 1, 1)
        return self.peak * ops.clip(ops.minimum(rising, falling), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "micro_batches": self.micro_batches,
        }


@keras.saving.register_keras_serializable("kbert")
class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW, by PyTorch's fused kernel on PyTorch.

    There the rate, the decay and both averages are one pass over the weights, where Keras makes
    some ten. XLA fuses them by itself.
    """

    @property
    def _is_fused(self) -> bool:
        return keras.backend.backend() == "torch" and not self.amsgrad

    def _apply_weight_decay(self, trainable_variables):
        if not self._is_fused:
            super()._apply_weight_decay(trainable_variables)  # else the kernel does it

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if not self._is_fused:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
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
            places = [self._get_variable_index(variable) for _, variable in chosen]
            weights = [variable.value for _, variable in chosen]
            with torch.no_grad():
                update(
                    weights,
                    [grad for grad, _ in chosen],
                    [self._momentums[place].value for place in places],
                    [self._velocities[place].value for place in places],
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


def adamw(
    learning_rate: float,
    total_steps: int,
    *,
    warmup_steps: int = 0,
    weight_decay: float = 0.01,
    max_gradient_norm: float = 1.0,
    micro_batches: int = 1,
) -> AdamW:
    """AdamW with BERT's settings: no decay on biases and norms, gradients clipped by their norm.

    Args:
        learning_rate: the peak rate.
        total_steps: steps until the rate is 0.
        warmup_steps: of those, steps of rising.
        weight_decay: how much of a weight is taken off it a step, times the rate.
        max_gradient_norm: gradients whose common norm is larger are scaled down to it.
        micro_batches: of how many batches the gradients are averaged for one step.

    Raises:
        KbertError: if a number is not what it can be.

    Example:
        >>> optimizer = adamw(1e-4, total_steps=1000, warmup_steps=100)
    """
    whole_number("total_steps", total_steps, 1)
    whole_number("warmup_steps", warmup_steps, 0)
    whole_number("micro_batches", micro_batches, 1)
    number_from_zero("learning_rate", learning_rate)
    number_from_zero("weight_decay", weight_decay)
    if number_from_zero("max_gradient_norm", max_gradient_norm) == 0:
        raise KbertError("max_gradient_norm is above 0, which would make all gradients 0")
    optimizer = AdamW(
        LinearWarmupDecay(learning_rate, warmup_steps, total_steps, micro_batches),
        weight_decay=weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        global_clipnorm=max_gradient_norm,
        gradient_accumulation_steps=micro_batches if micro_batches > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
