"""What the pipelines share: texts become rows, rows run in full batches, answers come in order.

    texts -> rows of their own lengths -> sorted -> batches padded to their longest row
          -> logits -> answers, batch by batch -> the order of the texts

On mixed lengths most of a batch in the texts' own order is padding; of a sorted one, little is.

Shapes: B batch, L length, P masked positions, W words.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from kbert.errors import KbertError, counted, kind_of, whole_number
from kbert.models.base import KbertModel
from kbert.text.tokenizer import Tokenizer

Row = dict[str, np.ndarray]  # a text as the model's inputs: input_ids (L,), ...

BATCH_SIZE = 64
ROW_TOKENS = 64  # a batch of `batch_size` rows may hold this many tokens for each
POSITIONS = "masked_lm_positions"
GLOBAL = "global_positions"
OF_WORDS = ("first_pieces", "last_pieces", "words")  # as long as the row has words
TEXTS_AT_A_TIME = 256  # how many are padded to one length while they become rows
BATCHES_WITH_BAR = 4  # with fewer, there is nothing to wait for


def tokenizer_of(model: KbertModel) -> Tokenizer:
    """The model's tokenizer.

    Raises:
        KbertError: if it has none.
    """
    if model.tokenizer is None:
        raise KbertError(
            "the model has no vocabulary, so it cannot read text: set "
            'model.tokenizer = kbert.Tokenizer.from_file("vocab.txt"), and save it again'
        )
    return model.tokenizer


def text_list(name: str, given: str | Iterable[str]) -> list[str]:
    """A text as a list of one, or texts as a list.

    Raises:
        TypeError: if it is neither: bytes, a number, None; a dict or a table, of which the names
            would be taken for the texts; or a set, which has no order.

    Example:
        >>> text_list("texts", "국회"), text_list("texts", ("국회", "법률"))
        (['국회'], ['국회', '법률'])
    """
    if isinstance(given, np.ndarray):
        given = given.tolist()  # of Python's strings
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping) or hasattr(given, "columns"):
        raise TypeError(
            f"{name} is {kind_of(given)} with {list(given)!r:.80}: expected a text (str), "
            "or a list of texts; pass what stands under one of these names"
        )
    if isinstance(given, set | frozenset):
        raise TypeError(
            f"{name} is {kind_of(given)}, which has no order, and answers come in the order of the "
            "texts: expected a text (str), or a list of texts"
        )
    if isinstance(given, bytes):
        raise TypeError(f"{name} is bytes: expected a text (str); {name}.decode() makes one")
    texts: list[Any] = [*given] if isinstance(given, Iterable) else [given]
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            where = f"{name}[{index}]" if isinstance(given, Iterable) else name
            raise TypeError(
                f"{where} is {text!r:.80}: expected a text (str), or a list of texts, of "
                "which none is missing"
            )
    return texts


def check_read(tokenizer: Tokenizer, **lists: Sequence[str]) -> None:
    """Checks that texts hold something: of [CLS] and [SEP] alone a model gives an answer, too.

    Args:
        tokenizer: the model's.
        **lists: the texts, by what messages call them.

    Raises:
        KbertError: naming the first that holds nothing, or only what cleaning takes away.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회".split())
        >>> check_read(tokenizer, texts=["국회", " "])
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: texts[1] holds nothing that the model reads: ' '; leave it out
    """
    for name, texts in lists.items():
        for i, text in enumerate(texts):
            if any(map(str.isalnum, text)) or tokenizer.encode([text])[0]:  # the first is seen soon
                continue
            raise KbertError(
                f"{name}[{i}] holds nothing that the model reads: {text!r:.80}; leave it out"
            )


def to_rows(
    tokenizer: Tokenizer, texts: list[str], pairs: list[str] | None = None, **settings: Any
) -> list[Row]:
    """Texts, or pairs of texts, as rows without padding; the settings are those of the tokenizer.

    Example:
        >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "국회", "##는"]
        >>> rows = to_rows(Tokenizer(tokens), ["국회는", "국회"])
        >>> [row["input_ids"].tolist() for row in rows]
        [[2, 5, 6, 3], [2, 5, 3]]
    """
    if pairs is not None and len(pairs) != len(texts):
        raise KbertError(
            f"{counted(len(texts), 'first text')} and {counted(len(pairs), 'second text')} do not "
            "pair"
        )
    rows = []
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        part = slice(start, start + TEXTS_AT_A_TIME)
        inputs = tokenizer(texts[part], None if pairs is None else pairs[part], **settings)
        lengths = inputs.pop("attention_mask").sum(axis=1)
        rows += [
            {name: array[i, :length].copy() for name, array in inputs.items()}
            for i, length in enumerate(lengths)
        ]
    return rows


def predict(
    model: KbertModel,
    rows: list[Row],
    answer: Callable[[Any, list[int]], list],
    batch_size: int = BATCH_SIZE,
    *,
    output: str | None = None,
    one_choice: bool = False,
) -> list:
    """Runs a model on rows of any lengths.

    Only answers are kept of a batch, never its logits. Longer rows go fewer at a time: a batch
    holds at most 64 x `batch_size` tokens and `batch_size` masked positions (one row aside). In a
    terminal, a bar shows how far it is, where there are some batches to wait for.

    Args:
        model: a model whose tokenizer made the rows.
        rows: from `to_rows`; with `masked_lm_positions` (P,) where the model takes them.
        answer: makes a list of answers of a batch's outputs (numpy, one row each) and the rows'
            indices in `rows`. (Outputs may have more rows than there are indices: ignore them.)
        batch_size: the most rows in a batch.
        output: which of the outputs `answer` gets, by name, where the model gives more than one
            (a `BertForPreTraining` gives "mlm" and "nsp"); None means all of them.
        one_choice: whether the model takes choices, (B, C, L): each row is then the only one of
            its example.

    Returns:
        The rows' answers, in the order of the rows.

    Raises:
        KbertError: if `batch_size` is no whole number from 1.
    """
    whole_number("batch_size", batch_size, 1)
    pad_id = tokenizer_of(model).pad_id
    shapes = list(batches(rows, batch_size, model.max_length, few_shapes=bool(model.jit_compile)))
    answers: list = [None] * len(rows)
    # Standard output is left to what is asked for.
    console = Console(stderr=True)
    hidden = not console.is_terminal or len(shapes) < BATCHES_WITH_BAR
    with Progress(console=console, transient=True, disable=hidden) as progress:
        for indices, shape in progress.track(shapes, description="kbert"):
            batch = pad([rows[i] for i in indices], *shape, pad_id)
            if one_choice:
                batch = {name: array[:, None] for name, array in batch.items()}  # (B, 1, L)
            outputs = model.predict_on_batch(batch)
            if output is not None and isinstance(outputs, dict):
                outputs = outputs[output]
            for i, each in zip(indices, answer(outputs, indices), strict=True):
                answers[i] = each
    return answers


def batches(
    rows: list[Row], batch_size: int, max_length: int, few_shapes: bool
) -> Iterator[tuple[list[int], tuple[int, int, int]]]:
    """Which rows run together, and in which shape; the longest first.

    No row is less than half as long as its batch.

    Args:
        rows: the rows.
        batch_size: the most rows in a batch.
        max_length: the longest row that the model takes.
        few_shapes: whether each new shape is compiled, as XLA does. Then lengths are rounded up to
            16, 32, 48, 64, 96, 128, 192 ..., and the other sizes to powers of two.

    Yields:
        The indices of a batch's rows, and its shape (B, L, P).

    Example:
        >>> rows = [{"input_ids": np.zeros(length)} for length in (3, 20, 5, 18)]
        >>> list(batches(rows, batch_size=3, max_length=512, few_shapes=False))
        [([1, 3], (2, 20, 0)), ([2, 0], (2, 5, 0))]
        >>> list(batches(rows, batch_size=3, max_length=512, few_shapes=True))
        [([1, 3, 0], (3, 32, 0)), ([2], (1, 16, 0))]
    """
    lengths = [len(row["input_ids"]) for row in rows]
    blanks = [len(row.get(POSITIONS, ())) for row in rows]
    if few_shapes:
        lengths = [min(round_length(length), max_length) for length in lengths]
        blanks = [power_of_two(count) for count in blanks]
    order = sorted(range(len(rows)), key=lambda i: (blanks[i], lengths[i]), reverse=True)
    while order:
        length, positions = lengths[order[0]], blanks[order[0]]
        most = min(batch_size, batch_size * ROW_TOKENS // length, batch_size // max(1, positions))
        indices = [
            i
            for i in order[: max(1, most)]
            if blanks[i] == positions and 2 * lengths[i] >= length  # or most of it were padding
        ]
        order = order[len(indices) :]
        size = min(max(1, most), power_of_two(len(indices))) if few_shapes else len(indices)
        yield indices, (size, length, positions)


def round_length(length: int) -> int:
    """The next of 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, ...: at most half of it too much."""
    step = max(16, power_of_two(length) // 4)
    return -(-length // step) * step


def power_of_two(count: int) -> int:
    """The next power of two; 0 stays 0."""
    return 1 << (count - 1).bit_length() if count else 0


def pad(rows: list[Row], size: int, length: int, positions: int, pad_id: int) -> Row:
    """Rows as arrays, padded on the right: (B, L), of masked positions (B, P), of words (B, W).

    Rows that are missing to B repeat the first. W, and how many global tokens there are, are
    rounded up, as lengths are.
    """
    rows = rows + rows[:1] * (size - len(rows))
    words, of_all = (
        round_length(max(len(row.get(name, ())) for row in rows) or 1) for name in ("words", GLOBAL)
    )
    widths = {POSITIONS: positions, GLOBAL: of_all, **dict.fromkeys(OF_WORDS, words)}
    batch: Row = {"attention_mask": np.zeros((size, length), np.int32)}
    for name in rows[0]:
        width = widths.get(name, length)
        fill = {"input_ids": pad_id, GLOBAL: -1}.get(name, 0)
        batch[name] = np.full((size, width), fill, np.int32)
    for i, row in enumerate(rows):
        batch["attention_mask"][i, : len(row["input_ids"])] = 1
        for name, values in row.items():
            batch[name][i, : len(values)] = values
    return batch


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logits to the logarithms of probabilities, along the last axis.

    Example:
        >>> np.exp(log_softmax(np.array([0.0, 0.0]))).tolist()
        [0.5, 0.5]
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """The indices of the largest scores, the largest first; of equal ones the first first.

    Example:
        >>> largest(np.array([0.1, 0.3, 0.2, 0.3]), 3).tolist()
        [1, 3, 2]
    """
    count = min(count, len(scores))
    least = np.partition(scores, -count)[-count]
    indices = np.flatnonzero(scores >= least)
    return indices[np.argsort(-scores[indices], kind="stable")][:count]
