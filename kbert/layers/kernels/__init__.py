"""Attention computed faster, or in less memory, than by its formula; the numbers are the same.

dispatch.py           which kernel, on which backend and device
blocks.py             some queries at a time, for JAX and TensorFlow
torch.py              with dropout on a CPU, for PyTorch
block_sparse.py       BigBird's: a query's neighbours and the ends of the row, in blocks
free_lengths.py       rows of any length, as exported files have them
windows.py            each position sees its neighbours: rows cut into blocks of queries
"""
