"""A text, or a pair of texts, as a model reads it: one row, with what each place of it is.

Shapes: L length.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np
from keras import ops

from kbert.errors import KbertError, kind_of
from kbert.models.base import KbertModel
from kbert.models.bert import Bert
from kbert.models.encoder import Encoder
from kbert.text.tokenizer import Tokenizer

GluedToMask = Literal["word", "continuation"]  # as `FillMask` and `Tokenizer` take it


@dataclass(frozen=True, eq=False)
class ReadText:
    """A row, place by place.

    Attributes:
        inputs: what the model takes, each (1, L).
        pieces: the L tokens, as the vocabulary spells them.
        of_text: (L,) 0 first text, 1 second, -1 padding; [CLS] and the first [SEP] count as first.
        eojeols: the words between spaces, as they are written; each special token is one, too.
        eojeol_of: (L,) which of `eojeols` a piece is of; -1 for padding.
        offsets: (L, 2) where a piece stands in its own text.
    """

    inputs: dict[str, np.ndarray]
    pieces: list[str]
    of_text: np.ndarray
    eojeols: list[str]
    eojeol_of: np.ndarray
    offsets: np.ndarray

    @property
    def ids(self) -> np.ndarray:
        """(L,) the ids."""
        return self.inputs["input_ids"][0]


def read_text(
    tokenizer: Tokenizer,
    text: str,
    pair: str | None = None,
    *,
    max_length: int | None = None,
    pad_to_length: int | None = None,
    glued_to_mask: GluedToMask = "word",
) -> ReadText:
    """Reads a text.

    Raises:
        TypeError: if a text is no string.
        KbertError: if the row is longer than `max_length`.

    Example:
        >>> tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> read = read_text(tokenizer, "국회에")
        >>> read.pieces, read.eojeols, read.eojeol_of.tolist()
        (['[CLS]', '국회', '##에', '[SEP]'], ['[CLS]', '국회에', '[SEP]'], [0, 1, 1, 2])
    """
    for name, given in (("text", text), ("pair", pair)):
        if not isinstance(given, str) and not (given is None and name == "pair"):
            raise TypeError(f"{name} is a text (str), not {given!r:.80}")
    row = tokenizer(
        text,
        pair,
        max_length=max_length,
        truncation="never",
        pad_to_length=pad_to_length,
        glued_to_mask=glued_to_mask,
        return_offsets=True,
        return_eojeol_ids=True,
    )
    eojeol_ids, offsets = row.pop("eojeol_ids")[0], row.pop("offsets")[0]
    ids, count = row["input_ids"][0], int(row["attention_mask"][0].sum())

    of_text = np.where(np.arange(len(ids)) < count, 0, -1)
    if pair is not None:  # not by segments, of which some models have none
        first_sep = int(np.flatnonzero((ids == tokenizer.sep_id) & (eojeol_ids < 0))[0])
        of_text[first_sep + 1 : count] = 1

    eojeol_of, spans, before = np.full(len(ids), -1), [], None
    for place in range(count):
        here = (of_text[place], eojeol_ids[place])
        if eojeol_ids[place] < 0 or here != before:
            spans.append([place, place])
        spans[-1][1], before = place, here
        eojeol_of[place] = len(spans) - 1
    pieces = [tokenizer.token(int(index)) for index in ids]
    texts = (text, pair or "")
    eojeols = [
        pieces[first]
        if eojeol_ids[first] < 0
        else texts[of_text[first]][offsets[first, 0] : offsets[last, 1]]
        for first, last in spans
    ]
    return ReadText(row, pieces, of_text, eojeols, eojeol_of, offsets)


def encoder_of(model: KbertModel) -> Encoder:
    """The encoder within a model, or the model if it is one.

    Raises:
        KbertError: if it is neither.
    """
    encoder = getattr(model, "bert", model)
    if not isinstance(encoder, Encoder):
        raise KbertError(f"kbert.explain looks into models with a Bert, and got {kind_of(model)}")
    return encoder


def bert_of(model: KbertModel) -> Bert:
    """The Bert within a model, for what is drawn of BERT's own parts: its three tables, its layer.

    Raises:
        KbertError: if its encoder is another.
    """
    encoder = encoder_of(model)
    if not isinstance(encoder, Bert):
        raise KbertError(
            f"this picture is of a Bert's parts, and the model's encoder is "
            f"{kind_of(encoder)}; attention, attributions, contextual and layers look into "
            "any"
        )
    return encoder


def read_for(
    model: KbertModel,
    text: str,
    pair: str | None = None,
    pad_to_length: int | None = None,
    glued_to_mask: GluedToMask = "word",
) -> ReadText:
    """Reads a text with a model's own tokenizer.

    Raises:
        KbertError: if it has none, or the row is longer than its positions.
    """
    bert = encoder_of(model)
    if bert.tokenizer is None:
        raise KbertError(
            "the model has no vocabulary, so it cannot read text: set "
            'model.tokenizer = kbert.Tokenizer.from_file("vocab.txt")'
        )
    return read_text(
        bert.tokenizer,
        text,
        pair,
        max_length=bert.max_length,
        pad_to_length=pad_to_length,
        glued_to_mask=glued_to_mask,
    )


def as_array(tensor) -> np.ndarray:
    """A tensor or weight of any backend and float type, as float32."""
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def find_place(names: list[str], wanted: str | int, kind: str) -> int:
    """The place of a token or eojeol, given by its place or its name; the first of that name.

    Raises:
        KbertError: if there is none.

    Example:
        >>> find_place(["[CLS]", "개", "##가"], "##가", "token")
        2
    """
    if isinstance(wanted, str):
        if wanted in names:
            return names.index(wanted)
    elif isinstance(wanted, Integral) and -len(names) <= wanted < len(names):
        return int(wanted) % len(names)
    raise KbertError(f"no {kind} {wanted!r:.80} here; there are {', '.join(names)[:400]}")
