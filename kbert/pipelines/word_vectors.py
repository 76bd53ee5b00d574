"""Words as vectors: which are near, and the arithmetic that word2vec is known for.

Shapes: W words, D numbers of a vector, L length.
Source: Mikolov et al. 2013, "Linguistic Regularities in Continuous Space Word Representations".
"""

from typing import Any

import numpy as np
from keras import ops

from kbert.errors import KbertError, kind_of, whole_number
from kbert.models.base import KbertModel
from kbert.models.encoder import Encoder
from kbert.pipelines.encode import predict, text_list, tokenizer_of
from kbert.pipelines.windows import to_windows
from kbert.search.precisions import unit
from kbert.text.korean.normalize import nfc
from kbert.text.tokenizer import Tokenizer

_PLACE = "{}"


class WordVectors:
    """A vector for each word, and which of them are near.

    Static vectors are rows of the model's token table, the same in every sentence; a word of
    several pieces has their mean. Contextual ones are the encoder's last layer, again the mean of
    the word's pieces, in one sentence for all: `template`. (One word in several sentences is
    `kbert.explain.contextual`.)

    Args:
        model: any of kbert's with an encoder and a tokenizer.
        words: among which to look; None means all tokens of the vocabulary that are a word.
        contextual: whether the vectors are the encoder's.
        template: for contextual ones, a text with `{}` in the word's place.

    Attributes:
        words: the W words.
        vectors: (W, D) float32.

    Raises:
        KbertError: if the model has no tokenizer, a word is empty or its pieces are not in the
            vocabulary, or the template has not one `{}`.

    Example:
        >>> from kbert import SIZES, Bert, Tokenizer
        >>> bert = Bert(vocab_size=9, **SIZES["tiny"])
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 고양이 강아지 개 ##개".split()
        >>> bert.tokenizer = Tokenizer(tokens)
        >>> words = WordVectors(bert)
        >>> words.words, len(words.most_similar("개", top_k=2))
        (['고양이', '강아지', '개'], 2)
    """

    def __init__(
        self,
        model: KbertModel,
        words: str | list[str] | None = None,
        *,
        contextual: bool = False,
        template: str = _PLACE,
    ):
        if not isinstance(template, str) or template.count(_PLACE) != 1:
            raise KbertError(f"template is a text with one {{}} in it, not {template!r:.80}")
        bert = getattr(model, "bert", model)
        if not isinstance(bert, Encoder):
            raise KbertError(f"WordVectors takes a model of kbert, not {kind_of(model)}")
        self._bert: Any = bert
        self._tokenizer, self._template = tokenizer_of(model), template
        self._contextual = contextual
        self.words = whole_words(self._tokenizer) if words is None else text_list("words", words)
        self._places = {word: i for i, word in reversed([*enumerate(self.words)])}
        self.vectors = self._vectors_of(self.words)
        self._units = unit(self.vectors)

    def vector(self, word: str) -> np.ndarray:
        """A word's vector, (D,); of any word, also of one that is not among `words`.

        Raises:
            KbertError: if it is empty, or the vocabulary does not know it.
        """
        if word in self._places:
            return self.vectors[self._places[word]]
        return self._vectors_of(text_list("word", word))[0]

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words' vectors."""
        one, other = unit(np.stack([self.vector(a), self.vector(b)]))
        return float(one @ other)

    def most_similar(
        self, positive: str | list[str], negative: str | list[str] | None = None, *, top_k: int = 10
    ) -> list[tuple[str, float]]:
        """The words whose vectors are nearest to a sum: those of `positive` less `negative`.

        Each vector has length 1 before it is added, so that a frequent word, whose is longer, does
        not count for more. The words that are asked with are left out of the answer: without that
        rule the answer to most sums is one of them.

        Args:
            positive: a word, or a list of words.
            negative: a word, or a list of words, to take away.
            top_k: how many are wanted.

        Returns:
            (word, cosine), the nearest first.

        Raises:
            KbertError: if there is no word, the vocabulary does not know one, or `top_k` is less
                than 1.

        Source: Mikolov et al. 2013, section 4 (the vector offset method).
        """
        count = whole_number("top_k", top_k, 1)
        plus = text_list("positive", positive)
        minus = [] if negative is None else text_list("negative", negative)
        if not plus:
            raise KbertError("positive is a word or a list of words, and it is empty")
        asked = unit(np.stack([self.vector(word) for word in (*plus, *minus)]))
        signs = np.array([1.0] * len(plus) + [-1.0] * len(minus), np.float32)
        cosines = self._units @ unit((signs @ asked)[None])[0]  # (W,)
        left_out = {*plus, *minus}
        order = (int(i) for i in np.argsort(-cosines, kind="stable"))
        found = [(self.words[i], float(cosines[i])) for i in order if self.words[i] not in left_out]
        return found[:count]

    def _vectors_of(self, words: list[str]) -> np.ndarray:
        """(W, D) float32."""
        return self._in_sentences(words) if self._contextual else self._in_table(words)

    def _in_table(self, words: list[str]) -> np.ndarray:
        table = ops.convert_to_numpy(ops.cast(self._bert.embeddings.token_table, "float32"))
        ids, starts = self._tokenizer.encode_flat(words)
        _check_words(words, np.split(ids, starts[1:-1]) if words else [], self._tokenizer)
        counts = np.diff(starts)
        sums = np.add.reduceat(table[ids], starts[:-1], axis=0) if words else table[:0]
        return (sums / counts[:, None]).astype(np.float32)

    def _in_sentences(self, words: list[str]) -> np.ndarray:
        start = self._template.index(_PLACE)
        texts = [self._template.replace(_PLACE, word) for word in words]
        windows = to_windows(self._tokenizer, texts, None, self._bert.max_length)
        if len(windows) > len(words):
            raise KbertError(
                f"the template with a word in it is longer than the {self._bert.max_length} tokens "
                "that the model takes"
            )
        touched = [
            (window.offsets[:, 0] < start + len(word)) & (window.offsets[:, 1] > start)  # (L,)
            for word, window in zip(words, windows, strict=True)
        ]
        pieces = [w.row["input_ids"][places] for w, places in zip(windows, touched, strict=True)]
        _check_words(words, pieces, self._tokenizer)

        def answer(states: Any, indices: list[int]) -> list[np.ndarray]:
            means = []
            for state, i in zip(np.asarray(states, np.float32), indices, strict=False):
                means.append(state[: len(touched[i])][touched[i]].mean(axis=0))
            return means

        rows = [window.row for window in windows]
        found = predict(self._bert, rows, answer, output="last_hidden_state")
        return np.array(found, np.float32).reshape(len(words), self._bert.hidden_size)


def whole_words(tokenizer: Tokenizer) -> list[str]:
    """The tokens of a vocabulary that are a word by themselves, with a letter or digit in them.

    Example:
        >>> whole_words(Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] [unused0] 국회 ##는 .".split()))
        ['국회']
    """
    texts = [nfc(token.removeprefix("▁")) for token in tokenizer.vocabulary]
    others = {*tokenizer.special_tokens.values(), *tokenizer.added_tokens}
    return [
        text
        for index, (text, ids) in enumerate(zip(texts, tokenizer.encode(texts), strict=True))
        if ids == [index] and any(map(str.isalnum, text)) and text not in others
    ]


def _check_words(words: list[str], pieces: list[np.ndarray], tokenizer: Tokenizer) -> None:
    """Whether each word has pieces, and the vocabulary all of them."""
    for place, (word, ids) in enumerate(zip(words, pieces, strict=True)):
        if not len(ids):
            raise KbertError(f"words[{place}] is empty: {word!r:.80}")
        if tokenizer.unk_id in ids:
            raise KbertError(f"the vocabulary does not know {word!r:.80}: it has no vector")
