"""Sample predictions: blanks, next tokens and pairs from a text, and which were right.

For a look at what a model has learned; for figures to compare, see `kbert/training/evaluation.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import keras
import numpy as np

from kbert.labels import IS_NEXT
from kbert.models.base import KbertModel
from kbert.pipelines.encode import Row, tokenizer_of
from kbert.pipelines.fill_mask import FillMask
from kbert.pipelines.next_sentence import judge_rows


class PairToJudge(Protocol):
    """A pair of texts as a row of ids; `kbert.data.pretraining.sample_pairs.SamplePair` is one."""

    @property
    def input_ids(self) -> np.ndarray:
        """The row."""
        ...

    @property
    def token_type_ids(self) -> np.ndarray:
        """Its segments."""
        ...

    @property
    def first(self) -> str:
        """The first text, to be shown."""
        ...

    @property
    def second(self) -> str:
        """The second."""
        ...

    @property
    def follows(self) -> bool:
        """Whether it follows the first."""
        ...


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
    """Two texts, and whether the model takes the second for the next.

    Attributes:
        first: a text.
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
        """Three lines: verdict, and the two texts."""
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
    # Rows of the table without a token are no answers, whatever their scores.
    probabilities = keras.ops.convert_to_numpy(scores)[:, : len(tokenizer)]
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

    Sentences with a word that the vocabulary does not know are left out.

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
        words = [
            (start, end, token)
            for token, (start, end) in zip(
                map(tokenizer.token, ids), encoded["offsets"][0].tolist(), strict=True
            )
            if len(token) >= 2 and all("가" <= character <= "힣" for character in token)
        ]
        unfit = {tokenizer.mask_id, tokenizer.unk_id} & {*ids}
        if words and len(ids) <= model.max_length and not unfit:
            start, end, truth = words[rng.integers(len(words))]
            blanks.append((sentence[:start] + tokenizer.mask_token + sentence[end:], truth))
        if len(blanks) == count:
            break
    return blanks


def ask_pairs(model: KbertModel, pairs: Sequence[PairToJudge]) -> list[Pair]:
    """Has the model judge pairs.

    Args:
        model: a `BertForPreTraining` or `BertForNextSentencePrediction` with a tokenizer.
        pairs: rows of its ids, as `kbert.data.pretraining.sample_pairs` draws them.
    """
    rows: list[Row] = [
        {"input_ids": pair.input_ids, "token_type_ids": pair.token_type_ids} for pair in pairs
    ]
    return [
        Pair(
            pair.first,
            pair.second,
            pair.follows,
            judged["next"],
            (judged["label"] == IS_NEXT) == pair.follows,
        )
        for pair, judged in zip(pairs, judge_rows(model, rows), strict=True)
    ]


def what_it_learned(
    model: KbertModel,
    documents: Sequence[list[str]],
    rng: np.random.Generator,
    pairs: Sequence[PairToJudge] = (),
    *,
    causal: bool = False,
) -> str:
    """Lines to show: ten blanks, or next tokens, and pairs where there are any.

    Args:
        model: with a tokenizer.
        documents: lists of sentences.
        rng: what draws.
        pairs: for `ask_pairs`; the first and the last are shown.
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
    judged = ask_pairs(model, pairs)
    if judged:
        lines += ["", "Does the second text follow the first? Pairs as in training:"]
        lines += [f"  {pair}" for pair in (judged[0], judged[-1])]
        lines.append(f"{sum(pair.right for pair in judged)} of {len(judged)} were judged rightly.")
    return "\n".join(lines)
