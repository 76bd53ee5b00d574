"""Instances into the batches that `model.fit` takes.

A batch is a pure function of (seed, step): instances, order and masks do not depend on what was
asked for before, so a run can be continued, every backend sees the same numbers, and each of
several hosts makes its own rows of a batch and no others.

Shapes: B batch, L length, P masked positions.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from kbert.backend import require_backend
from kbert.data.pretraining.instances import MASK, Instances, pair_planner, row_planner
from kbert.data.pretraining.masking import draws_per_row, mask_tokens, ordinary_ids
from kbert.data.pretraining.packed_rows import Packing
from kbert.data.pretraining.rows import check_shard, instance_rows
from kbert.data.pretraining.sentence_pairs import Negatives
from kbert.data.pretraining.sources import Mixture, Source
from kbert.data.shards.shards import EOJEOL, MORPHEME, Shard
from kbert.errors import KbertError, whole_number
from kbert.labels import IS_NEXT, NOT_A_PAIR
from kbert.text.tokenizer import Tokenizer

try:
    import keras
except (ImportError, ValueError):  # not installed, or no backend of Keras
    require_backend()  # its error says what to install, and Keras's own does not
    raise

Objective = Literal["pretraining", "masked-lm", "causal", "replaced-token-detection"]
Masking = Literal["token", "eojeol", "morpheme"]
MARKS: dict[Masking, int | None] = {"token": None, "eojeol": EOJEOL, "morpheme": MORPHEME}

Batch = tuple[dict[str, np.ndarray], Any, Any]


class PretrainingBatches(keras.utils.PyDataset):
    """Batches of masked text, for as many steps as wanted.

    The rows of a run are numbered, and a row's number tells all about it: which source it is of,
    which of that source's instances it is (`instances.py`), and its masks. Batch s is the
    rows s B to (s + 1) B - 1. Every epoch plans its pairs anew, and every row is masked anew.

    Objectives, and the models that they are for:

        pretraining   pairs, masked, BertForPreTraining; rows of sources that are kept out of next
                      sentences are full rows, whose `nsp` weighs nothing
        masked-lm     full rows, masked (RoBERTa), BertForMaskedLM
        causal        full rows, of which each token is to be told from those before it (GPT),
                      BertForMaskedLM; the mask of attention is (B, L, L)

        replaced-token-detection
                      full rows, masked, and what stood there, ReplacedTokenDetection; no masked
                      token is shown as a random one, and 15% as they are (ELECTRA)

    Args:
        sources: the ids, as one `Shard`, or as `Source`s to be mixed by weight.
        tokenizer: the one that made them.
        sequence_length: L, special tokens included.
        batch_size: B, of all hosts together.
        seed: equal seeds give equal batches.
        steps: how many batches; None means one epoch: so many that each source has been gone
            through as often as its weight says.
        first_step: the step of the first of them, to go on where a run ended. It and `steps` may be
            set anew between two calls of `fit`.
        objective: one of the above.
        masking: what is masked as a whole: "token", "eojeol" or "morpheme"; the last two need
            shards with marks.
        mask_rate: the share of tokens to guess.
        mask_share: of those, the share shown as [MASK]; None means 0.8, and 0.85 where tokens are
            replaced.
        random_share: of those, the share shown as a random token; None means 0.1, and 0 where
            tokens are replaced.
        short_rate: the share of pairs that are made short on purpose.
        negatives: what half of the second texts are: "random", of another document (next-sentence
            prediction), or "swapped" with the first (sentence order, ALBERT).
        ngram: the most words, or tokens, in a row that are masked together: 3 in ALBERT. Of 1, 2
            and 3 of them the shares are as 1 to 1/2 to 1/3.
        packing: where full rows are cut: "tokens", "sentences" or "documents" (see
            `packed_rows.py`).
        num_hosts: how many processes share each batch.
        host: which of them this is, from 0; it gets the B / num_hosts rows from
            host B / num_hosts on.

    Raises:
        KbertError: if an argument cannot be, a source has no text or no pairs, the tokenizer did
            not make the ids, or marks are missing.

    Pass it to `fit` with `shuffle=False`: it is shuffled already, and Keras's own shuffling
    cannot be repeated.

    Example:
        >>> from kbert.data.shards.shards import encode_documents
        >>> documents = [["모든 국민은 법 앞에 평등하다.", "국회는 의결한다."]] * 4
        >>> tokenizer = Tokenizer.train([text for each in documents for text in each], 35)
        >>> shard = encode_documents(documents, tokenizer)
        >>> batches = PretrainingBatches(
        ...     shard, tokenizer, sequence_length=24, batch_size=2, seed=0, steps=9)
        >>> x, y, weights = batches[0]
        >>> len(batches), x["input_ids"].shape, y["mlm"].shape == weights["mlm"].shape
        (9, (2, 24), True)
    """

    def __init__(
        self,
        sources: Shard | Sequence[Source],
        tokenizer: Tokenizer,
        *,
        sequence_length: int,
        batch_size: int,
        seed: int,
        steps: int | None = None,
        first_step: int = 0,
        objective: Objective = "pretraining",
        masking: Masking = "token",
        mask_rate: float = 0.15,
        mask_share: float | None = None,
        random_share: float | None = None,
        short_rate: float = 0.1,
        negatives: Negatives = "random",
        ngram: int = 1,
        packing: Packing = "tokens",
        num_hosts: int = 1,
        host: int = 0,
    ):
        super().__init__(workers=1)
        whole_number("batch_size", batch_size, 1)
        whole_number("first_step", first_step, 0)
        if steps is not None:
            whole_number("steps, if it is not None,", steps, 1)
        if num_hosts < 1 or batch_size % num_hosts or not 0 <= host < num_hosts:
            raise KbertError(
                "num_hosts must divide batch_size, and host be from 0 to num_hosts - 1, not "
                f"batch_size {batch_size}, num_hosts {num_hosts}, host {host}"
            )
        for name, value, choices in (
            ("objective", objective, get_args(Objective)),
            ("masking", masking, get_args(Masking)),
            ("packing", packing, get_args(Packing)),
            ("negatives", negatives, get_args(Negatives)),
        ):
            if value not in choices:
                raise KbertError(f"{name} is one of {', '.join(choices)}, not {value!r}")
        self.sources = [Source([sources])] if isinstance(sources, Shard) else list(sources)
        self.tokenizer, self.sequence_length = tokenizer, sequence_length
        self.batch_size, self.seed, self.first_step = batch_size, seed, first_step
        self.objective, self.num_hosts, self.host = objective, num_hosts, host
        self._mark = None if objective == "causal" else MARKS[masking]
        shares = (0.85, 0.0) if objective == "replaced-token-detection" else (0.8, 0.1)
        given = zip((mask_share, random_share), shares, strict=True)
        masked, random = (usual if share is None else share for share, usual in given)
        self._rates = {"rate": mask_rate, "mask_share": masked, "random_share": random}
        self._ngram = whole_number("ngram", ngram, 1)
        self._replacements = ordinary_ids(tokenizer)
        for source in self.sources:
            for shard in source.shards:
                check_shard(shard, tokenizer, self._mark)

        pairs = pair_planner(sequence_length - (tokenizer.separators - 1), short_rate, negatives)
        full = row_planner(sequence_length, packing)
        asked = [objective == "pretraining" and source.next_sentence for source in self.sources]
        if not any(asked) and objective == "pretraining":
            raise KbertError(
                "no source is for next-sentence prediction: without it the objective is masked-lm"
            )
        self._instances = [
            Instances(source, pairs if is_asked else full, seed=seed, index=index)
            for index, (source, is_asked) in enumerate(zip(self.sources, asked, strict=True))
        ]
        shares = [
            source.weight * len(instances)
            for source, instances in zip(self.sources, self._instances, strict=True)
        ]
        self._mixture = Mixture(shares)
        self.steps = math.ceil(sum(shares) / batch_size) if steps is None else steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        """The batch of a step, or this host's rows of it: `(x, y, sample_weight)`.

        `x` holds `input_ids`, `token_type_ids`, `attention_mask` (B, L), `masked_lm_positions`
        (B, P) and `lengths` (B,), which say what the mask says: rows are padded at the end. `y`
        and `sample_weight` are (B, P) for "masked-lm"; for "pretraining" they are dicts of `mlm`
        (B, P) and `nsp` (B,). For "replaced-token-detection" `x` holds `masked_lm_ids` (B, P), too,
        and `y` and `sample_weight` `mlm` (B, P) and `rtd` (B, L), of which `y` says nothing yet,
        and every token weighs 1. For "causal" there are neither positions nor lengths,
        `attention_mask` is (B, L, L), int8, and `y` and `sample_weight` are (B, L).
        """
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} of {self.steps}")
        step, rows = self.first_step + index, self.batch_size // self.num_hosts
        x, labels = self._rows(step * self.batch_size + self.host * rows + np.arange(rows))
        if self.objective == "causal":
            return _next_tokens(x)
        bits = np.random.PCG64([self.seed, MASK, step])
        bits.advance(self.host * rows * draws_per_row(self.sequence_length, self._rates["rate"]))
        masked = mask_tokens(
            x["input_ids"],
            self.tokenizer,
            np.random.Generator(bits),
            replacements=self._replacements,
            word_starts=x.pop("word_starts", None),
            ngram=self._ngram,
            **self._rates,
        )
        x |= {
            "input_ids": masked.input_ids,
            "masked_lm_positions": masked.positions,
            "lengths": x["attention_mask"].sum(axis=1, dtype=np.int32),
        }
        if self.objective == "masked-lm":
            return x, masked.labels, masked.weights
        if self.objective == "replaced-token-detection":
            return with_replaced_tokens(x, masked.labels, masked.weights)
        is_pair = labels != NOT_A_PAIR
        y = {"mlm": masked.labels, "nsp": np.where(is_pair, labels, IS_NEXT)}
        return x, y, {"mlm": masked.weights, "nsp": is_pair.astype(np.float32)}

    def _rows(self, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The rows of given numbers, unmasked, and the labels of their pairs."""
        which, number = self._mixture.locate(numbers)
        x: dict[str, np.ndarray] = {}
        labels = np.zeros(len(numbers), np.int32)
        for index, source in enumerate(self.sources):
            here = which == index
            if not here.any():
                continue
            instances = self._instances[index][number[here]]
            part = instance_rows(
                source.shards, instances, self.tokenizer, self.sequence_length, self._mark
            )
            for name, column in part.items():
                whole = x.setdefault(
                    name, np.zeros((len(numbers), *column.shape[1:]), column.dtype)
                )
                whole[here] = column
            labels[here] = instances["label"]
        return x, labels


def with_replaced_tokens(x: dict[str, np.ndarray], labels: Any, weights: Any) -> Batch:
    """A masked batch as replaced-token detection takes it."""
    is_token = x["attention_mask"]
    return (
        {**x, "masked_lm_ids": labels},
        {"mlm": labels, "rtd": np.zeros_like(is_token)},
        {"mlm": weights, "rtd": is_token.astype(np.float32)},
    )


def _next_tokens(x: dict[str, np.ndarray]) -> Batch:
    """What a left-to-right model is asked: at each token, the next."""
    is_token = x["attention_mask"]
    length = is_token.shape[1]
    before = np.tril(np.ones((length, length), np.int8))  # (L, L)
    y, weights = np.zeros_like(is_token), np.zeros(is_token.shape, np.float32)
    y[:, :-1], weights[:, :-1] = x["input_ids"][:, 1:], is_token[:, 1:]
    return (
        {**x, "attention_mask": before * is_token[:, None].astype(np.int8)},
        y * (weights > 0),
        weights,
    )
