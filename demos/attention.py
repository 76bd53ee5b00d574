"""See what each word of a Korean text looks at in BERT, in the browser.

    python demos/attention.py
    python demos/attention.py --model klue/bert-base

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

from drawing import empty, framed, note
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert

EXAMPLES = [
    ["길 아래에서 온 개가 나에게 달려와서 [MASK]", ""],
    ["대통령은 국가의 원수이며, 외국에 대하여 국가를 대표한다.", ""],
    ["그는 은행에 가서 돈을 찾았다.", "그 돈으로 책을 샀다."],
]


def build(models: Models, language: Language) -> None:
    """The tab."""
    model = models.all[0]

    def answer(text: str | None, pair: str | None) -> str:
        text, pair = read(text, language).strip(), read(pair, language).strip()
        if not text:
            refuse("empty_text", language)
        mask = model.tokenizer.mask_token
        text, pair = text.replace("[MASK]", mask), pair.replace("[MASK]", mask)
        try:
            seen = kbert.explain.attention(model, text, pair or None)
        except kbert.KbertError:  # its message quotes the text
            refuse("too_long_for_model", language, longest=model.max_length)
        return framed(seen.html(language), say("attention", language))

    gr.HTML(note(say("attention_note", language)))
    text = textbox("text", language, EXAMPLES[0][0])
    pair = textbox("second_text", language, lines=1)
    button = gr.Button(say("attention_button", language), variant="primary")
    box = gr.Column()
    picture = gr.HTML(empty(say("empty_answer", language)))
    with box:
        examples(language, EXAMPLES, [text, pair], answer, [text, pair], [picture])
    triggers = [button.click, text.submit, pair.submit]
    answers("attention", language, answer, [text, pair], [picture], triggers)


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("attention", build)])
