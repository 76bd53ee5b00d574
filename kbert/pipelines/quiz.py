"""Asks a model about texts, and says what was right: blanks, next tokens, pairs of sentences.

For a look at what a model has learned; for figures to compare, see `kbert/training/evaluation.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from kbert.labels import IS_NEXT
from kbert.models.base import KbertModel
from kbert.models.pretraining import BertForPreTraining
from kbert.pipelines.encode import tokenizer_of
from kbert.pipelines.fill_mask import FillMask
from kbert.pipelines.next_sentence import NextSentence

_TRIES = 1000  # at drawing a pair that fits


class Blank(NamedTuple):
    """A word that was blanked, and what the model would put there.

    Attributes:
        text: the sentence with its [MASK]; where the next token was asked for, only up to there.
        truth: the word that stood there.
        answer: the model's likeliest.
        score: its probability.
    """

    text: str
    truth: str
    answer: str
    score: float

    @property
    def right(self) -> bool:
        """Whether it is the word that stood there."""
        return self.answer == self.truth

    def __str__(self) -> str:
        """One line: verdict, truth, answer, text."""
        verdict = "right" if self.right else "wrong"
        return f"{verdict}: {self.truth} | {self.answer} ({100 * self.score:.0f}%) | {self.text}"


class Pair(NamedTuple):
    """Two sentences, and whether the model takes the second for the next.

    Attributes:
        first: a sentence.
        second: the one that follows it, or one of another document.
        follows: which of the two it is.
        score: the probability that the model gives to its following.
        right: whether the model judges rightly.
    """

    first: str
    second: str
    follows: bool
    score: float
    right: bool

    def __str__(self) -> str:
        """Three lines: verdict, and the two sentences."""
        return (
            f"{'right' if self.right else 'wrong'}: it "
            f"{'follows' if self.follows else 'does not'}; the model says "
            f"{100 * self.score:.0f}% yes\n    1. {self.first}\n    2. {self.second}"
        )


def ask_blanks(
    model: KbertModel, documents: Sequence[list[str]], rng: np.random.Generator, count: int = 10
) -> list[Blank]:
    """Blanks one word in each of some sentences, and has the model fill it.

    Args:
        model: a `BertForPreTraining` or `BertForMaskedLM` with a tokenizer.
        documents: lists of sentences.
        rng: what draws.
        count: how many sentences; fewer where there are no more with a word to blank.
    """
    blanks = draw_blanks(model, documents, rng, count)
    fill_mask = FillMask(model, glued_to_mask="continuation")
    answers = [best for (best,) in fill_mask([text for text, _ in blanks], top_k=1)]
    return [
        Blank(text, truth, answer["token_str"], answer["score"])
        for (text, truth), answer in zip(blanks, answers, strict=True)
    ]


def ask_next_tokens(
    model: KbertModel, documents: Sequence[list[str]], rng: np.random.Generator, count: int = 10
) -> list[Blank]:
    """Breaks some sentences off before a word, and has the model tell the token that follows.

    Args:
        model: a `BertForMaskedLM` with a tokenizer, that was trained left to right ("causal").
        documents: lists of sentences.
        rng: what draws.
        count: how many sentences; fewer where there are no more.
    """
    tokenizer = tokenizer_of(model)
    drawn = [
        (text[: text.index(tokenizer.mask_token)], truth)
        for text, truth in draw_blanks(model, documents, rng, 2 * count)
    ]
    drawn = [(text, truth) for text, truth in drawn if text.strip()][:count]
    if not drawn:
        return []
    x = dict(tokenizer([text for text, _ in drawn]))
    length = x["input_ids"].shape[1]
    lengths = x["attention_mask"].sum(axis=1)  # (B,)
    x["attention_mask"] = np.tril(np.ones((len(drawn), length, length), np.int8))
    x["masked_lm_positions"] = lengths[:, None] - 2  # the token before [SEP]
    scores = keras.ops.softmax(model(x, training=False)[:, 0])  # (B, V)
    probabilities = keras.ops.convert_to_numpy(scores)
    return [
        Blank(f"{text}{tokenizer.mask_token}", truth, tokenizer.token(int(best)), float(row[best]))
        for (text, truth), row, best in zip(
            drawn, probabilities, probabilities.argmax(axis=-1), strict=True
        )
    ]


def draw_blanks(
    model: KbertModel, documents: Sequence[list[str]], rng: np.random.Generator, count: int
) -> list[tuple[str, str]]:
    """Draws sentences, and blanks a word of two or more syllables that is one token in each.

    Returns:
        The text of each, and the word.
    """
    tokenizer = tokenizer_of(model)
    sentences = [sentence for document in documents for sentence in document]
    blanks = []
    for index in rng.permutation(len(sentences)):
        sentence = sentences[index]
        encoded = tokenizer(sentence, return_offsets=True)
        ids = encoded["input_ids"][0].tolist()
        places = [
            (start, end, token)
            for token, (start, end) in zip(
                map(tokenizer.token, ids), encoded["offsets"][0].tolist(), strict=True
            )
            if len(token) >= 2 and all("가" <= character <= "힣" for character in token)
        ]
        if places and len(ids) <= model.max_length and tokenizer.mask_id not in ids:
            start, end, truth = places[rng.integers(len(places))]
            blanks.append((sentence[:start] + tokenizer.mask_token + sentence[end:], truth))
        if len(blanks) == count:
            break
    return blanks


def ask_pairs(
    model: KbertModel, documents: Sequence[list[str]], rng: np.random.Generator
) -> list[Pair]:
    """Has the model judge a sentence with its next, and with one of another document.

    Args:
        model: a `BertForPreTraining` or `BertForNextSentencePrediction` with a tokenizer.
        documents: lists of sentences.
        rng: what draws.

    Returns:
        The two; none where no two documents have such sentences.
    """
    next_sentence, pairs = NextSentence(model), []
    for follows, first, second in draw_pairs(model, documents, rng):
        judged = next_sentence(first, second)
        right = (judged["label"] == IS_NEXT) == follows
        pairs.append(Pair(first, second, follows, judged["next"], right))
    return pairs


def draw_pairs(
    model: KbertModel, documents: Sequence[list[str]], rng: np.random.Generator
) -> list[tuple[bool, str, str]]:
    """A sentence and its next, and the same with one of another document; they fit into a row.

    Returns:
        Whether the second follows, the first, and the second; of both, or nothing.
    """
    tokenizer = tokenizer_of(model)

    def fits(first: str, second: str) -> bool:
        return len(tokenizer(first, second)["input_ids"][0]) <= model.max_length

    for _ in range(_TRIES if len(documents) > 1 else 0):
        index = int(rng.integers(len(documents)))
        place = int(rng.integers(len(documents[index])))
        first, second = [*documents[index][place : place + 2], ""][:2]
        other = documents[(index + int(rng.integers(1, len(documents)))) % len(documents)]
        stranger = other[int(rng.integers(len(other)))]
        if second and fits(first, second) and fits(first, stranger):
            return [(True, first, second), (False, first, stranger)]
    return []


def what_it_learned(
    model: KbertModel,
    documents: Sequence[list[str]],
    rng: np.random.Generator,
    *,
    causal: bool = False,
) -> str:
    """Lines to show: ten blanks, or next tokens, and two pairs where the model judges pairs.

    Args:
        model: with a tokenizer.
        documents: lists of sentences.
        rng: what draws.
        causal: whether it was trained left to right, and so fills no blanks.
    """
    if causal:
        lines = ["Ten beginnings from the training text, and the token that follows:"]
        blanks = ask_next_tokens(model, documents, rng)
    else:
        lines, blanks = ["Ten blanks from the training text:"], ask_blanks(model, documents, rng)
    lines += [f"  {blank}" for blank in blanks]
    right = sum(blank.right for blank in blanks)
    lines.append(f"{right} of {len(blanks)} came back (truth | answer | text).")
    if isinstance(model, BertForPreTraining):
        lines += ["", "Does the second sentence follow the first?"]
        lines += [f"  {pair}" for pair in ask_pairs(model, documents, rng)]
    return "\n".join(lines)
