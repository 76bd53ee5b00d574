"""Gold and predicted labels, as plain lists -> a dict of scores in [0, 1].

Where an official metric is odd it is as odd here, and the honest one stands beside it under a name
that says what it is.
"""
