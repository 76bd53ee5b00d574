"""Vectors on the disk, and which are nearest: exact, in bounded memory, without Keras.

precisions.py     vectors in fewer bytes, and back
nearest.py        the nearest of many vectors, a block of them at a time
strings.py        many strings end to end in one file
index_files.py    what an index's folder holds, read as from a stranger
index_builder.py  vectors and texts into a folder; a build that was killed goes on
index.py          SentenceIndex
approximate.py    ApproximateIndex: by a graph, which does not look at every vector
"""
