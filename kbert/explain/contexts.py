"""Vectors in context: one word in several texts, and all words of a text through the layers.

Shapes: S sentences, L length, D hidden.
Source: Ethayarajh 2019, "How Contextual are Contextualized Word Representations?".
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from kbert.errors import KbertError
from kbert.explain.page import WORDS, Language, Part, checked, save_page, tint, whole_page
from kbert.explain.read_text import as_array, encoder_of, find_place, read_for
from kbert.models.base import KbertModel


@dataclass(frozen=True, eq=False)
class Contextual:
    """A word's vectors in S sentences.

    Attributes:
        word: the word.
        sentences: the S sentences.
        spans: where it stands in each, (start, end).
        pieces: the pieces that it touches in each.
        vectors: (S, D) the mean of its pieces' vectors.
        cosines: (S, S).
        points: (S, 2) the vectors in the plane in which they differ most (PCA).
    """

    word: str
    sentences: list[str]
    spans: list[tuple[int, int]]
    pieces: list[list[str]]
    vectors: np.ndarray
    cosines: np.ndarray
    points: np.ndarray

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_contextual_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _contextual_picture(self, "ko").fragment()


def contextual(model: KbertModel, word: str, sentences: list[str], layer: int = -1) -> Contextual:
    """Compares the vectors that a word has in several sentences.

    Args:
        model: a model of kbert with a tokenizer.
        word: what stands in every sentence; the first place counts.
        sentences: two at least.
        layer: 0 are the embeddings, 1 the first layer's output, ..., -1 the last's.

    Raises:
        KbertError: if a sentence lacks the word, there are fewer than two, or there is no such
            layer.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=8, **kbert.SIZES["tiny"])
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 배 ##를 타다".split()
        >>> model.tokenizer = kbert.Tokenizer(tokens)
        >>> seen = kbert.explain.contextual(model, "배", ["배를 타다", "타다 배"])
        >>> seen.spans, seen.cosines.shape, round(float(seen.cosines[0, 0]), 3)
        ([(0, 1), (3, 4)], (2, 2), 1.0)
    """
    if isinstance(sentences, str) or len(sentences) < 2:
        raise KbertError(f"sentences is a list of two or more texts, not {sentences!r:.80}")
    if not word:
        raise KbertError("word is the text to look for, and it is empty")
    spans, pieces, vectors = [], [], []
    for sentence in sentences:
        read = read_for(model, sentence)
        start = sentence.find(word)
        end = start + len(word)
        touched = (read.offsets[:, 0] < end) & (read.offsets[:, 1] > start)  # (L,)
        if start < 0 or not touched.any():
            raise KbertError(f"{word!r:.40} is not in {sentence!r:.80}")
        states = _states(model, read.inputs)
        place = find_place([str(i) for i in range(len(states))], layer, "layer")
        vectors.append(states[place][touched].mean(axis=0))
        spans.append((start, end))
        pieces.append([p for p, is_it in zip(read.pieces, touched, strict=True) if is_it])
    stacked = np.stack(vectors)  # (S, D)
    return Contextual(
        word, list(sentences), spans, pieces, stacked, _cosines(stacked), plane(stacked)
    )


@dataclass(frozen=True, eq=False)
class Layers:
    """The vectors of a text's tokens through the layers; the embeddings are layer 0.

    Attributes:
        pieces: the L tokens.
        vectors: (layers + 1, L, D).
        lengths: (layers + 1, L) the vectors' lengths (norms).
        to_before: (layers + 1, L) cosine with the layer before; 1 at the embeddings.
        to_first: (layers + 1, L) cosine with the token's embeddings.
        alike: (layers + 1,) the mean cosine of two different tokens of the text.
    """

    pieces: list[str]
    vectors: np.ndarray
    lengths: np.ndarray
    to_before: np.ndarray
    to_first: np.ndarray
    alike: np.ndarray

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_layers_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _layers_picture(self, "ko").fragment()


def layers(model: KbertModel, text: str, pair: str | None = None) -> Layers:
    """Follows each token's vector through the layers.

    Args:
        model: a model of kbert with a tokenizer.
        text: the text.
        pair: a second text, or None.

    Raises:
        KbertError: as for `input_rows`.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=7, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> seen = kbert.explain.layers(model, "국회에")
        >>> seen.vectors.shape, seen.to_first[0].round(3).tolist()  # 2 layers and the embeddings
        ((3, 4, 128), [1.0, 1.0, 1.0, 1.0])
    """
    read = read_for(model, text, pair)
    vectors = _states(model, read.inputs)  # (layers + 1, L, D)
    lengths = np.linalg.norm(vectors, axis=-1)
    unit = vectors / np.maximum(lengths, 1e-12)[..., None]
    before = np.concatenate([unit[:1], unit[:-1]])
    table = unit @ unit.transpose(0, 2, 1)  # (layers + 1, L, L)
    others = ~np.eye(len(read.pieces), dtype=bool)
    return Layers(
        read.pieces,
        vectors,
        lengths,
        (unit * before).sum(-1),
        (unit * unit[0]).sum(-1),
        table[:, others].mean(axis=1),
    )


def _states(model: KbertModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """(layers + 1, L, D)."""
    states = encoder_of(model)(inputs, output_hidden_states=True)["hidden_states"]
    return np.stack([as_array(state)[0] for state in states])


def _cosines(vectors: np.ndarray) -> np.ndarray:
    """(S, D) -> (S, S)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit @ unit.T


