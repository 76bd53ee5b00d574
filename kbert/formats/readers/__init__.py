"""Strict readers of what a stranger shared: what is in a file, and none of its numbers.

safetensors.py    Hugging Face's format
torch.py          PyTorch's pickles, never trusted
tensorflow.py     TensorFlow's checkpoints, without TensorFlow
h5.py             the weights within a `.keras` file
archive.py        a whole `.keras` file
folder.py         which files of a checkpoint's folder may be opened
stored_tensor.py  a tensor in a file, read when it is wanted
"""
