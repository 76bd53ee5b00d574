"""The input of a model: three embeddings for each token, added up.

Shapes: L length, E embedding (D in BERT).
Source: Devlin et al. 2018, figure 2.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from kbert.explain.page import WORDS, Language, Part, checked, save_page, swatch, whole_page
from kbert.explain.read_text import GluedToMask, as_array, bert_of, read_for
from kbert.models.base import KbertModel


@dataclass(frozen=True, eq=False)
class InputRows:
    """What a model is given of a text.

    Attributes:
        pieces: the L tokens.
        ids: (L,) their places in the vocabulary.
        segments: (L,) 0 first text, 1 second, 0 padding.
        positions: (L,) rows of the position table: every token counts, [CLS] and [SEP] too.
        mask: (L,) 1 token, 0 padding.
        token_embeddings: (L, E) rows of the token table.
        segment_embeddings: (L, E); zeros where the model has no segments.
        position_embeddings: (L, E).
        total: (L, E) their sum, which LayerNorm is given.
    """

    pieces: list[str]
    ids: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    mask: np.ndarray
    token_embeddings: np.ndarray
    segment_embeddings: np.ndarray
    position_embeddings: np.ndarray
    total: np.ndarray

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _picture(self, "ko").fragment()


def input_rows(
    model: KbertModel,
    text: str,
    pair: str | None = None,
    *,
    pad_to_length: int | None = None,
    glued_to_mask: GluedToMask = "word",
) -> InputRows:
    """Shows what a text becomes before the first layer.

        input = LayerNorm(token embedding + segment embedding + position embedding)

    Args:
        model: a model of kbert with a tokenizer.
        text: the text.
        pair: a second text, or None.
        pad_to_length: how long the row is to be, to see padding too; None adds none.
        glued_to_mask: how to read what follows a [MASK] without a space; see `FillMask`.

    Raises:
        KbertError: if the model has no tokenizer or no Bert, or the text is too long for it.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=7, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> rows = kbert.explain.input_rows(model, "국회에", "국회")
        >>> rows.pieces, rows.segments.tolist()
        (['[CLS]', '국회', '##에', '[SEP]', '국회', '[SEP]'], [0, 0, 0, 0, 1, 1])
        >>> rows.positions.tolist(), rows.total.shape
        ([0, 1, 2, 3, 4, 5], (6, 128))

    Source: Devlin et al. 2018, figure 2.
    """
    read = read_for(model, text, pair, pad_to_length, glued_to_mask)
    layer = bert_of(model).embeddings
    segments = read.inputs["token_type_ids"][0]
    positions = layer.position_offset + np.arange(len(read.ids))
    token = as_array(layer.token_table)[read.ids]  # (L, E)
    position = as_array(layer.position_table)[positions]  # (L, E)
    segment = np.zeros_like(token)
    if layer.type_vocab_size:
        rows = segments if layer.type_vocab_size > 1 else np.zeros_like(segments)
        segment = as_array(layer.segment_table)[rows]  # (L, E)
    return InputRows(
        read.pieces,
        read.ids,
        segments,
        positions,
        read.inputs["attention_mask"][0],
        token,
        segment,
        position,
        token + position + segment,
    )


def _picture(rows: InputRows, language: Language) -> Part:
    """A column for each token: its vector as a strip of colours, and what was added to get it."""
    words = WORDS[checked(language)]
    vectors = (
        ("token", rows.token_embeddings, rows.ids),
        ("segment", rows.segment_embeddings, [f"E<sub>{'AB'[s]}</sub>" for s in rows.segments]),
        ("position", rows.position_embeddings, [f"E<sub>{p}</sub>" for p in rows.positions]),
    )
    largest = float(np.quantile(np.abs(rows.total), 0.99))  # the few beyond it are as dark
    columns = []
    for i, piece in enumerate(rows.pieces):
        boxes = "<i>+</i>".join(
            f"<div><small>{words[name]}</small>{labels[i]}{swatch(vector[i], largest)}</div>"
            for name, vector, labels in vectors
        )
        padding = "" if rows.mask[i] else " faded"
        columns.append(
            f'<div class="column{padding}"><b>{escape(piece)}</b>{boxes}<i>=</i>'
            f"<div><small>{words['sum']}</small>{swatch(rows.total[i], largest)}</div></div>"
        )
    body = f"<div class=columns>{''.join(columns)}</div>"
    return Part(words["inputs"], words["inputs_note"], body)
