"""Fill in the blanks of a Korean text, in the browser.

    python demos/fill_mask.py
    python demos/fill_mask.py --model runs/mine/model.keras --port 7860

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

import re
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from drawing import Bar, bars, empty, note, percent
from models import Models
from reasons import reasons
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert
from kbert.pipelines.unknown_words import unknown_words

MOST_BLANKS = 8
TOP = 5
# What the model at hand answers well is shown, of these: a text, and words that fill it well.
CANDIDATES = (
    ("대한민국의 수도는 [MASK]이다.", ("서울",)),
    ("세종대왕은 [MASK]의 왕이다.", ("조선",)),
    ("겨울이 지나고 따뜻한 [MASK]이 왔다.", ("봄",)),
    ("그는 대학교를 [MASK]하고 회사에 들어갔다.", ("졸업",)),
    ("지구는 [MASK] 주위를 돈다.", ("태양",)),
    ("그는 미국의 야구 [MASK]이다.", ("선수",)),
    ("이 팀은 결승전에서 [MASK]를 거두었다.", ("승리", "우승")),
    ("선수들은 경기에 [MASK]했다.", ("참가", "출전", "참여")),
    ("그는 선거에서 대통령으로 [MASK]되었다.", ("선출", "당선")),
    ("이 영화는 2010년에 [MASK]되었다.", ("제작", "개봉", "공개")),
    ("제1차 세계 [MASK]은 1914년에 시작되었다.", ("대전",)),
    ("그는 올림픽에서 금메달을 [MASK]했다.", ("획득", "차지")),
    ("함수는 값을 [MASK]합니다.", ("반환",)),
    ("국회는 [MASK]을 의결한다.", ("법률안", "예산안", "예산", "법률")),
    ("모든 [MASK] 법 앞에 평등하다.", ("국민은", "국민", "사람은")),
    ("이 법은 공포한 [MASK] 시행한다.", ("날부터", "날")),
    ("대통령은 법률이 정하는 [MASK]에 의하여 국군을 통수한다.", ("바",)),
)
TWO_BLANKS = "이 영화는 [MASK]년에 [MASK]되었다."


class Filled(NamedTuple):
    """The answers to a text, blank by blank.

    Attributes:
        blanks: of each blank, `FillMask`'s answers.
        together: answers for all blanks at once; none where there is only one.
        looked_at: of each blank, which words it took most from, and their shares.
        unknown: words that the vocabulary lacks.
    """

    blanks: list[list[dict[str, Any]]]
    together: list[dict[str, Any]]
    looked_at: list[list[tuple[str, float]]]
    unknown: list[str]


class Filler:
    """Fills blanks, with either reading of what is glued to them."""

    def __init__(self, model: Any):
        self.model = model
        self.pipelines = {
            glued: kbert.FillMask(model, glued_to_mask=glued) for glued in ("continuation", "word")
        }
        self.tokenizer = self.pipelines["word"].tokenizer
        self.mask = self.tokenizer.mask_token

    def __call__(
        self,
        text: str,
        unit: Literal["eojeol", "token"] = "token",
        agree: bool = False,
        glued: Literal["continuation", "word"] = "continuation",
    ) -> Filled:
        """Answers a text, in which [MASK] is written for a blank whatever the vocabulary has."""
        asked = text.replace("[MASK]", self.mask)
        fill_mask, whole = self.pipelines[glued], unit == "eojeol"
        found = fill_mask(asked, unit=unit, agree=whole and agree, top_k=TOP)
        one = asked.count(self.mask) == 1
        together = [] if one or whole else fill_mask.together(asked, top_k=3)
        return Filled(
            [found] if one else found,
            together,
            self._looked_at(asked, "continuation" if whole else glued),
            unknown_words(self.tokenizer, [asked], TOP),
        )

    def _looked_at(
        self, text: str, glued: Literal["continuation", "word"]
    ) -> list[list[tuple[str, float]]]:
        """Of each blank the words that it looked at; special tokens and its own are left out."""
        seen = kbert.explain.attention(self.model, text, glued_to_mask=glued)
        special = {*self.tokenizer.special_tokens.values()} - {self.mask}
        weights = seen.weights.mean(axis=(0, 1))  # (L, L)
        found = []
        for place in [i for i, piece in enumerate(seen.pieces) if piece == self.mask]:
            by_eojeol = np.bincount(seen.eojeol_of, weights[place], len(seen.eojeols))  # (W,)
            others = [
                (name, float(by_eojeol[i]))
                for i, name in enumerate(seen.eojeols)
                if i != seen.eojeol_of[place] and name not in special
            ]
            found.append(sorted(others, key=lambda each: -each[1])[:TOP])
        return found


@cache  # for both languages
def good_examples(fill: Filler, most: int = 4) -> list[str]:
    """Texts of `CANDIDATES` that the model fills well; where there are too few, others too."""
    scored = []
    for place, (text, wanted) in enumerate(CANDIDATES):
        try:
            found = fill(text).blanks[0]
        except kbert.KbertError:  # too long for the model
            continue
        ranks = [rank for rank, answer in enumerate(found) if answer["token_str"] in wanted]
        scored.append((min(ranks, default=TOP), place, text))
    return [text for _, _, text in sorted(scored)[:most]]


def draw(filled: Filled, whole: bool, mask: str, language: Language) -> str:
    """The answers as bars."""
    parts = []
    if filled.unknown:
        parts.append(note(say("unknown_words", language, words=", ".join(filled.unknown))))
    if filled.together:
        rows = [
            Bar(
                " · ".join(each["token_strs"]),
                each["score"],
                percent(each["score"]),
                each["sequence"],
            )
            for each in filled.together
        ]
        parts.append(bars(rows, say("together", language)))
    # One scale for all bars: a share is as long as it is, and the best whole word of the text full.
    best = max((blank[0]["score"] for blank in filled.blanks if blank and whole), default=1.0)
    for number, guesses in enumerate(filled.blanks, 1):
        rows = [
            Bar(
                guess["token_str"],
                guess["score"] / best if best else 0.0,
                "" if whole else percent(guess["score"]),
                guess["sequence"].replace(mask, "[MASK]"),
            )
            for guess in guesses
        ]
        one = len(filled.blanks) == 1
        title = say("blank_one", language) if one else say("blank", language, number=number)
        pieces = any(guess["token_str"].startswith("##") for guess in guesses)
        below = say("score_note", language) if whole else say("piece_note", language) * pieces
        parts.append(bars(rows, title, below))
        looked = filled.looked_at[number - 1]
        rest = 100 * max(0.0, 1 - sum(share for _, share in looked))
        rows = [Bar(word, share, percent(share)) for word, share in looked]
        if rows:
            told = say("looked_at_note", language, rest=rest)
            parts.append(bars(rows, say("looked_at", language), told))
    return "".join(parts)


def build(models: Models, language: Language) -> None:
    """The tab."""
    gr.HTML(note(say("fill_mask_note", language)))
    fill = models.first(Filler)
    if fill is None:
        gr.HTML(empty(say("no_mlm", language)))
        return

    def answer(text: str | None, unit: str, agree: bool, glued: str) -> str:
        text = read(text, language)
        count = text.count("[MASK]")
        if not count:
            refuse("no_blank", language)
        if count > MOST_BLANKS:
            refuse("too_many_blanks", language, count=count, most=MOST_BLANKS)
        whole = unit == "eojeol"
        if whole and re.search(r"(\w|\[MASK\])\[MASK\]", text):
            refuse("glued_blank", language)
        try:
            filled = fill(text, unit, agree, glued)
        except kbert.KbertError:  # its message quotes the text
            refuse("too_long_for_model", language, longest=fill.model.max_length)
        return draw(filled, whole, fill.mask, language)

    shown = good_examples(fill)
    with gr.Row(equal_height=False):
        with gr.Column():
            text = textbox("text", language, shown[0] if shown else "")
            unit = gr.Radio(
                [(say(f"unit_{each}", language), each) for each in ("token", "eojeol")],
                value="token",
                label=say("unit", language),
            )
            with gr.Accordion(say("more", language), open=False):
                agree = gr.Checkbox(label=say("agree", language), info=say("agree_info", language))
                glued = gr.Radio(
                    [(say(f"glued_{each}", language), each) for each in ("continuation", "word")],
                    value="continuation",
                    label=say("glued", language),
                    info=say("glued_info", language),
                )
            button = gr.Button(say("fill_mask_button", language), variant="primary")
            box = gr.Column()
        with gr.Column():
            shown_answer = gr.HTML(empty(say("empty_answer", language)))
            reasons("fill_mask", fill.model, language, [text])
    inputs, outputs = [text, unit, agree, glued], [shown_answer]
    with box:
        samples = [[each] for each in [*shown, TWO_BLANKS]]
        examples(language, samples, [text], answer, inputs, outputs)
    answers("fill_mask", language, answer, inputs, outputs, [button.click, text.submit])


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("fill_mask", build)])
