"""What an encoder is made of, as far as it costs: matrices, weights, products, what is kept.

A layout is of a model for pretraining: an encoder with a pooler, and heads for next sentences and
for masked words. `Layout` has what is BERT's; layouts.py has what each encoder does otherwise. What
is kept for the backward pass agrees with the bytes that PyTorch keeps (tests/sizes/test_cost.py).

Shapes: L length, K keys of a query, P masked positions, D hidden, E embedding, S what heads share
(D but in MobileBERT), T what words are scored by (D or E), I intermediate, N heads, V vocabulary; b
bytes of a number that is not kept in float32.
Source: Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models",
section 4, for what a layer keeps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Matrix = tuple[int, int]  # outputs, inputs

_WEIGHTS_KEPT = 256  # the most keys that are not computed in parts; layers/kernels/dispatch.py
_LEAST_BLOCK = 64  # queries; kbert/layers/kernels/windows.py


@dataclass(frozen=True)
class Layout:
    """An encoder of BERT's layers, each of which sees the whole row.

    Attributes:
        v: V.
        d: D.
        e: E.
        i: I.
        n: N.
        layers: how many are run.
    """

    v: int
    d: int
    e: int
    i: int
    n: int
    layers: int

    norm = 2  # vectors of a norm: its scale and its bias
    more = 0  # keys of global tokens, beside K

    @property
    def own_layers(self) -> int:
        """How many layers have weights of their own."""
        return self.layers

    @property
    def s(self) -> int:
        """S."""
        return self.d

    @property
    def t(self) -> int:
        """T."""
        return self.d

    # Matrices and weights.

    def projections(self) -> list[Matrix]:
        """Between the tables and the layers."""
        return []

    def matrices(self) -> list[Matrix]:
        """Of a layer: those that every token is multiplied with."""
        d, i = self.d, self.i
        return [(3 * d, d), (d, d), (i, d), (d, i)]

    def others(self) -> list[Matrix]:
        """Of a layer: those that are not for every token."""
        return []

    def norms(self) -> int:
        """Weights of a layer's norms."""
        return 2 * self.norm * self.d

    def pooler(self) -> list[Matrix]:
        """The pooler's."""
        return [(self.d, self.d)]

    def tables(self) -> int:
        """Weights of the tables, and of the norm behind them."""
        return self.v * self.e + self.norm * self.e

    def of_layer(self) -> int:
        """Weights of a layer."""
        return self._dense([*self.matrices(), *self.others()]) + self.norms()

    def parameters(self) -> int:
        """Weights of the model."""
        heads = (2 * self.d + 2) + self._dense([(self.t, self.d)]) + self.norm * self.t + self.v
        heads += sum(outputs * inputs + outputs for outputs, inputs in self.pooler())
        tables = self.tables() + self._dense(self.projections())
        return tables + self.own_layers * self.of_layer() + heads

    def stored_matrices(self) -> list[Matrix]:
        """What `kbert.quantize` makes whole numbers of."""
        layer = [*self.matrices(), *self.others()]
        return [(self.v, self.e), *self.projections(), *(layer * self.own_layers)]

    def _dense(self, matrices: list[Matrix]) -> int:
        """Weights of dense layers; where norms have no biases, they have none either."""
        biases = sum(outputs for outputs, _ in matrices) if self.norm == 2 else 0
        return sum(map(math.prod, matrices)) + biases

    # Operations.

    def keys(self, length: int) -> list[float]:
        """K of each layer that is run."""
        return [_keys(window, length) for window in self._windows()]

    def token_flops(self, length: int) -> float:
        """Operations of a token in tables and layers."""
        of_layer = 2 * sum(map(math.prod, self.matrices()))
        attention = sum(self._attention_flops(k, length) for k in self.keys(length))
        return 2 * sum(map(math.prod, self.projections())) + self.layers * of_layer + attention

    def row_flops(self, length: int, masked: int) -> int:
        """Operations of a row beside those of its tokens: in the heads."""
        words = masked * 2 * (self.d * self.t + self.t * self.v)
        return words + 2 * sum(map(math.prod, self.pooler())) + 4 * self.d

    def batch_flops(self, length: int) -> int:
        """Operations that all rows share."""
        return 0

    def _windows(self) -> Sequence[int | None]:
        return [None] * self.layers

    def _attention_flops(self, k: float, length: int) -> float:
        return 4 * (k + self.more) * self.s

    # Memory.

    def working(self) -> int:
        """Numbers of a token that a layer works on at one time, in inference."""
        return 3 * self.d + 2 * self.i

    def kept_by_layer(self, b: int, dropout: bool) -> int:
        """Bytes of a token, beside those of attention's weights.

        For the products: its input, Q, K, V, the context, the first norm's output (6 D), and gelu's
        input and output (2 I). For the two norms: their inputs, in float32, with mean and
        deviation.
        """
        products = 6 * self.d + 2 * self.i
        return b * products + 4 * (2 * self.d) + 4 * 4 + (2 * self.d if dropout else 0)

    def kept_by_attention(self, k: float, length: int, b: int, dropout: bool) -> float:
        """Bytes of a token in a layer: attention's weights, or what is kept in their place."""
        d, n = self.d, self.n
        kept = self.more * 2 * b * d  # keys and values for global tokens
        if k < length:
            kept += b * self._block_copies() * d  # keys and values, beside all of them
        if self._keeps_weights(k, dropout):
            return kept + n * (k + self.more) * (4 + 1 + b)  # they, what is dropped, what is left
        # Logarithms of sums; the context of a kernel, in which that of global tokens is not yet.
        kept += 4 * n + self.more * b * d
        return kept + (b * k if k < length and self._has_bias() else 0)

    def kept_beside(self, tokens: int, words: int, b: int, dropout: bool) -> int:
        """Bytes of all rows beside the layers'.

        Args:
            tokens: of all rows.
            words: P of all rows together.
            b: see above.
            dropout: whether the tables' output is dropped.
        """
        tables = 4 * self.e + (self.e if dropout else 0) + (b * self.e if self.projections() else 0)
        heads = b * self.d + (2 * b + 4) * self.t  # gathered; gelu's, the norm's input and output
        return tokens * (tables + self._kept_of_last(b)) + words * heads

    def _block_copies(self) -> int:
        """D, in keys and values of blocks."""
        return 4

    def _has_bias(self) -> bool:
        """Whether each query of a block has a bias for its keys."""
        return True

    def _keeps_weights(self, k: float, dropout: bool) -> bool:
        return dropout and k <= _WEIGHTS_KEPT

    def _kept_of_last(self, b: int) -> int:
        """What the last layer gives."""
        return b * self.d


def _keys(window: int | None, length: int) -> int:
    """K: the whole row, or three blocks where they are shorter."""
    return min(3 * max(window or length, _LEAST_BLOCK), length)
