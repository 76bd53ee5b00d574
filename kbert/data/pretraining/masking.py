"""Masking: which tokens a model has to guess, and what it sees instead.

15% of the ordinary tokens are to be guessed: single tokens, or whole words (eojeols, morphemes),
so that the rest of a word does not give its piece away. Of those, 80% are shown as [MASK], 10% as
a random ordinary token, and 10% as they are, so that the model cannot tell which tokens it will be
asked about. Special tokens and padding are never touched.

Shapes: B batch, L length, P masked positions, W words of all rows.
Source: Devlin et al. 2018, section 3.1, Task #1; whole words: google-research/bert,
create_pretraining_data.py, `create_masked_lm_predictions`; runs of words: Lan et al. 2020 (ALBERT),
section 4.1.
"""

from dataclasses import dataclass

import numpy as np

from kbert.data.pretraining.sentence_pairs import walk_from_zero
from kbert.errors import KbertError
from kbert.text.encoding.pieces import ranges
from kbert.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Masked:
    """A masked batch.

    Attributes:
        input_ids: (B, L) what the model sees.
        positions: (B, P) where it is asked, in rising order; 0 where a row has fewer than P.
        labels: (B, P) the tokens that were there.
        weights: (B, P) float32: 1 for a real masked position, 0 for a filling one.
    """

    input_ids: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def max_masked(sequence_length: int, rate: float) -> int:
    """P: the most positions that a row can have masked.

    Example:
        >>> max_masked(128, 0.15)
        20
    """
    return max(1, int(np.ceil(sequence_length * rate)))


