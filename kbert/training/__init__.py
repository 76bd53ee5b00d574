"""Optimizer, schedule, losses and progress. It knows models only as Keras does.

losses.py             what to pass to `compile`
cross_entropy.py      over a vocabulary, with its gradient spelled out
torch_cross_entropy.py    the same for PyTorch, a few rows at a time
binary_cross_entropy.py   of labels that each hold or not
replaced_tokens.py    of which tokens were replaced, and how many of them were found
distillation.py       batches and loss of a student with a teacher
sentence_losses.py    of sentence vectors, by the angles between them
layerwise_rates.py    how much slower lower layers are trained
optimizers.py         AdamW as BERT uses it
schedules.py          the rate: warm-up and decay
presets.py            the settings of a run of pretraining
loop.py               one `fit` an interval: save, evaluate, continue
checkpoint.py         a run's state: whole or not there
time_budget.py        a run that ends by the clock
stages.py             lengths one after the other; micro-batches
distribution.py       many devices and hosts; what processes agree on
evaluation.py         figures of held-out text
progress.py           what a run shows, and the line that it logs
run_log.py            a run's log, and how a run that continues goes on with it
peak.py               how fast the device is at best
tensorboard.py        a run's figures, as TensorBoard reads them
curves.py             a picture of them
"""

from kbert.backend import require_backend

require_backend()
