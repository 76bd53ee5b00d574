"""See how the vector of a Korean word depends on its sentence, in the browser.

    python demos/contexts.py
    python demos/contexts.py --model klue/bert-base

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

from drawing import empty, framed, note
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert
from kbert.explain.read_text import encoder_of

MOST_LINES = 10
MOST_CHARACTERS = 200  # every token is a row of the picture
WORDS = [
    [
        "배",
        "배를 타고 섬으로 갔다.\n배가 고파서 밥을 먹었다.\n배를 타고 강을 건넜다.\n"
        "배가 아파서 병원에 갔다.",
    ],
    [
        "눈",
        "겨울에는 눈이 많이 온다.\n그는 눈을 감고 생각했다.\n밤새 눈이 내렸다.\n"
        "눈이 나빠서 안경을 썼다.",
    ],
    [
        "말",
        "그는 말을 타고 달렸다.\n그는 말을 하지 않았다.\n기수가 말에 올랐다.\n"
        "그 사람의 말은 사실이다.",
    ],
]
TEXTS = [["길 아래에서 온 개가 나에게 달려왔다."], ["대한민국의 수도는 서울이다."]]


def build(models: Models, language: Language) -> None:
    """The tab."""
    model = models.all[0]
    layers = len(encoder_of(model).layers_in_order)

    def compare(word: str | None, sentences: str | None, layer: int) -> str:
        word, sentences = read(word, language).strip(), read(sentences, language)
        lines = [line.strip() for line in sentences.splitlines() if line.strip()]
        if not word:
            refuse("empty_text", language)
        if len(lines) > MOST_LINES:
            refuse("too_many_lines", language, count=len(lines), most=MOST_LINES)
        if len(lines) < 2:
            refuse("too_few_lines", language)
        lacking = [number for number, line in enumerate(lines, 1) if word not in line]
        if lacking:
            refuse("word_not_there", language, number=lacking[0])
        try:
            seen = kbert.explain.contextual(model, word, lines, layer)
        except kbert.KbertError:  # its message quotes the text
            refuse("too_long_for_model", language, longest=model.max_length)
        return framed(seen.html(language), say("contextual", language))

    def follow(text: str | None) -> str:
        text = read(text, language, MOST_CHARACTERS).strip()
        if not text:
            refuse("empty_text", language)
        try:
            seen = kbert.explain.layers(model, text)
        except kbert.KbertError:
            refuse("too_long_for_model", language, longest=model.max_length)
        return framed(seen.html(language), say("through_layers", language))

    gr.HTML(note(say("contexts_note", language)))
    with gr.Tabs(overflow_behavior="wrap"):
        with gr.Tab(say("contextual", language)), gr.Row(equal_height=False):
            with gr.Column():
                word = textbox("word", language, WORDS[0][0], lines=1)
                sentences = textbox("word_sentences", language, WORDS[0][1], lines=4)
                layer = gr.Slider(0, layers, layers, step=1, label=say("after_layer", language))
                button = gr.Button(say("similarity_button", language), variant="primary")
                box = gr.Column()
            with gr.Column():
                picture = gr.HTML(empty(say("empty_answer", language)))
            inputs = [word, sentences, layer]
            with box:
                examples(language, WORDS, inputs[:2], compare, inputs, [picture])
            triggers = [button.click, word.submit, layer.release]
            answers("contextual", language, compare, inputs, [picture], triggers)
        with gr.Tab(say("through_layers", language)):
            text = textbox("text", language, TEXTS[0][0])
            button = gr.Button(say("layers_button", language), variant="primary")
            box = gr.Column()
            picture = gr.HTML(empty(say("empty_answer", language)))
            with box:
                examples(language, TEXTS, [text], follow, [text], [picture])
            triggers = [button.click, text.submit]
            answers("layers", language, follow, [text], [picture], triggers)


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("contexts", build)])
