"""Learning rates that change with the step.

Source: Devlin et al. 2018, appendix A.2; google-research/bert, optimization.py.
"""

from typing import Any

import keras
from keras import ops


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
class WarmupStableDecay(LinearWarmupDecay):
    """A learning rate that rises to its peak, stays there, and falls to 0 in the last steps.

        rate = peak (1 - sqrt(steps of falling so far / decay_steps))        at the end

    While it stays nobody has to know when the training will end: more text can be added, and each
    end takes only its own steps of falling.

    Args:
        peak: the highest rate, reached after `warmup_steps`.
        warmup_steps: as for `LinearWarmupDecay`.
        total_steps: likewise.
        decay_steps: of those, the last, in which it falls.
        micro_batches: likewise.

    Example:
        >>> rate = WarmupStableDecay(1.0, warmup_steps=2, total_steps=8, decay_steps=4)
        >>> [round(float(rate(step)), 2) for step in range(8)]
        [0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.29, 0.13]

    Source: Warner et al. 2024 (ModernBERT), section 2.2.3; Hägele et al. 2024, "Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations", for the square root.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int,
        total_steps: int,
        decay_steps: int,
        micro_batches: int = 1,
    ):
        super().__init__(peak, warmup_steps, total_steps, micro_batches)
        self.decay_steps = decay_steps

    def __call__(self, step):
        """The rate of an iteration, counted from 0."""
        if self.micro_batches > 1:
            step = ops.floor_divide(step, self.micro_batches)
        step = ops.cast(step, "float32")
        rising = (step + 1) / max(self.warmup_steps, 1)
        left = ops.clip((self.total_steps - step) / self.decay_steps, 0.0, 1.0)
        return self.peak * ops.minimum(ops.minimum(rising, 1.0), 1.0 - ops.sqrt(1.0 - left))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "decay_steps": self.decay_steps}
