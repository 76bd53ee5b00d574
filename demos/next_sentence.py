"""Ask whether one Korean text follows another, in the browser.

    python demos/next_sentence.py
    python demos/next_sentence.py --model runs/mine/model.keras --port 7860

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

from functools import cache
from typing import Any

from drawing import Bar, bars, empty, note, percent
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert

MOST_LINES = 10
# What the model at hand gets right is shown, of these: a text, and what follows it first.
CANDIDATES = (
    ("이 영화는 정말 재미있었다.", "배우들의 연기가 좋았다.",
     "설치가 끝나면 서버를 다시 시작하세요."),
    ("오늘은 비가 많이 왔다.", "그래서 우산을 쓰고 나갔다.", "피고인의 항소를 기각한다."),
    ("나는 어제 서점에 가서 책을 한 권 샀다.", "그 책은 아주 재미있어서 밤늦게까지 읽었다.",
     "이 지역의 연평균 기온은 섭씨 12도이다."),
    ("그는 1995년 서울에서 태어났다.", "2014년 대학교에 입학하여 경제학을 공부했다.",
     "이 식물은 주로 바닷가의 모래땅에서 자란다."),
    ("조선은 1392년 이성계가 세운 나라이다.", "수도는 한양으로 옮겼다.",
     "이 앨범은 발매 첫 주에 차트 1위에 올랐다."),
    ("대한민국은 민주공화국이다.",
     "대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.",
     "이 법은 공포한 날부터 시행한다."),
    ("모든 국민은 거주·이전의 자유를 가진다.", "모든 국민은 직업선택의 자유를 가진다.",
     "이 법은 공포한 날부터 시행한다."),
    ("대통령의 임기는 5년으로 하며, 중임할 수 없다.",
     "대통령의 임기가 만료되는 때에는 임기만료 70일 내지 40일전에 후임자를 선거한다.",
     "지방공무원법 일부를 다음과 같이 개정한다."),
)  # fmt: skip


def rank(next_sentence: kbert.NextSentence, first: str, lines: list[str]) -> list[dict[str, Any]]:
    """The candidates with the probability that each follows, the likeliest first."""
    return next_sentence.rank(first, lines)


@cache  # for both languages
def good_examples(next_sentence: kbert.NextSentence, most: int = 3) -> list[list[str]]:
    """Texts of `CANDIDATES` that the model judges rightly first: a text, and its candidates."""
    scored = []
    for place, (first, follows, other) in enumerate(CANDIDATES):
        of = {each["text"]: each["next"] for each in rank(next_sentence, first, [follows, other])}
        right = of[follows] > 0.5 > of[other]
        scored.append((not right, of[other] - of[follows], place))
    chosen = [CANDIDATES[place] for _, _, place in sorted(scored)[:most]]
    return [[first, f"{other}\n{follows}"] for first, follows, other in chosen]


def draw(ranked: list[dict[str, Any]], language: Language) -> str:
    """One candidate as two bars, several as a ranking."""
    if len(ranked) == 1:
        share = ranked[0]["next"]
        named = (("is_next", share), ("is_random", 1 - share))
        return bars([Bar(say(name, language), each, percent(each)) for name, each in named])
    rows = [Bar(each["text"], each["next"], percent(each["next"])) for each in ranked]
    return bars(rows, say("ranked", language), say("ranked_note", language))


def build(models: Models, language: Language) -> None:
    """The tab."""
    gr.HTML(note(say("next_sentence_note", language)))
    next_sentence = models.first(kbert.NextSentence)
    if next_sentence is None:
        gr.HTML(empty(say("no_nsp", language)))
        return

    def answer(first: str | None, second: str | None) -> str:
        first, second = read(first, language), read(second, language)
        lines = [line.strip() for line in second.splitlines() if line.strip()]
        if not (first.strip() and lines):
            refuse("empty_pair", language)
        if len(lines) > MOST_LINES:
            refuse("too_many_lines", language, count=len(lines), most=MOST_LINES)
        return draw(rank(next_sentence, first, lines), language)

    shown = good_examples(next_sentence)
    with gr.Row(equal_height=False):
        with gr.Column():
            first = textbox("first_text", language, shown[0][0])
            second = textbox("candidates", language, shown[0][1], lines=4)
            button = gr.Button(say("next_sentence_button", language), variant="primary")
            box = gr.Column()
        with gr.Column():
            answered = gr.HTML(empty(say("empty_answer", language)))
    with box:
        examples(language, shown, [first, second], answer, [first, second], [answered])
    triggers = [button.click, first.submit]
    answers("next_sentence", language, answer, [first, second], [answered], triggers)


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("next_sentence", build)])