def draws_per_row(sequence_length: int, rate: float) -> int:
    """How many numbers of 64 bits `mask_tokens` draws for a row, one row behind the other.

    So the masks of rows n, n + 1, ... of a batch are had alone, by a bit generator that has been
    advanced by n times as many.

    Example:
        >>> draws_per_row(128, 0.15)  # half a number a token, and one a masked position
        84
    """
    return -(-sequence_length // 2) + max_masked(sequence_length, rate)


def ordinary_ids(tokenizer: Tokenizer) -> np.ndarray:
    """The ids that a random replacement may have: no special tokens, no [unused] slots."""
    special = set(tokenizer.special_ids)
    return np.array(
        [
            index
            for index, token in enumerate(tokenizer.vocabulary)
            if index not in special and not token.startswith("[unused")
        ],
        np.int32,
    )


def mask_tokens(
    input_ids: np.ndarray,
    tokenizer: Tokenizer,
    rng: np.random.Generator,
    *,
    replacements: np.ndarray | None = None,
    word_starts: np.ndarray | None = None,
    rate: float = 0.15,
    mask_share: float = 0.8,
    random_share: float = 0.1,
    ngram: int = 1,
) -> Masked:
    """Masks a batch.

    A row of n ordinary tokens has `rate` n of them masked, rounded. With `word_starts` words are
    taken in random order, each as a whole; one that is longer than what is left of that number is
    passed over and the next is tried, so a row has never more masked than its share, and seldom
    less. Only where no word of a row is short enough, the first in order is taken all the same
    (its first P tokens, if it is longer still).

    Args:
        input_ids: (B, L) rows with special tokens and padding.
        tokenizer: tells special tokens and [MASK].
        rng: numpy's generator; equal states give equal masks.
        replacements: the ids to draw random tokens from; by default `ordinary_ids(tokenizer)`,
            which a caller of many batches computes once.
        word_starts: (B, L) bool, where a word begins, to mask whole words; None masks by token. A
            token behind a special one begins a word whatever stands here.
        rate: the share of ordinary tokens to guess, in (0, 1]; at least one in every row that
            has one.
        mask_share: of those, the share shown as [MASK].
        random_share: of those, the share shown as a random token. The rest are shown as they are.
        ngram: the most words (tokens, without `word_starts`) in a row that are masked together. A
            row's words are cut into runs of n, n up to this, which are 1/n as often as those of
            one, and a run is then taken as a word is. ALBERT has 3.

    Raises:
        KbertError: if a rate is not one.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##의 법률".split())
        >>> row = np.array([[2, 5, 6, 7, 7, 7, 3]])  # [CLS] 국회의 법률 법률 법률 [SEP]
        >>> words = np.array([[0, 1, 0, 1, 1, 1, 0]], bool)
        >>> masked = mask_tokens(row, tokenizer, np.random.default_rng(2), word_starts=words,
        ...                      rate=0.4, mask_share=1, random_share=0)
        >>> masked.input_ids.tolist(), masked.positions.tolist()
        ([[2, 4, 4, 7, 7, 7, 3]], [[1, 2, 0]])
    """
    if not 0 < rate <= 1 or min(mask_share, random_share) < 0 or mask_share + random_share > 1:
        raise KbertError(
            f"rates must be in (0, 1] and the two shares at most 1 together, not rate={rate}, "
            f"mask_share={mask_share}, random_share={random_share}"
        )
    replacements = ordinary_ids(tokenizer) if replacements is None else replacements
    rows, length = input_ids.shape
    slots = max_masked(length, rate)
    numbers = rng.integers(2**64, size=(rows, draws_per_row(length, rate)), dtype=np.uint64)
    keys = numbers[:, :-slots].view(np.uint32)[:, :length]  # (B, L)
    uniform, drawn = numbers[:, -slots:] >> 32, numbers[:, -slots:] & 0xFFFFFFFF  # (B, P)

    ordinary = np.ones(input_ids.shape, bool)  # (B, L)
    for special in tokenizer.special_ids:
        ordinary &= input_ids != special
    counts = ordinary.sum(axis=1, dtype=np.int32)
    wanted = np.minimum(np.maximum(np.rint(counts * rate), counts > 0), slots).astype(int)  # (B,)
    if ngram > 1:
        starts = np.ones_like(ordinary) if word_starts is None else word_starts
        word_starts = _starts_of_runs(keys, ordinary, starts, ngram)
    if word_starts is None:
        positions = _choose_tokens(keys, ordinary, wanted, slots)
    else:
        positions = _choose_words(keys, ordinary, wanted, slots, word_starts)
    real = positions < length  # (B, P)
    positions = np.where(real, positions, 0)

    flat = positions + np.arange(rows)[:, None] * length  # (B, P)
    labels = np.where(real, input_ids.ravel()[flat], 0)
    random_ids = replacements[(drawn * np.uint64(len(replacements))) >> 32]
    shown = np.where(uniform < mask_share * 2**32, tokenizer.mask_id, labels)
    is_random = (uniform >= mask_share * 2**32) & (uniform < (mask_share + random_share) * 2**32)
    shown = np.where(is_random, random_ids, shown)
    masked_ids = input_ids.copy()
    masked_ids.ravel()[flat[real]] = shown[real]
    return Masked(
        masked_ids,
        positions.astype(np.int32),
        labels.astype(np.int32),
        real.astype(np.float32),
    )


def _choose_tokens(
    keys: np.ndarray, ordinary: np.ndarray, wanted: np.ndarray, slots: int
) -> np.ndarray:
    """(B, P) the ordinary tokens with the lowest random numbers, in rising order; then L."""
    length = keys.shape[1]
    # The low bits of a token's number make way for its position, so sorting brings both.
    low = np.uint32((1 << length.bit_length()) - 1)
    keys = keys & ~low | np.arange(length, dtype=np.uint32)
    keys = np.where(ordinary, keys, ~np.uint32(0))
    lowest = np.sort(keys, axis=1)[:, :slots]  # (B, P)
    chosen = np.where(np.arange(slots) < wanted[:, None], lowest & low, np.uint32(length))
    return np.sort(chosen, axis=1).astype(np.int64)


def _begins(ordinary: np.ndarray, word_starts: np.ndarray) -> np.ndarray:
    """(B, L) where a word begins: where it is said, and behind what is no ordinary token."""
    begins = ordinary & word_starts
    begins[:, 0] = ordinary[:, 0]
    begins[:, 1:] |= ordinary[:, 1:] > ordinary[:, :-1]
    return begins


def _starts_of_runs(
    keys: np.ndarray, ordinary: np.ndarray, word_starts: np.ndarray, ngram: int
) -> np.ndarray:
    """(B, L) where a run of words begins, each of 1 to `ngram`, shorter at the end of a text.

    How long a run is, is told by a hash of its first word's number, which tells the order, too.
    """
    begins = np.flatnonzero(_begins(ordinary, word_starts))  # (W,)
    after_a_gap = np.ones_like(ordinary)  # the words before which a run has to end
    after_a_gap[:, 1:] = ~ordinary[:, :-1]
    gaps = np.append(np.flatnonzero(after_a_gap.ravel()[begins]), len(begins))
    next_gap = gaps[np.searchsorted(gaps, np.arange(len(begins)), side="right")]
    hashed = keys.ravel()[begins] * np.uint32(2654435769)
    shares = np.cumsum(1 / np.arange(1, ngram + 1))
    size = 1 + np.searchsorted(shares / shares[-1], hashed / 2.0**32, side="right")
    runs = walk_from_zero(np.minimum(np.arange(len(begins)) + size, next_gap))
    starts = np.zeros(ordinary.size, bool)
    starts[begins[runs]] = True
    return starts.reshape(ordinary.shape)


def _choose_words(
    keys: np.ndarray,
    ordinary: np.ndarray,
    wanted: np.ndarray,
    slots: int,
    word_starts: np.ndarray,
) -> np.ndarray:
    """(B, P) the tokens of the words with the lowest random numbers that fit; then L."""
    rows, length = keys.shape
    begins_word = _begins(ordinary, word_starts)
    edges = np.append(np.flatnonzero(begins_word | ~ordinary), rows * length)
    is_word = ordinary.ravel()[edges[:-1]]
    begins, sizes = edges[:-1][is_word], (edges[1:] - edges[:-1])[is_word]  # (W,)
    row, number = begins // length, keys.ravel()[begins]

    left = wanted.copy()
    chosen = []
    # Most rows are full before the words of the lowest numbers are used up: sort those alone.
    soon = number < 2 * wanted.sum() / max(ordinary.sum(), 1) * 2**32
    for words in (np.flatnonzero(soon), np.flatnonzero(~soon)):
        words = words[sizes[words] <= left[row[words]]]
        words = words[np.argsort(row[words] << 32 | number[words])]
        of_row, turn = row[words], _index_in_row(row[words], rows)
        size = np.full((turn.max(initial=-1) + 1, rows), length + 1)  # of each row's next word
        size[turn, of_row] = sizes[words]
        for now in size:
            now *= now <= left
            left -= now
        chosen.append(words[size[turn, of_row] > 0])
    # Rows whose words are all too long.
    words = np.flatnonzero((left == wanted)[row])
    words = words[np.argsort(row[words] << 32 | number[words])]
    words = words[_index_in_row(row[words], rows) == 0]
    sizes[words] = np.minimum(sizes[words], slots)
    words = np.concatenate([*chosen, words])

    tokens = np.sort(ranges(begins[words], sizes[words]))
    of_row = tokens // length
    positions = np.full((rows, slots), length)
    positions[of_row, _index_in_row(of_row, rows)] = tokens - of_row * length
    return positions


def _index_in_row(of_row: np.ndarray, rows: int) -> np.ndarray:
    """How many before each are of the same row, where rows come in order."""
    return np.arange(len(of_row)) - np.searchsorted(of_row, np.arange(rows))[of_row]
