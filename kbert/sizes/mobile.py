"""What is MobileBERT's own in what a model costs: narrow layers, and wide tables of words.

Shapes: D hidden, S bottleneck, E embedding, I intermediate, V vocabulary.
"""

from typing import NamedTuple


class Mobile(NamedTuple):
    """The sizes of a MobileBERT.

    Attributes:
        d: D.
        s: S.
        e: E.
        i: I.
        networks: how many feed-forward networks a layer has.
        narrow_values: whether values are made of narrow vectors, as queries and keys.
        pooled: whether the pooler has weights.
    """

    d: int
    s: int
    e: int
    i: int
    networks: int
    narrow_values: bool
    pooled: bool

    def matrices(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each matrix of a layer."""
        d, s = self.d, self.s
        narrowing = [(s, d)] if self.narrow_values else [(s, d), (s, d)]
        attention = [(2 * s, s), (s, s if self.narrow_values else d), (s, s)]
        return [*narrowing, *attention, *[(self.i, s), (s, self.i)] * self.networks, (d, s)]

    def of_layer(self) -> int:
        """Weights of a layer."""
        norms = (2 + self.networks if self.narrow_values else 3 + self.networks) * 2 * self.s
        dense = sum(outputs * inputs + outputs for outputs, inputs in self.matrices())
        return dense + norms + 2 * self.d

    def parameters(self, v: int, rows: int, layers: int) -> int:
        """Weights of a model for pretraining.

        Args:
            v: V.
            rows: of the tables of positions and segments together.
            layers: how many.
        """
        d, e = self.d, self.e
        tables = v * e + rows * d + (3 * e * d + d) + 2 * d
        pooler = d * d + d if self.pooled else 0
        heads = pooler + (2 * d + 2) + (d * d + d) + 2 * d + (d - e) * v + v
        return tables + layers * self.of_layer() + heads

    def working(self) -> int:
        """Numbers of a token that a layer works on at one time, in inference.

        What is narrow (5 S, or 4 S), and beside it the row with what a network widens, or with what
        is wide again, their sum, and what stands in the place of its norm.
        """
        narrow = 4 if self.narrow_values else 5
        return max(self.d + 2 * self.i, 4 * self.d) + narrow * self.s

    def kept(self, b: int, dropout: bool) -> int:
        """Bytes of a token that a layer keeps for its backward pass, beside attention's weights.

        For the products: its input (D); what queries and keys are made of, Q, K, V, the context and
        attention's sum (6 S), and what each network bends and gives (I + S). For what stands in
        the place of norms: their inputs, in float32.

        Args:
            b: bytes of a number that is not kept in float32.
            dropout: whether what is wide again is dropped.
        """
        d, s = self.d, self.s
        products = d + 6 * s + self.networks * (self.i + s)
        norms = (2 if self.narrow_values else 3) * s + self.networks * s + d
        return b * products + 4 * norms + (d if dropout else 0)
