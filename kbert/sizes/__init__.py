"""The sizes that BERT comes in, and what each costs. Nothing is run.

sizes.py              tiny ... large: constructor arguments, with their source
cost.py               parameters, operations, memory and time of a size
layout.py             what an encoder is made of, as far as it costs
layouts.py            what each of them does otherwise than BERT
layer_types.py        which layers see the whole row, in encoders that have layers of two kinds
distances.py          which row of a table stands for which distance, in DeBERTa
devices.py            what devices can do, as their makers publish it
"""

from kbert.sizes.sizes import SIZES as SIZES
