"""Hugging Face's checkpoints, in and out.

load.py     a checkpoint folder -> a model
fill.py     a checkpoint's tensors into a model
export.py   a model -> a checkpoint folder; an upload
google.py   Google's own checkpoints, in the form of these
config.py   config.json <-> arguments
weights.py  each weight beside its tensors, by a family's names
hub.py      a name on the Hub -> a folder
"""
