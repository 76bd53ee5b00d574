"""What BERT's relatives, ModernBERT, DeBERTa and MobileBERT do otherwise, as far as it costs.

Shapes: as in layout.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kbert.sizes.distances import rows_of, span_of
from kbert.sizes.layer_types import FULL
from kbert.sizes.layout import Layout, Matrix


@dataclass(frozen=True)
class BertLayout(Layout):
    """BERT, ALBERT, Longformer and BigBird.

    Attributes:
        rows: of the tables of positions and segments together.
        shared_by: groups and layers of a group, where layers share their weights; or None.
        windows: how far each layer sees on either side; None means the whole row.
        global_attention: whether one token sees all, and is seen by all.
        block_size: how many tokens a block has in BigBird; or None.
        num_random_blocks: in BigBird.
    """

    rows: int
    shared_by: tuple[int, int] | None
    windows: Sequence[int | None]
    global_attention: bool
    block_size: int | None
    num_random_blocks: int

    @property
    def more(self) -> int:
        """One, with global attention."""
        return 1 if self.global_attention else 0

    @property
    def own_layers(self) -> int:
        """In ALBERT those of all groups."""
        return self.layers if self.shared_by is None else math.prod(self.shared_by)

    @property
    def t(self) -> int:
        """E."""
        return self.e

    def projections(self) -> list[Matrix]:
        """One where the tables are narrower, and in ALBERT."""
        return [(self.d, self.e)] if self.e != self.d or self.shared_by is not None else []

    def matrices(self) -> list[Matrix]:
        """With keys and values for global tokens."""
        return [*super().matrices(), *[(2 * self.d, self.d)] * self.more]

    def others(self) -> list[Matrix]:
        """Queries of global tokens."""
        return [(self.d, self.d)] * self.more

    def tables(self) -> int:
        """With positions and segments."""
        return super().tables() + self.rows * self.e

    def keys(self, length: int) -> list[float]:
        """In BigBird on average: five blocks for most queries, all for those of two blocks."""
        size = self.block_size
        if size is None:
            return super().keys(length)
        if length <= (5 + 2 * self.num_random_blocks) * size:
            return [length] * self.layers
        blocks = -(-length // size)
        return [(5 * (blocks - 2) + 2 * blocks) * size * size / length] * self.layers

    def row_flops(self, length: int, masked: int) -> int:
        """With the queries of one global token, and what it sees."""
        of_global = (2 * self.d * self.d + 4 * length * self.d) * self.layers
        return super().row_flops(length, masked) + self.more * of_global

    def _windows(self) -> Sequence[int | None]:
        return self.windows

    def _block_copies(self) -> int:
        return 4 if self.block_size is None else 8

    def _has_bias(self) -> bool:
        return self.block_size is None


@dataclass(frozen=True)
class ModernBertLayout(Layout):
    """ModernBERT: no positions, no segments, and no biases but the pooler's and the scores'.

    Of its norms the first layer has one less, and the encoder one more at the end.

    Attributes:
        layer_types: what each layer sees.
        local_attention: how many positions a layer sees that does not see all.
    """

    layer_types: Sequence[str]
    local_attention: int

    norm = 1

    def matrices(self) -> list[Matrix]:
        """Its first is twice as wide, half of it a gate."""
        d, i = self.d, self.i
        return [(3 * d, d), (d, d), (2 * i, d), (d, i)]

    def _windows(self) -> Sequence[int | None]:
        return [None if each == FULL else self.local_attention // 2 for each in self.layer_types]

    def working(self) -> int:
        """With the gate."""
        return 3 * self.d + 3 * self.i

    def kept_by_layer(self, b: int, dropout: bool) -> int:
        """Q and K before and after they are turned (8 D).

        And the gate beside gelu's input and output, and what the gate lets through (4 I).
        """
        products = 8 * self.d + 4 * self.i
        return b * products + 4 * (2 * self.d) + 4 * 4 + (self.d + self.i if dropout else 0)

    def kept_by_attention(self, k: float, length: int, b: int, dropout: bool) -> float:
        """As in BERT, whose formula keeps divided queries where a kernel keeps its context.

        Here turned queries stand nowhere else.
        """
        kept = super().kept_by_attention(k, length, b, dropout)
        return kept - (b * self.d if self._keeps_weights(k, dropout) else 0)

    def _block_copies(self) -> int:
        return 2

    def _kept_of_last(self, b: int) -> int:
        """It is normed, too, and the first layer has a norm less."""
        return 0


@dataclass(frozen=True)
class DebertaLayout(Layout):
    """DeBERTa: in place of positions and segments a table of distances, which each layer projects.

    Attributes:
        buckets: of the table, on either side; 0 means a row for each distance.
        longest: the longest distance.
        share_att_key: whether distances are projected by the matrices of Q and K.
    """

    buckets: int
    longest: int
    share_att_key: bool

    def others(self) -> list[Matrix]:
        """For distances, where they have matrices of their own."""
        return [] if self.share_att_key else [(2 * self.d, self.d)]

    def tables(self) -> int:
        """With the distances, and a norm of theirs."""
        return super().tables() + 2 * span_of(self.buckets, self.longest) * self.d + 2 * self.d

    def _attention_flops(self, k: float, length: int) -> float:
        """With two products with 2 L distances."""
        return super()._attention_flops(k, length) + 8 * length * self.d

    def batch_flops(self, length: int) -> int:
        """Each layer projects the rows of distances that it needs."""
        in_use = rows_of(length, self.buckets, self.longest)
        return 4 * int(in_use[-1] - in_use[0] + 1) * self.d * self.d * self.layers

    def kept_by_attention(self, k: float, length: int, b: int, dropout: bool) -> float:
        """With the bias."""
        return super().kept_by_attention(k, length, b, dropout) + b * self.n * k


@dataclass(frozen=True)
class MobileBertLayout(Layout):
    """MobileBERT: narrow layers, and words that are scored by wide vectors.

    Attributes:
        rows: of the tables of positions and segments together.
        bottleneck: S.
        networks: how many feed-forward networks a layer has.
        narrow_values: whether values are made of narrow vectors, as queries and keys.
        pooled: whether the pooler has weights.
    """

    rows: int
    bottleneck: int
    networks: int
    narrow_values: bool
    pooled: bool

    @property
    def s(self) -> int:
        """The bottleneck."""
        return self.bottleneck

    def projections(self) -> list[Matrix]:
        """Three neighbours become one vector."""
        return [(self.d, 3 * self.e)]

    def matrices(self) -> list[Matrix]:
        """In and out of the bottleneck, attention, and the networks."""
        d, s = self.d, self.s
        narrowing = [(s, d)] if self.narrow_values else [(s, d), (s, d)]
        attention = [(2 * s, s), (s, s if self.narrow_values else d), (s, s)]
        return [*narrowing, *attention, *[(self.i, s), (s, self.i)] * self.networks, (d, s)]

    def norms(self) -> int:
        """What stands in their place."""
        return 2 * self._narrow_norms() + 2 * self.d

    def pooler(self) -> list[Matrix]:
        """None in the small one."""
        return super().pooler() if self.pooled else []

    def tables(self) -> int:
        """With the columns that complete the token table where words are scored."""
        completion = (self.d - self.e) * self.v
        return self.v * self.e + self.rows * self.d + 2 * self.d + completion

    def working(self) -> int:
        """What is narrow (5 S, or 4 S), and beside it what is wide.

        That is the row with what a network widens, or with what is wide again, their sum, and what
        stands in the place of its norm.
        """
        narrow = 4 if self.narrow_values else 5
        return max(self.d + 2 * self.i, 4 * self.d) + narrow * self.s

    def kept_by_layer(self, b: int, dropout: bool) -> int:
        """As in BERT, of what is narrow.

        For the products: its input (D); what queries and keys are made of, Q, K, V, the context and
        attention's sum (6 S), and what each network bends and gives (I + S). For what stands in
        the place of norms: their inputs, in float32.
        """
        products = self.d + 6 * self.s + self.networks * (self.i + self.s)
        norms = self._narrow_norms() + self.d
        return b * products + 4 * norms + (self.d if dropout else 0)

    def kept_beside(self, tokens: int, words: int, b: int, dropout: bool) -> int:
        """As in BERT, with three neighbours and wide words."""
        tables = 4 * self.d + (self.d if dropout else 0) + b * 3 * self.e
        heads = b * self.d + (2 * b + 4) * self.t
        kept = tokens * (tables + self._kept_of_last(b)) + words * heads
        if b == 4:  # relu's output is the norm's input; and the table with what completes it
            kept += 4 * self.v * self.d - words * b * self.t
        return kept

    def _narrow_norms(self) -> int:
        """S, of each."""
        return (2 + self.networks if self.narrow_values else 3 + self.networks) * self.s
