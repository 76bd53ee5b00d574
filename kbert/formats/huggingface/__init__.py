"""Hugging Face's checkpoints: `load` makes a model of a folder, `export` a folder of a model.

`config` and `weights` are what both share; `hub` brings a folder from the Hub.
"""