def plane(vectors: np.ndarray) -> np.ndarray:
    """The vectors' first two principal components, (S, D) -> (S, 2).

    Example:
        >>> plane(np.array([[0.0, 0, 1], [0, 0, 3], [0, 0, 5]])).round(3).tolist()
        [[2.0, 0.0], [0.0, 0.0], [-2.0, 0.0]]
    """
    centred = vectors - vectors.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    count = min(2, len(scale))
    points[:, :count] = left[:, :count] * scale[:count]
    # The sign of an axis is free: the largest of its numbers counts as positive, and so it is the
    # same everywhere. (Of a tie, the first.)
    for axis in range(count):
        largest = points[np.argmax(np.abs(points[:, axis]).round(6)), axis]
        points[:, axis] *= -1 if largest < 0 else 1
    return points + 0.0


def _contextual_picture(seen: Contextual, language: Language) -> Part:
    words = WORDS[checked(language)]
    listed = []
    for i, (sentence, (start, end)) in enumerate(zip(seen.sentences, seen.spans, strict=True), 1):
        before, within, after = sentence[:start], sentence[start:end], sentence[end:]
        listed.append(
            f"<li><em>{i}</em> {escape(before)}<mark>{escape(within)}</mark>{escape(after)}"
            f" <small>{escape(' '.join(seen.pieces[i - 1]))}</small></li>"
        )
    numbers = range(1, len(seen.sentences) + 1)
    head = "".join(f"<th>{j}</th>" for j in numbers)
    off = seen.cosines[~np.eye(len(seen.cosines), dtype=bool)]
    low, wide = float(off.min()), max(1 - float(off.min()), 1e-6)
    rows = "".join(
        f"<tr><th>{i}</th>"
        + "".join(f"<td {tint((c - low) / wide)}>{c:.2f}</td>" for c in seen.cosines[i - 1])
        + "</tr>"
        for i in numbers
    )
    body = (
        f"<ol class=plain>{''.join(listed)}</ol><h3>{words['cosines']}</h3>"
        f"<div class=wide><table class=matrix><tr><th></th>{head}</tr>{rows}</table></div>"
        f"<h3>{words['plane']}</h3><p>{words['plane_note']}</p>{_dots(seen.points)}"
    )
    return Part(words["contextual"].format(word=escape(seen.word)), words["contextual_note"], body)


def _dots(points: np.ndarray) -> str:
    """Numbered dots; both axes have one scale, so that distances are right."""
    reach = np.maximum(np.abs(points).max(axis=0), 1e-12)
    scale = min(135 / reach[0], 85 / reach[1])
    x, y = 160 + scale * points[:, 0], 110 - scale * points[:, 1]
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="10"/><text x="{a:.1f}" y="{b + 4:.1f}">{i}</text>'
        for i, (a, b) in enumerate(zip(x, y, strict=True), 1)
    )
    return f'<svg class=dots viewBox="0 0 320 220" role=img>{dots}</svg>'


def _layers_picture(seen: Layers, language: Language) -> Part:
    words = WORDS[checked(language)]
    count = len(seen.vectors)
    names = [words["embeddings"], *(words["layer"].format(layer=i) for i in range(1, count))]
    head = "".join(f"<th>{name}</th>" for name in names[1:])

    def table(cells: np.ndarray) -> str:
        cells = cells[1:]  # embeddings beside themselves are 1
        low = min(float(cells.min()), 0.0)
        rows = "".join(
            f"<tr><th>{escape(piece)}</th>"
            + "".join(f"<td {tint((c - low) / (1 - low))}>{c:.2f}</td>" for c in cells[:, i])
            + "</tr>"
            for i, piece in enumerate(seen.pieces)
        )
        return f"<div class=wide><table class=matrix><tr><th></th>{head}</tr>{rows}</table></div>"

    alike = "".join(
        f"<tr><th>{name}</th><td class=diverging><span class=alone "
        f'style="--share:{max(float(c), 0):.3f}"></span></td><td>{c:.2f}</td></tr>'
        for name, c in zip(names, seen.alike, strict=True)
    )
    body = (
        f"<div class=beside><div><h3>{words['to_first']}</h3>{table(seen.to_first)}</div>"
        f"<div><h3>{words['to_before']}</h3>{table(seen.to_before)}</div></div>"
        f"<h3>{words['alike']}</h3><table class=bars>{alike}</table>"
    )
    return Part(words["layers"], words["layers_note"], body)
