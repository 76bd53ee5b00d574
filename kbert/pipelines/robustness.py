"""What becomes of a model's answers where text is written otherwise than in an encyclopedia.

`text/reports/robustness.py` asks the same of a vocabulary. But two spellings may have other ids and
yet the same answer, and that is what counts in use.

Shapes: N texts, C labels, B batch, P masked positions, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from kbert.errors import KbertError, kind_of
from kbert.models.base import KbertModel
from kbert.models.classification import BertForSequenceClassification
from kbert.models.pretraining import BertForMaskedLM, BertForPreTraining
from kbert.pipelines.encode import (
    BATCH_SIZE,
    POSITIONS,
    Row,
    log_softmax,
    predict,
    text_list,
    to_rows,
    tokenizer_of,
)
from kbert.text.reports.robustness import VARIANTS
from kbert.text.tokenizer import Tokenizer

Report = dict[str, dict[str, float]]
_BLANK = "\ue000"  # stands for [MASK] while a text is rewritten: a private character


def model_robustness(
    model: KbertModel, texts: list[str], *, rng: np.random.Generator, batch_size: int = BATCH_SIZE
) -> Report:
    """Measures how a model's answers change where the same texts are written in other ways.

    A classifier is asked for its labels; a masked-LM model for one word of each text, drawn at
    random: the first piece of it is the blank, and what follows is read as its continuation.

    Args:
        model: a `BertForSequenceClassification`, `BertForMaskedLM` or `BertForPreTraining` with a
            tokenizer.
        texts: running text, as the model is used on; what is too long is cut.
        rng: numpy's generator, which draws the words; equal states give equal reports.
        batch_size: the most rows that run together.

    Returns:
        For each of `kbert.text.reports.robustness.VARIANTS`: `same`, the share of texts with the
        answer that they have as they are written. Of a classifier also `change`, how much the
        probability (of a regression: the number) that moves most moves, on the average over the
        texts; a regression has no `same`. Of a masked-LM model `right`, the share of blanks whose
        likeliest token is the one that stood there, and `loss`, the mean of -ln p of that token.
        (A text counts if it has a word to draw, and the blank is not cut off in any variant.)

    Raises:
        KbertError: if the model is another or has no tokenizer, or no text counts.

    Example:
        >>> from kbert.text.reports.robustness import as_table
        >>> model = BertForSequenceClassification(
        ...     labels=["부정", "긍정"], vocab_size=7, hidden_size=8, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 좋다 ##다".split())
        >>> report = model_robustness(model, ["좋다 좋다"], rng=np.random.default_rng(0))
        >>> report["decomposed (NFD)"]
        {'same': 1.0, 'change': 0.0}
        >>> print(as_table({"as it is": report["as it is"]}))
        |          | same  | change |
        |----------|-------|--------|
        | as it is | 1.000 | 0.000  |
    """
    if isinstance(model, BertForSequenceClassification):
        measure = _labels
    elif isinstance(model, BertForMaskedLM | BertForPreTraining):
        measure = _blanks
    else:
        raise KbertError(
            "robustness is measured on a BertForSequenceClassification, BertForMaskedLM or "
            f"BertForPreTraining, not on {kind_of(model)}"
        )
    tokenizer_of(model)
    given = [text for text in text_list("texts", texts) if text.split()]
    return measure(model, given, rng, batch_size)


def _labels(model: Any, texts: list[str], rng: np.random.Generator, batch_size: int) -> Report:
    if not texts:
        raise KbertError("robustness is measured on texts, and there is none")
    kind = model.problem_type
    to_scores: dict[str, Callable] = {
        "single_label_classification": lambda logits: np.exp(log_softmax(logits)),
        "multi_label_classification": lambda logits: 1 / (1 + np.exp(-logits)),
        "regression": lambda logits: logits,
    }
    report: Report = {}
    original = None
    for name, rewrite in VARIANTS.items():
        rows = to_rows(model.tokenizer, [*map(rewrite, texts)], max_length=model.max_length)
        logits = np.stack(predict(model, rows, lambda outputs, n: [*outputs[: len(n)]], batch_size))
        scores = to_scores[kind](logits.astype(np.float64))  # (N, C)
        original = scores if original is None else original
        single = kind == "single_label_classification"
        pairs = [(s.argmax(axis=1)[:, None] if single else s > 0.5) for s in (scores, original)]
        same = {"same": float((pairs[0] == pairs[1]).all(axis=1).mean())}
        report[name] = {} if kind == "regression" else same
        report[name]["change"] = float(np.abs(scores - original).max(axis=1).mean())
    return report


def _blanks(model: Any, texts: list[str], rng: np.random.Generator, batch_size: int) -> Report:
    tokenizer: Tokenizer = model.tokenizer
    blanked, words = _draw_words(tokenizer, texts, rng)
    variants: dict[str, list[Row]] = {}
    for name, rewrite in VARIANTS.items():
        rewritten = [rewrite(text).replace(_BLANK, tokenizer.mask_token) for text in blanked]
        settings = {"max_length": model.max_length, "glued_to_mask": "continuation"}
        variants[name] = to_rows(tokenizer, rewritten, **settings)
        for row in variants[name]:
            row[POSITIONS] = np.flatnonzero(row["input_ids"] == tokenizer.mask_id)
    counts = [[len(row[POSITIONS]) for row in rows] for rows in variants.values()]
    kept = np.flatnonzero((np.array(counts).reshape(len(variants), -1) == 1).all(axis=0)).tolist()
    if not kept:
        raise KbertError("robustness is measured on texts with words in them, and there is none")
    report: Report = {}
    original = None
    for name, rows in variants.items():

        def answer(logits: np.ndarray, indices: list[int]) -> list[tuple[int, float]]:
            logs = log_softmax(logits[: len(indices), 0])  # (B, 1, V) -> (B, V)
            return [  # a row of the table may have no token, and so is no answer
                (int(log[: len(tokenizer)].argmax()), float(-log[words[kept[i]]]))
                for log, i in zip(logs, indices, strict=True)
            ]

        found = predict(model, [rows[i] for i in kept], answer, batch_size, output="mlm")
        best, losses = (np.array(column) for column in zip(*found, strict=True))
        original = best if original is None else original
        report[name] = {
            "same": float((best == original).mean()),
            "right": float((best == np.array(words)[kept]).mean()),
            "loss": float(losses.mean()),
        }
    return report


def _draw_words(
    tokenizer: Tokenizer, texts: list[str], rng: np.random.Generator
) -> tuple[list[str], list[int]]:
    """Each text with a blank for the first piece of one of its words, and that piece's id."""
    blanked, words = [], []
    for row, text in zip(
        to_rows(tokenizer, texts, return_offsets=True, return_word_ids=True), texts, strict=True
    ):
        begins = np.diff(row["word_ids"], prepend=-1) > 0
        known = ~np.isin(row["input_ids"], tokenizer.special_ids)
        spans = row["offsets"].tolist()
        positions = [
            position
            for position in np.flatnonzero(begins & known).tolist()
            if text[slice(*spans[position])].isalpha()
        ]
        if positions:
            position = rng.choice(positions)
            start, end = spans[position]
            blanked.append(text[:start] + _BLANK + text[end:])
            words.append(int(row["input_ids"][position]))
    return blanked, words
