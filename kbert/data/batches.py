"""Planned instances into the batches that `model.fit` takes.

A batch is a pure function of (seed, index): instances, order and masks do not depend on what was
asked for before, so a run can be continued, and every backend sees the same numbers.

Shapes: B batch, L length, P masked positions.
"""

from functools import lru_cache

import numpy as np

from kbert.backend import require_backend
from kbert.data.masking import mask_tokens, ordinary_ids
from kbert.data.sentence_pairs import plan_pairs
from kbert.data.shards import Shard
from kbert.errors import KbertError
from kbert.text.rows import ROW, Pieces, fill_rows
from kbert.text.tokenizer import Tokenizer

try:
    import keras
except ImportError:
    require_backend()  # its error says what to install, and Keras's own does not
    raise

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]


class PretrainingBatches(keras.utils.PyDataset):
    """Batches of masked next-sentence pairs, for as many steps as wanted.

    Every pass over the documents (an epoch) plans its pairs anew, and every batch is masked anew.
    The last batch of an epoch is filled up with the first instances of its plan, so that all
    batches have one shape and nothing is compiled twice.

    Args:
        shard: the ids of at least two documents.
        tokenizer: the one that made them.
        sequence_length: L, special tokens included.
        batch_size: B.
        seed: equal seeds give equal batches.
        steps: how many batches; None means one epoch.
        first_step: the index of the first of them, to go on where a run ended.

    Pass it to `fit` with `shuffle=False`: it is shuffled already, and Keras's own shuffling
    cannot be repeated.
    """

    def __init__(
        self,
        shard: Shard,
        tokenizer: Tokenizer,
        *,
        sequence_length: int,
        batch_size: int,
        seed: int,
        steps: int | None = None,
        first_step: int = 0,
    ):
        super().__init__(workers=1)
        if batch_size < 1 or (steps is not None and steps < 1):
            raise KbertError(f"batch_size {batch_size} and steps {steps} must be 1 or more")
        if shard.ids.size and int(shard.ids.max()) >= len(tokenizer):
            raise KbertError(
                f"the shard holds id {int(shard.ids.max())}, and the tokenizer has only "
                f"{len(tokenizer)} tokens: it did not make this shard"
            )
        self.shard, self.tokenizer = shard, tokenizer
        self.sequence_length, self.batch_size = sequence_length, batch_size
        self.seed, self.first_step = seed, first_step
        self._replacements = ordinary_ids(tokenizer)
        self._plan = lru_cache(maxsize=2)(self._plan_epoch)
        self._epoch_ends = [self._batches_in_epoch(0)]  # in batches, as far as they are known
        self.steps = self._epoch_ends[0] if steps is None else steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        """The batch of a step: `(x, y, sample_weight)`.

        `x` holds `input_ids`, `token_type_ids`, `attention_mask` (B, L) and `masked_lm_positions`
        (B, P); `y` and `sample_weight` hold `mlm` (B, P) and `nsp` (B,).
        """
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} of {self.steps}")
        step = self.first_step + index
        epoch, place = self._locate(step)
        plan = self._plan(epoch)
        picked = np.arange(place * self.batch_size, (place + 1) * self.batch_size) % len(plan)
        x, labels = self._rows(plan[picked])
        masked = mask_tokens(
            x["input_ids"],
            self.tokenizer,
            np.random.default_rng([self.seed, 1, step]),
            replacements=self._replacements,
        )
        x |= {"input_ids": masked.input_ids, "masked_lm_positions": masked.positions}
        y = {"mlm": masked.labels, "nsp": labels}
        weights = {"mlm": masked.weights, "nsp": np.ones(self.batch_size, np.float32)}
        return x, y, weights

    def _plan_epoch(self, epoch: int) -> np.ndarray:
        length = self.sequence_length - (self.tokenizer.separators - 1)  # of plain pairs
        return plan_pairs(self.shard, length, np.random.default_rng([self.seed, 0, epoch]))

    def _batches_in_epoch(self, epoch: int) -> int:
        return -(-len(self._plan(epoch)) // self.batch_size)

    def _locate(self, step: int) -> tuple[int, int]:
        """The epoch of a step, and its place within."""
        while self._epoch_ends[-1] <= step:
            more = self._batches_in_epoch(len(self._epoch_ends))
            self._epoch_ends.append(self._epoch_ends[-1] + more)
        epoch = int(np.searchsorted(self._epoch_ends, step, side="right"))
        return epoch, step - (self._epoch_ends[epoch - 1] if epoch else 0)

    def _rows(self, instances: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """[CLS] first [SEP] second [SEP], padded; unmasked."""
        tokenizer = self.tokenizer
        corpus = Pieces(self.shard.ids, np.array([0, len(self.shard.ids)]))  # as one text
        plan = np.zeros(len(instances), ROW)
        for part in ("first", "second"):
            plan[part], plan[f"{part}_end"] = instances[f"{part}_start"], instances[f"{part}_end"]
        x = fill_rows(
            plan,
            corpus,
            corpus,
            length=self.sequence_length,
            pad_id=tokenizer.pad_id,
            cls_id=tokenizer.cls_id,
            sep_id=tokenizer.sep_id,
            separators=tokenizer.separators,
            segments=not tokenizer.roberta_pairs,
        )
        return x, instances["label"].astype(np.int32)
