"""Which words made the answer: integrated gradients on the token embeddings.

    a_i = (x_i - x'_i) . integral from 0 to 1 of dF(x' + t (x - x')) / dx_i dt

F is the logit of the answer, x the token embeddings of the text, and x' those of the same text with
every ordinary token hidden behind [MASK]. What is added up over the tokens is F(x) - F(x')
(completeness): each token's share of what the words, against none, did for the answer.

Shapes: L length, E embedding, T steps.
Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks".
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from kbert.errors import KbertError, kind_of, whole_number
from kbert.explain.embedded import gradient_of, outputs_of
from kbert.explain.page import WORDS, Language, Part, checked, save_page, signed, whole_page
from kbert.explain.read_text import GluedToMask, ReadText, as_array, encoder_of, read_for
from kbert.labels import IS_NEXT, IS_RANDOM
from kbert.models.base import KbertModel
from kbert.models.classification import BertForSequenceClassification
from kbert.models.pretraining import (
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)

FIRST_STEPS, MOST_STEPS = 32, 1024
COMPLETE = 5e-3  # of F(x) - F(x'): with that much left over, steps are doubled
FLOAT32 = 1e-5  # of F(x): smaller differences are rounding, and no steps mend them
ROWS_AT_A_TIME = 16
NEXT_SENTENCE = {"IsNext": IS_NEXT, "NotNext": IS_RANDOM}


@dataclass(frozen=True, eq=False)
class Attributions:
    """What each token did for an answer.

    Attributes:
        pieces: the L tokens.
        eojeols: the words between spaces; each special token is one, too.
        eojeol_of: (L,) which of `eojeols` a piece is of.
        target: the answer: a token, or a label's name.
        scores: (L,) each token's share of the difference of logits: above 0 it spoke for the
            answer, below 0 against it. Special tokens are the same in both, and have 0.
        logit: the answer's logit.
        baseline_logit: the same where every ordinary token is [MASK].
        steps: in how many steps the path was taken.
    """

    pieces: list[str]
    eojeols: list[str]
    eojeol_of: np.ndarray
    target: str
    scores: np.ndarray
    logit: float
    baseline_logit: float
    steps: int

    @property
    def gap(self) -> float:
        """What the scores lack of the difference of logits, or have too much: the error."""
        return float(self.scores.sum()) - (self.logit - self.baseline_logit)

    def by_eojeol(self) -> list[tuple[str, float]]:
        """The scores of eojeols, in the text's order: the sums of their pieces'."""
        sums = np.bincount(self.eojeol_of, self.scores, len(self.eojeols))
        return [(name, float(each)) for name, each in zip(self.eojeols, sums, strict=True)]

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _picture(self, "ko").fragment()


def attributions(
    model: KbertModel,
    text: str,
    target: str | int | None = None,
    pair: str | None = None,
    *,
    blank: int = 0,
    glued_to_mask: GluedToMask = "word",
    most_steps: int = MOST_STEPS,
) -> Attributions:
    """Shares an answer's logit out among the words of the text.

    Args:
        model: a `BertForPreTraining`, `BertForMaskedLM`, `BertForSequenceClassification` or
            `BertForNextSentencePrediction` with a tokenizer. One with both heads of pretraining
            is asked for the blank where the text has one, and else whether the pair goes on.
        text: the text.
        target: which answer: a token of the vocabulary or its id, a label's name or its number, or
            "IsNext" or "NotNext"; None is the one that the model gives.
        pair: a second text, or None.
        blank: which [MASK] is asked for, if there are several.
        glued_to_mask: how to read what follows a [MASK] without a space; see `FillMask`.
        most_steps: the path is taken in 32 steps, and in twice as many while the scores lack more
            than 0.5% of the difference that they share out, up to so many.

    Raises:
        KbertError: if the model has no such head, the text no such blank or no word but special
            tokens, or there is no such answer.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=7, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에".split())
        >>> why = kbert.explain.attributions(model, "국회에 [MASK]", target="국회")
        >>> why.pieces, why.scores.shape
        (['[CLS]', '국회', '##에', '[MASK]', '[SEP]'], (5,))
        >>> bool(abs(why.gap) <= 1e-2 * abs(why.logit - why.baseline_logit))
        True
    """
    whole_number("most_steps", most_steps, 1)
    read = read_for(model, text, pair, glued_to_mask=glued_to_mask)
    encoder = encoder_of(model)
    assert encoder.tokenizer is not None  # `read_for` used it
    head, position = _question(model, read, blank, pair)
    ordinary = ~np.isin(read.ids, encoder.tokenizer.special_ids)  # (L,)
    if not ordinary.any() and encoder.tokenizer.unk_id not in read.ids:
        raise KbertError(
            f"the text {text!r:.80} holds no word: there is nothing that could have made the answer"
        )
    table = as_array(encoder.embeddings.token_table)
    whole = table[read.ids]  # (L, E)
    baseline = np.where(ordinary[:, None], table[encoder.tokenizer.mask_id], whole)
    segments = read.inputs["token_type_ids"][0]

    def logits(vectors):
        return outputs_of(model, vectors, segments, head, position)

    ends = as_array(logits(np.stack([whole, baseline])))  # (2, V) or (2, labels)
    place, name = _answer(model, head, ends[0], target)
    logit, baseline_logit = float(ends[0, place]), float(ends[1, place])

    gradient = gradient_of(lambda vectors: logits(vectors)[:, place])
    steps = FIRST_STEPS
    while True:
        scores = _integrated(gradient, whole, baseline, steps)
        gap = abs(scores.sum() - (logit - baseline_logit))
        enough = max(COMPLETE * abs(logit - baseline_logit), FLOAT32 * max(abs(logit), 1))
        if gap <= enough or 2 * steps > most_steps:
            break
        steps *= 2
    return Attributions(
        read.pieces, read.eojeols, read.eojeol_of, name, scores, logit, baseline_logit, steps
    )


def _integrated(gradient, whole: np.ndarray, baseline: np.ndarray, steps: int) -> np.ndarray:
    """(L,) by Gauss and Legendre's rule, which for smooth curves needs the fewest steps."""
    nodes, shares = np.polynomial.legendre.leggauss(steps)
    times, shares = (nodes + 1) / 2, shares / 2  # (T,) on the way from 0 to 1
    mean = np.zeros(whole.shape)
    for first in range(0, steps, ROWS_AT_A_TIME):
        part = slice(first, first + ROWS_AT_A_TIME)
        path = baseline + times[part, None, None] * (whole - baseline)  # (B, L, E)
        mean += np.tensordot(shares[part], gradient(path.astype(np.float32)), axes=1)
    return ((whole - baseline) * mean).sum(-1)


