"""The parts of a BERT, each a `keras.layers.Layer`.

attention.py          the formula, and the layer of heads around it
kernels/              the same, faster or in less memory, by what each backend does best
global_attention.py   a window for each token, and tokens that see all
disentangled.py       attention to what a token is and to how far away it stands, apart
embeddings.py         what a token is, where it stands and which text it is in, added up
extra_embeddings.py   vectors that are of no token: regions of an image, frames of a sound
rotary.py             positions as rotations of queries and keys
feed_forward.py       the two dense layers behind attention; the same with a gate
encoder.py            one layer of the encoder, normalised after each addition
modern_layer.py       ModernBERT's: normalised before, gated, without biases
trigram_embeddings.py MobileBERT's: a token's vector is made of its neighbours', too
mobile_layer.py       MobileBERT's: narrow within, several feed-forward networks, no norms
pooling.py            a whole row as one vector
heads.py              masked words, next sentence, labels
replaced_tokens.py    words drawn by their probability, and which tokens were replaced
soft_targets.py       how far a student is from its teacher
biaffine.py           words as heads and dependents, and scores of their pairs
activations.py        gelu and the others, by the names of Hugging Face's configs
layer_norm.py         Keras's, with gradients that XLA computes fast
no_norm.py            what MobileBERT has in its place
dense.py              Keras's Dense, by the fastest way of each backend
quantized.py          a matrix of small whole numbers, a byte a weight or half of one
sparse.py             a kernel of which a share is used: single weights are pruned
dropout.py            by a hash: cheap, and the same on every backend
initializers.py       equal starting weights on every backend
calling.py            how a layer runs the layers within it
"""

from kbert.backend import require_backend

require_backend()
