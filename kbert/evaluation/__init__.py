"""What a model can do, in figures.

predictions.py  examples -> what a model says of them, by the pipeline of the task
evaluate.py     what was right, by the metric of the set or the task; the surest mistakes
ceiling.py      the best score that a vocabulary allows
comparison.py   scores beside the published ones, and what sets them apart
report.py       an evaluation as a page for people
keep_best.py    KeepBest: a callback that evaluates while `fit` runs, and keeps the best weights
best_weights.py     the same for a run of `train`: they go to a file
"""