def _question(
    model: KbertModel, read: ReadText, blank: int, pair: str | None
) -> tuple[str, int | None]:
    """The head that answers, and the position that is asked for."""
    if isinstance(model, BertForSequenceClassification):
        return "classifier", None
    if isinstance(model, BertForNextSentencePrediction):
        return "nsp", None
    if not isinstance(model, BertForMaskedLM | BertForPreTraining):
        raise KbertError(
            "attributions takes a model that fills blanks, classifies, or judges next sentences, "
            f"and not {kind_of(model)}"
        )
    tokenizer = encoder_of(model).tokenizer
    assert tokenizer is not None
    blanks = np.flatnonzero(read.ids == tokenizer.mask_id)
    if not len(blanks) and pair is not None and isinstance(model, BertForPreTraining):
        return "nsp", None
    if not 0 <= whole_number("blank", blank, 0) < len(blanks):
        raise KbertError(
            f"blank is {blank}, and the text has {len(blanks)} {tokenizer.mask_token}, counted "
            "from 0"
        )
    return "mlm", int(blanks[blank])


def _answer(
    model: KbertModel, head: str, logits: np.ndarray, target: str | int | None
) -> tuple[int, str]:
    """The answer's place among the logits, and its name."""
    if head == "mlm":
        tokenizer = encoder_of(model).tokenizer
        assert tokenizer is not None
        names = tokenizer.vocabulary
    else:
        names = [*NEXT_SENTENCE] if head == "nsp" else model.labels
    if target is None:
        place = int(np.argmax(logits[: len(names)]))
    elif isinstance(target, str) and target in names:
        place = names.index(target)
    elif isinstance(target, int) and 0 <= target < len(names):
        place = target
    else:
        known = "a token of the vocabulary" if head == "mlm" else f"one of {', '.join(names)[:200]}"
        raise KbertError(f"target is {known}, or its number, not {target!r:.80}")
    return place, names[place]


def _picture(why: Attributions, language: Language) -> Part:
    words = WORDS[checked(language)]
    largest = float(np.abs(why.scores).max()) or 1.0
    of_word = [score for _, score in why.by_eojeol()]
    strong = max(map(abs, of_word)) or 1.0
    text = " ".join(
        f"<span class=chip {signed(score / strong)}>{escape(name)}"
        f"<small>{score:+.2f}</small></span>"
        for name, score in why.by_eojeol()
    )
    rows = "".join(
        f"<tr><th>{escape(piece)}</th><td class=diverging><span "
        f'style="--share:{abs(score) / largest:.3f}" class={"for" if score >= 0 else "against"}>'
        f"</span></td><td>{score:+.2f}</td></tr>"
        for piece, score in zip(why.pieces, why.scores, strict=True)
    )
    told = words["attributions_sum"].format(
        sum=why.scores.sum(), logit=why.logit, baseline=why.baseline_logit
    )
    body = (
        f"<p>{words['answer']} <b>{escape(why.target)}</b></p><div class=chips>{text}</div>"
        f"<p>{told}</p><table class=bars>{rows}</table>"
    )
    return Part(words["attributions"], words["attributions_note"], body)
