"""A look inside: what a model does with a text, as numbers first and as a picture then.

Each function gives a small dataclass of plain lists and numpy arrays, which a notebook shows as a
picture and `.save("x.html")` writes as a page that loads nothing from outside.

read_text.py          a text as the model reads it: pieces, eojeols, which text each is of
inputs.py             input_rows: pieces, segments, positions, and the embeddings that are added
masks.py              masking: what pretraining makes of a text
attentions.py         attention: the weights of every layer and head, by piece and by eojeol
attention_picture.py  how they are drawn
neurons.py            neuron_view: one head at one token, step by step
contexts.py           contextual, layers: a word in several texts, and a text through the layers
gradients.py          attributions: which words made the answer
embedded.py           a model from the sum of its embeddings on, and its gradient on each backend
page.py               what the pictures share: style, page, file, colours for numbers
words.py              what they say, in Korean and in English
"""

from kbert.explain.attentions import attention
from kbert.explain.contexts import contextual, layers
from kbert.explain.gradients import attributions
from kbert.explain.inputs import input_rows
from kbert.explain.masks import masking
from kbert.explain.neurons import neuron_view

__all__ = [
    "attention",
    "attributions",
    "contextual",
    "input_rows",
    "layers",
    "masking",
    "neuron_view",
]
