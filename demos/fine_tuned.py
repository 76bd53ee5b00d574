"""Ask fine-tuned Korean BERTs in the browser: labels of texts, names in them, answers from them.

    python demos/fine_tuned.py --model runs/reviews/model.keras --model runs/names/model.keras
    python demos/fine_tuned.py --model runs/reader/model.keras --port 7860

Each model does what its head has learnt; recipes/finetune.py trains them.
"""

from collections.abc import Callable
from typing import Any

from drawing import Bar, bars, empty, marked, note, percent, section
from models import Models
from reasons import reasons
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import TEXTS, Language, say

import kbert
from kbert.models.base import KbertModel

MOST_LABELS = 10
MOST_CONTEXT = 3000
COMMANDS = {  # the first works at once, with what comes with kbert
    "classify": "--train docs/reviews.csv --text 리뷰 --label 감정 --model kbert-mini-ko",
    "tag": "--task klue-ner --data klue/ --model klue/bert-base",
    "answer": "--task klue-mrc --data klue/ --model klue/bert-base",
}
OPENED = "python demos/app.py --model kbert-mini-ko --model runs/finetune/model.keras"
REVIEWS = [
    ["배우들 연기가 훌륭하고 이야기도 재미있었어요.", ""],
    ["두 시간이 아까웠다. 지루하고 뻔하다.", ""],
    ["정부, 내년 예산안 국회에 제출", ""],
]
NAMES = [
    ["이순신은 1545년 4월 28일 서울에서 태어났다."],
    ["유희열이 진행하는 KBS 프로그램에 가수 아이유가 나왔다."],
]
QUESTIONS = [
    [
        "훈민정음은 누가 만들었나요?",
        "훈민정음은 조선의 제4대 왕 세종이 1443년에 만들어 1446년에 반포한 글자이다. "
        "오늘날에는 한글이라고 부른다.",
    ],
    [
        "대통령의 임기는 몇 년인가요?",
        "대통령은 국민의 보통·평등·직접·비밀선거에 의하여 선출한다. "
        "대통령의 임기는 5년으로 하며, 중임할 수 없다.",
    ],
]


def draw_labels(answer: dict[str, Any], language: Language) -> str:
    """What a `TextClassifier` answers: a bar for each label, or a number."""
    if "scores" not in answer:  # regression
        return section(f"<p class=big>{answer['score']:.2f}</p>", say("score", language))
    named = list(answer["scores"].items())[:MOST_LABELS]
    return bars([Bar(name, share, percent(share)) for name, share in named])


def draw_names(
    text: str, found: list[dict[str, Any]], labels: list[str], language: Language
) -> str:
    """What a `TokenClassifier` finds, in colour in the text."""
    if not found:
        return note(say("no_entities", language))
    kinds = list(dict.fromkeys(label.partition("-")[2] or label for label in labels))  # of B-PS: PS
    spans = []
    for each in found:
        label = each["label"]
        if label:
            key, kind = f"entity_{label}", kinds.index(label) % 6 if label in kinds else 0
            told = say(key, language) if key in TEXTS else label
            spans.append((each["start"], each["end"], told, f"kind{kind}"))
    return section(marked(text, spans))


def draw_answers(context: str, found: list[dict[str, Any]]) -> str:
    """The best answer in its text, and the others as bars."""
    best = found[0]
    span = [(best["start"], best["end"], "", "kind0")]
    rows = [Bar(each["answer"], each["score"], percent(each["score"])) for each in found]
    return bars(rows) + section(marked(context, span))


def build(models: Models, language: Language) -> None:
    """The tab."""
    gr.HTML(note(say("fine_tuned_note", language)))
    with gr.Tabs(overflow_behavior="wrap"):
        for name, make, fill in (
            ("classify", kbert.TextClassifier, _classify),
            ("tag", kbert.TokenClassifier, _tag),
            ("answer", kbert.QuestionAnswering, _answer),
        ):
            with gr.Tab(say(name, language), id=name):
                pipeline = models.first(make)
                if pipeline is None:
                    told = note(say("no_head", language)) + note(say(f"no_{name}", language))
                    command = f"python recipes/finetune.py {COMMANDS[name]}\n{OPENED}"
                    gr.HTML(f"{told}<pre>{command}</pre>")
                else:
                    fill(pipeline, language)


def _classify(classifier: kbert.TextClassifier, language: Language) -> None:
    def answer(text: str | None, pair: str | None) -> str:
        text, pair = read(text, language), read(pair, language)
        if not text.strip():
            refuse("empty_text", language)
        return draw_labels(classifier(text, pair if pair.strip() else None), language)

    boxes = [
        textbox("text", language, REVIEWS[0][0], render=False),
        textbox("pair_text", language, lines=1, render=False),
    ]
    _ask("classify", language, boxes, answer, REVIEWS, classifier.model)


def _tag(tagger: kbert.TokenClassifier, language: Language) -> None:
    def answer(text: str | None) -> str:
        text = read(text, language)
        if not text.strip():
            refuse("empty_text", language)
        return draw_names(text, tagger(text), tagger.model.labels, language)

    box = textbox("text", language, NAMES[0][0], render=False)
    _ask("tag", language, [box], answer, NAMES)


def _answer(reader: kbert.QuestionAnswering, language: Language) -> None:
    def answer(question: str | None, context: str | None) -> str:
        question, context = read(question, language), read(context, language, MOST_CONTEXT)
        if not (question.strip() and context.strip()):
            refuse("empty_pair", language)
        return draw_answers(context, reader(question, context, top_k=3))

    boxes = [
        textbox("question", language, QUESTIONS[0][0], lines=1, render=False),
        textbox("context", language, QUESTIONS[0][1], 6, render=False),
    ]
    _ask("answer", language, boxes, answer, QUESTIONS)


def _ask(
    name: str,
    language: Language,
    boxes: list[gr.Textbox],
    answer: Callable[..., str],
    samples: list[list[str]],
    model: KbertModel | None = None,
) -> None:
    """The boxes, a button, the examples, and beside them where the answer comes."""
    with gr.Row(equal_height=False):
        with gr.Column():
            for box in boxes:
                box.render()
            button = gr.Button(say(f"{name}_button", language), variant="primary")
            below = gr.Column()
        with gr.Column():
            answered = gr.HTML(empty(say("empty_answer", language)))
            if model is not None:
                reasons(name, model, language, boxes)
    with below:
        examples(language, samples, boxes, answer, boxes, [answered])
    answers(name, language, answer, boxes, [answered], [button.click, boxes[0].submit])


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("fine_tuned", build)])
