"""Attention, all of it: what every token takes from every other, in every layer and head.

Shapes: L length, W eojeols.
Source: Vaswani et al. 2017, section 3.2; by words: Clark et al. 2019, "What Does BERT Look At?",
section 2.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbert.errors import KbertError
from kbert.explain.attention_picture import picture
from kbert.explain.page import Language, checked, save_page, whole_page
from kbert.explain.read_text import GluedToMask, as_array, encoder_of, find_place, read_for
from kbert.models.base import KbertModel


@dataclass(frozen=True, eq=False)
class Attention:
    """The weights of a text, or of a pair.

    Attributes:
        pieces: the L tokens.
        of_text: (L,) 0 first text, 1 second, -1 padding.
        eojeols: the W words between spaces; each special token is one, too.
        eojeol_of: (L,) which of `eojeols` a piece is of; -1 for padding.
        weights: (layers, heads, L, L): row i holds what token i takes from each, and sums to 1.
            Nothing is taken from padding.
    """

    pieces: list[str]
    of_text: np.ndarray
    eojeols: list[str]
    eojeol_of: np.ndarray
    weights: np.ndarray

    def by_eojeol(self) -> np.ndarray:
        """The weights between eojeols, (layers, heads, W, W); rows sum to 1.

        To an eojeol goes the sum of what goes to its pieces; from it, the mean of what they take.
        """
        of = np.arange(len(self.eojeols)) == self.eojeol_of[:, None]  # (L, W)
        return of.T / of.sum(axis=0)[:, None] @ self.weights @ of

    def what_it_looks_at(
        self, word: str | int, layer: int | None = None, head: int | None = None
    ) -> list[tuple[str, float]]:
        """What an eojeol takes from each, the most first.

        Args:
            word: an eojeol as it is written (the first such), or its place among `eojeols`.
            layer: which layer, from 0; None is the mean of all.
            head: which head, from 0; None is the mean of all.

        Raises:
            KbertError: if there is no such word, layer or head.
        """
        place = find_place(self.eojeols, word, "eojeol")
        layers, heads = ([str(i) for i in range(count)] for count in self.weights.shape[:2])
        row = self.by_eojeol()[:, :, place]  # (layers, heads, W)
        if layer is not None:
            row = row[[find_place(layers, layer, "layer")]]
        if head is not None:
            row = row[:, [find_place(heads, head, "head")]]
        taken = row.mean(axis=(0, 1))  # (W,)
        order = np.argsort(-taken, kind="stable")
        return [(self.eojeols[i], float(taken[i])) for i in order]

    def quarters(self) -> dict[str, np.ndarray]:
        """A pair's weights in four: "A->A", "A->B", "B->A" and "B->B", from which text to which.

        Returns:
            Each (layers, heads, tokens of the one, tokens of the other); [CLS] and the first [SEP]
            are A's.

        Raises:
            KbertError: if there is one text only.
        """
        a, b = (np.flatnonzero(self.of_text == text) for text in (0, 1))
        if not len(b):
            raise KbertError("one text has no quarters: give attention a pair")
        sides = {"A": a, "B": b}
        return {
            f"{one}->{other}": self.weights[:, :, sides[one]][..., sides[other]]
            for one in sides
            for other in sides
        }

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(picture(self, checked(language)), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return picture(self, "ko").fragment()


def attention(
    model: KbertModel,
    text: str,
    pair: str | None = None,
    *,
    pad_to_length: int | None = None,
    glued_to_mask: GluedToMask = "word",
) -> Attention:
    """The attention weights of every layer and head.

    Args:
        model: a model of kbert with a tokenizer.
        text: the text.
        pair: a second text, or None.
        pad_to_length: how long the row is to be, to see padding too; None adds none.
        glued_to_mask: how to read what follows a [MASK] without a space; see `FillMask`.

    Raises:
        KbertError: if the model has no tokenizer or no Bert, the text is too long for it, or
            layers have unequal heads.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=7, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> seen = kbert.explain.attention(model, "국회에 [MASK]")
        >>> seen.eojeols, seen.weights.shape  # 2 layers, 2 heads, 5 tokens
        (['[CLS]', '국회에', '[MASK]', '[SEP]'], (2, 2, 5, 5))
        >>> round(sum(weight for _, weight in seen.what_it_looks_at("[MASK]")), 3)
        1.0

    Source: Vaswani et al. 2017, section 3.2.
    """
    read = read_for(model, text, pair, pad_to_length, glued_to_mask)
    layers = encoder_of(model)(read.inputs, output_attentions=True)["attentions"]
    heads = [layer.shape[1] for layer in layers]
    if len(set(heads)) > 1:
        raise KbertError(
            f"the picture has a place for each head of each layer, and the layers have {heads} "
            "heads, since some were pruned: look at those of the model before"
        )
    weights = np.stack([as_array(layer)[0] for layer in layers])  # (layers, heads, L, L)
    return Attention(read.pieces, read.of_text, read.eojeols, read.eojeol_of, weights)
