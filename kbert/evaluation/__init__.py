"""What a model can do, in figures.

predictions.py        examples -> what a model says of them, by the pipeline of the task
evaluate.py           what was right, by the task's own metric; the worst errors
keep_best.py          a callback that evaluates while `fit` runs, and keeps the best weights
"""
