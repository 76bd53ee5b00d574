"""What becomes of a vocabulary where text is written otherwise than in an encyclopedia."""

import unicodedata
from collections.abc import Callable

import numpy as np

from kbert.errors import KbertError
from kbert.text.tokenizer import Tokenizer

_TO_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}

VARIANTS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "without spaces": lambda text: "".join(text.split()),
    "decomposed (NFD)": lambda text: unicodedata.normalize("NFD", text),
    "full-width": lambda text: text.translate(_TO_FULL_WIDTH),
    "with laughter": lambda text: " ".join(word + "ㅋㅋㅋㅋㅋ" for word in text.split()),
}


def robustness_report(tokenizer: Tokenizer, texts: list[str]) -> dict[str, dict[str, float]]:
    """Measures what a tokenizer makes of the same texts, written in other ways.

    Args:
        tokenizer: any.
        texts: running text.

    Returns:
        For each of `VARIANTS`: `unk_rate`, the share of tokens that are [UNK];
        `tokens_per_character`, of the original text without spaces; and `same`, the share of texts
        that become the same ids as the original. All but the second are in [0, 1].

    Raises:
        KbertError: if there is no text.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##국회 는 ##는".split())
        >>> report = robustness_report(tokenizer, ["국회 국회는"])
        >>> [report[name]["same"] for name in ("decomposed (NFD)", "without spaces")]
        [1.0, 0.0]
    """
    characters = sum(len("".join(text.split())) for text in texts)
    if not characters:
        raise KbertError("robustness is measured on text, and there is none")
    original = tokenizer.encode(texts)
    report = {}
    for name, rewrite in VARIANTS.items():
        found = tokenizer.encode([rewrite(text) for text in texts])
        ids = np.array([index for each in found for index in each])
        report[name] = {
            "unk_rate": float((ids == tokenizer.unk_id).mean()),
            "tokens_per_character": len(ids) / characters,
            "same": float(np.mean([a == b for a, b in zip(found, original, strict=True)])),
        }
    return report


def as_table(report: dict[str, dict[str, float]]) -> str:
    """A report as a table, for a terminal or a Markdown page.

    Example:
        >>> print(as_table({"as it is": {"same": 1.0}, "full-width": {"same": 0.125}}))
        |            | same  |
        |------------|-------|
        | as it is   | 1.000 |
        | full-width | 0.125 |
    """
    heads = ["", *next(iter(report.values()))]
    rows = [[name, *(f"{value:.3f}" for value in found.values())] for name, found in report.items()]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        + " |"
        for cells in [heads, *rows]
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
