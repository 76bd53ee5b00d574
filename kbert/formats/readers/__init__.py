"""Strict readers of what a stranger shared: which tensors a file has, and none of their numbers.

`safetensors`, `torch` and `h5` each read a file's tensors as `StoredTensor`s; `archive` a whole
`.keras` file; `folder` says which files of a checkpoint's folder may be opened.
"""
