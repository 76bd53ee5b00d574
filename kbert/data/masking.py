"""Masking: which tokens a model has to guess, and what it sees in their place.

15% of the ordinary tokens are to be guessed. Of those, 80% are shown as [MASK], 10% as a random
ordinary token, and 10% as they are, so that the model cannot tell which tokens it will be asked
about. Special tokens and padding are never touched.

Shapes: B batch, L length, P masked positions.
Source: Devlin et al. 2018, section 3.1, Task #1.
"""

from dataclasses import dataclass

import numpy as np

from kbert.errors import KbertError
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
    rate: float = 0.15,
    mask_share: float = 0.8,
    random_share: float = 0.1,
) -> Masked:
    """Masks a batch.

    Args:
        input_ids: (B, L) rows with special tokens and padding.
        tokenizer: tells special tokens and [MASK].
        rng: numpy's generator; equal states give equal masks.
        replacements: the ids to draw random tokens from; by default `ordinary_ids(tokenizer)`,
            which a caller of many batches computes once.
        rate: the share of ordinary tokens to guess, in (0, 1]; at least one in every row that
            has one.
        mask_share: of those, the share shown as [MASK].
        random_share: of those, the share shown as a random token. The rest are shown as they are.

    Raises:
        KbertError: if a rate is not one.
    """
    if not 0 < rate <= 1 or min(mask_share, random_share) < 0 or mask_share + random_share > 1:
        raise KbertError(
            f"rates must be in (0, 1] and the two shares at most 1 together, not rate={rate}, "
            f"mask_share={mask_share}, random_share={random_share}"
        )
    replacements = ordinary_ids(tokenizer) if replacements is None else replacements
    rows, length = input_ids.shape
    places = max_masked(length, rate)

    ordinary = ~np.isin(input_ids, tokenizer.special_ids)  # (B, L)
    counts = ordinary.sum(axis=1)
    wanted = np.minimum(np.maximum(np.rint(counts * rate), counts > 0), places).astype(int)  # (B,)
    # The tokens with the lowest random numbers are chosen; a special token has infinity.
    lottery = np.where(ordinary, rng.random((rows, length)), np.inf)
    chosen = np.argsort(lottery, axis=1)[:, :places]  # (B, P)
    real = np.arange(places) < wanted[:, None]  # (B, P)
    positions = np.sort(np.where(real, chosen, length), axis=1)  # filling positions go last
    real = positions < length
    positions = np.where(real, positions, 0)

    row_index = np.arange(rows)[:, None]
    labels = np.where(real, input_ids[row_index, positions], 0)
    fate = rng.random((rows, places))
    random_ids = rng.choice(replacements, (rows, places))
    shown = np.where(fate < mask_share, tokenizer.mask_id, labels)
    shown = np.where((fate >= mask_share) & (fate < mask_share + random_share), random_ids, shown)
    masked_ids = input_ids.copy()
    masked_ids[np.broadcast_to(row_index, real.shape)[real], positions[real]] = shown[real]
    return Masked(
        masked_ids,
        positions.astype(np.int32),
        labels.astype(np.int32),
        real.astype(np.float32),
    )
