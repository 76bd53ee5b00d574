"""Which words of a text a model does not know: it reads [UNK] in their place."""

import logging
from collections.abc import Iterable

import numpy as np

from kbert.pipelines.encode import Row
from kbert.text.tokenizer import Tokenizer

_log = logging.getLogger("kbert")
_SHOWN = 5  # words that a warning names


def unknown_words(tokenizer: Tokenizer, texts: list[str], most: int | None = None) -> list[str]:
    """The words that become [UNK], each once, in the order of the texts.

    Args:
        tokenizer: the model's.
        texts: the texts.
        most: how many are looked for; None means all.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##는".split())
        >>> unknown_words(tokenizer, ["축구는 국회는", "[MASK] 축구는 쀍."])
        ['축구는', '쀍', '.']
    """
    words: dict[str, None] = {}
    for text in texts:
        inputs = tokenizer(text, return_offsets=True)
        for i in (inputs["input_ids"][0] == tokenizer.unk_id).nonzero()[0]:
            start, end = inputs["offsets"][0, i].tolist()
            if text[start:end] != tokenizer.special_tokens["unk"]:  # which somebody wrote
                words[text[start:end]] = None
        if most is not None and len(words) >= most:
            break
    return [*words][:most]


def warn_of_unknown_words(tokenizer: Tokenizer, texts: list[str], rows: list[Row]) -> None:
    """A warning of the logger "kbert" that names the first of them, if there are any.

    Args:
        tokenizer: the model's.
        texts: the texts.
        rows: of each text its row, or of the first texts of pairs the rows of the pairs.
    """
    holding = [i for i, row in enumerate(rows) if (row["input_ids"] == tokenizer.unk_id).any()]
    if not holding:
        return
    pairs = len(texts) // len(rows)  # 1, or 2 where the second texts are behind the first
    asked = [texts[i + k * len(rows)] for i in holding for k in range(pairs)]
    words = unknown_words(tokenizer, asked, _SHOWN + 1)
    if words:
        more = ", ..." if len(words) > _SHOWN else ""
        _log.warning(
            "the vocabulary does not know %s%s: the model reads %s in their place",
            ", ".join(map(repr, words[:_SHOWN])),
            more,
            tokenizer.special_tokens["unk"],
        )


def warn_of_unknown_texts(
    tokenizer: Tokenizer, texts: list[str], rows: list[Row], owners: Iterable[int] | None = None
) -> None:
    """A warning of the logger "kbert" if there are texts of which the model knows no word.

    Args:
        tokenizer: the model's.
        texts: the texts, or the first texts of pairs.
        rows: of the texts, or of the pairs.
        owners: which text each row is of; None means that each has one.
    """
    only = [tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id]
    unknown = [
        owner
        for row, owner in zip(rows, range(len(texts)) if owners is None else owners, strict=True)
        if row["input_ids"][1] in only  # of most texts it is not, and this is soon seen
        and np.isin(row["input_ids"], only).all()
        and tokenizer.unk_id in row["input_ids"]
    ]
    if unknown:
        _log.warning(
            "%d of %d texts hold only words that the vocabulary does not know, the first is "
            "%.80r: the model takes all of these for the same",
            len(set(unknown)),
            len(texts),
            texts[unknown[0]],
        )
