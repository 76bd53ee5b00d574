"""Which words of a text are names, and of what; or the part of speech of each word.

    text -> pieces -> a label for each -> tags of characters -> spans of the original text

A piece may end within an eojeol, so that 유희열이 has the name 유희열 and the particle 이 outside.

Shapes: L length, C labels, T pieces of a text.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from kbert.errors import KbertError, counted
from kbert.models.base import KbertModel
from kbert.models.tagging import BertForTokenClassification
from kbert.pipelines.encode import BATCH_SIZE, log_softmax, predict, text_list, tokenizer_of
from kbert.pipelines.unknown_words import warn_of_unknown_texts
from kbert.pipelines.windows import Window, to_windows
from kbert.text.tags import OUTSIDE, eojeols, scheme_of, spans_of, tags_from_pieces

Unit = Literal["piece", "eojeol"]


class TaggedPieces(NamedTuple):
    """The pieces of a text: where each stands (T, 2), its label (T,), and how likely (T,)."""

    offsets: np.ndarray
    labels: list[str]
    scores: np.ndarray


class TokenClassifier:
    """Finds the entities of texts with a fine-tuned tagger, or the tag of each word.

    Args:
        model: a `BertForTokenClassification` with a tokenizer. Labels O, B-... and I-... are
            entities; any others are tags of whole words.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import BertForTokenClassification, Tokenizer
        >>> model = BertForTokenClassification(
        ...     labels=["NNG", "VV"], vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##가 연다".split())
        >>> [(each["text"], each["start"]) for each in TokenClassifier(model)("국회가 연다")]
        [('국회가', 0), ('연다', 4)]
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForTokenClassification):
            raise KbertError(
                f"TokenClassifier takes a BertForTokenClassification, and got a "
                f"{type(model).__name__}; load it with "
                'kbert.load(..., task="token-classification"), and fine-tune it'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)
        self.scheme = scheme_of(model.labels)

    def __call__(
        self,
        texts: str | list[str],
        *,
        unit: Unit = "piece",
        words: Sequence[Sequence[tuple[int, int]]] | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """Finds the entities of a text, or of each text of a list.

        Args:
            texts: a text, or a list of texts, of any length: longer ones run in windows.
            unit: where an entity ends. "piece": where its last piece ends, as the model was
                taught, so that a particle stays outside (유희열). "eojeol": an eojeol is all of
                the entity that its first piece is of (유희열이), which is right for models that
                were trained on labels of eojeols.
            words: of tags of words: the (start, end) of each text's words, in their order, where
                they are not what stands between spaces, as in treebanks that cut punctuation off.
            batch_size: the most rows that run together; fewer of long ones.

        Returns:
            For each text a list of dicts: `text` (the slice of the original string), `label`,
            `start` and `end` (characters, the end exclusive) and `score` (the mean probability of
            its pieces' labels). Of tags of words: one for each word, with the label "" where the
            tokenizer leaves nothing of it, or a piece of the word before begins in it. A warning
            of the logger "kbert" says if there are texts of only words that the vocabulary does
            not know.

        Raises:
            KbertError: if there is no such unit, or `words` are for a model of entities or not as
                many as the texts.
        """
        if unit not in get_args(Unit):
            raise KbertError(f"unit is 'piece' or 'eojeol', not {unit!r}")
        one = isinstance(texts, str)
        given = text_list("texts", texts)
        if words is not None and (self.scheme != "word" or len(words) != len(given)):
            raise KbertError(
                "words are a list for each text, of a tagger of whole words: "
                f"{counted(len(words), 'list')} for {counted(len(given), 'text')}, and labels such "
                f"as {self.model.labels[-1]!r}"
            )
        tagged = self.pieces(given, batch_size=batch_size)
        if self.scheme == "word":
            words = [eojeols(text) for text in given] if words is None else words
            found = list(map(_tagged_words, given, words, tagged))
        else:
            found = [
                _entities(text, pieces, unit) for text, pieces in zip(given, tagged, strict=True)
            ]
        return found[0] if one else found

    def pieces(self, texts: list[str], *, batch_size: int = BATCH_SIZE) -> list[TaggedPieces]:
        """The pieces of each text with their labels."""
        texts = text_list("texts", texts)
        windows = to_windows(self.tokenizer, texts, None, self.model.max_length)
        rows, owners = [window.row for window in windows], [window.text for window in windows]
        warn_of_unknown_texts(self.tokenizer, texts, rows, owners)

        def answer(logits: Any, indices: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
            best = logits.argmax(axis=-1)  # (B, L)
            scores = np.exp(log_softmax(logits).max(axis=-1))
            return [
                (best[i, : len(windows[index].offsets)], scores[i, : len(windows[index].offsets)])
                for i, index in enumerate(indices)
            ]

        answers = predict(self.model, rows, answer, batch_size)
        joined: list[list] = [[] for _ in texts]
        for window, (labels, scores) in zip(windows, answers, strict=True):
            joined[window.text].append((window, labels, scores))
        return [self._join(parts) for parts in joined]

    def _join(self, parts: list[tuple[Window, np.ndarray, np.ndarray]]) -> TaggedPieces:
        """The pieces of a text's windows; where two have one, that which sees more around it."""
        begins, ends = [], []
        for window, _, _ in parts:
            begins.append(window.offsets[window.is_text][:, 0])
            ends.append(len(begins[-1]))
        offsets, labels, scores = [], [], []
        last = -1  # where the last piece that was taken begins
        for number, (window, best, probabilities) in enumerate(parts):
            chosen = np.flatnonzero(window.is_text)
            chosen = chosen[window.offsets[chosen, 0] > last] if number else chosen
            if number + 1 < len(parts):  # half of what is shared is the next window's
                shared = np.isin(window.offsets[chosen, 0], begins[number + 1])
                chosen = chosen[: len(chosen) - int(shared.sum()) // 2]
            if len(chosen):
                last = int(window.offsets[chosen[-1], 0])
            offsets.append(window.offsets[chosen])
            labels += [self.model.labels[label] for label in best[chosen]]
            scores.append(probabilities[chosen])
        return TaggedPieces(np.concatenate(offsets), labels, np.concatenate(scores))


def _tagged_words(
    text: str, words: Sequence[tuple[int, int]], pieces: TaggedPieces
) -> list[dict[str, Any]]:
    """Each word with the label of its first piece."""
    offsets, labels, scores = pieces
    return [
        _entity(text, start, end, "", scores[:0])
        if i is None
        else _entity(text, start, end, labels[i], scores[i : i + 1])
        for (start, end), i in zip(words, _first_pieces(words, offsets), strict=True)
    ]


def _entities(text: str, pieces: TaggedPieces, unit: Unit) -> list[dict[str, Any]]:
    offsets, labels, scores = pieces
    if unit == "eojeol":
        firsts = [i for i in _first_pieces(eojeols(text), offsets) if i is not None]
        eojeol_of = np.searchsorted(firsts, np.arange(len(labels)), "right") - 1
        labels = [_continued(labels, i, firsts[eojeol_of[i]]) for i in range(len(labels))]
    found = []
    for start, end, label in spans_of(tags_from_pieces(text, labels, offsets)):
        inside = (offsets[:, 0] < end) & (offsets[:, 1] > start)
        found.append(_entity(text, start, end, label, scores[inside]))
    return found


def _first_pieces(words: Sequence[tuple[int, int]], offsets: np.ndarray) -> list[int | None]:
    """For each word the piece that it begins with; None where cleaning leaves nothing of it."""
    begins, firsts = offsets[:, 0], []
    for start, end in words:
        index = int(np.searchsorted(begins, start, "left"))
        firsts.append(index if index < len(begins) and begins[index] < end else None)
    return firsts


def _continued(labels: list[str], piece: int, first: int) -> str:
    """The label of an eojeol's piece, where its first piece's counts."""
    label = labels[first]
    return label if piece == first or label == OUTSIDE else f"I{label[1:]}"


def _entity(text: str, start: int, end: int, label: str, scores: np.ndarray) -> dict[str, Any]:
    return {
        "text": text[start:end],
        "label": label,
        "start": start,
        "end": end,
        "score": float(scores.mean()) if len(scores) else 0.0,
    }
