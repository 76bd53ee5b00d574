"""What a model can do, in figures.

predictions   examples -> what a model says of them, by the pipeline of the task
evaluate      what was right, by the task's own metric; the worst errors
keep_best     a callback that evaluates while `fit` runs, and keeps the best weights
"""
