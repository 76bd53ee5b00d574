"""Follow one attention head of BERT, number by number, in the browser.

    python demos/neurons.py
    python demos/neurons.py --model klue/bert-base

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

from functools import cache
from typing import Any

import numpy as np
from drawing import empty, framed, note
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert
from kbert.explain.read_text import bert_of
from kbert.models.base import KbertModel

MOST_CHARACTERS = 200  # every token is a row of the picture
EXAMPLES = [["길 아래에서 온 개가 나에게 달려와서 [MASK]"], ["대한민국의 수도는 서울이다."]]


def places(tokenizer: kbert.Tokenizer, text: str) -> list[str]:
    """The tokens of a text as they are chosen: "0 [CLS]", "1 대한민국", ..."""
    ids = tokenizer(text.replace("[MASK]", tokenizer.mask_token))["input_ids"][0]
    return [f"{i} {tokenizer.token(int(index))}" for i, index in enumerate(ids)]


def place_of(chosen: object, there: list[str]) -> int:
    """Which token was chosen; of a text that has changed since then, [MASK] or the second token."""
    if isinstance(chosen, str) and chosen in there:
        return there.index(chosen)
    blanks = [i for i, name in enumerate(there) if "mask" in name.lower()]
    return blanks[0] if blanks else min(1, len(there) - 1)


@cache  # for both languages
def head_of_interest(model: KbertModel, text: str, place: int) -> tuple[int, int]:
    """The layer and head whose token at `place` looks most at several words.

    Many heads look at one token alone, at [CLS], [SEP], the token itself or the one before.
    """
    try:
        seen = kbert.explain.attention(model, text)
    except kbert.KbertError:  # layers with unequal heads
        return 0, 0
    taken = np.delete(seen.weights[:, :, place], [0, place, -1], axis=-1)  # (layers, heads, L - 3)
    several = taken.sum(-1) - taken.max(-1, initial=0)
    layer, head = np.unravel_index(several.argmax(), several.shape)
    return int(layer), int(head)


def build(models: Models, language: Language) -> None:
    """The tab."""
    gr.HTML(note(say("neurons_note", language)))
    model = models.first(bert_of)
    if model is None:
        gr.HTML(empty(say("no_neurons", language)))
        return
    layers = model.encoder_layers
    heads = layers[0].self_attention.num_attention_heads

    def answer(text: str | None, token: object, layer: int, head: int) -> tuple[str, Any]:
        text = read(text, language, MOST_CHARACTERS).strip()
        if not text:
            refuse("empty_text", language)
        there = places(model.tokenizer, text)
        if len(there) > model.max_length:
            refuse("too_long_for_model", language, longest=model.max_length)
        place = place_of(token, there)
        view = kbert.explain.neuron_view(
            model, text.replace("[MASK]", model.tokenizer.mask_token), layer, head, place
        )
        picture = framed(view.html(language), say("neurons", language))
        return picture, gr.Dropdown(choices=there, value=there[place])

    start = places(model.tokenizer, EXAMPLES[0][0])
    place = place_of(None, start)
    asked = EXAMPLES[0][0].replace("[MASK]", model.tokenizer.mask_token)
    first = head_of_interest(model, asked, place)
    text = textbox("text", language, EXAMPLES[0][0])
    with gr.Row():
        token = gr.Dropdown(
            start,
            value=start[place],
            allow_custom_value=True,  # the choices change with the text
            label=say("token", language),
            min_width=200,
        )
        layer, head = (
            gr.Dropdown([*range(count)], value=value, label=say(key, language), min_width=200)
            for key, count, value in (("layer", len(layers), first[0]), ("head", heads, first[1]))
        )
    button = gr.Button(say("neurons_button", language), variant="primary")
    box = gr.Column()
    picture = gr.HTML(empty(say("empty_answer", language)))
    inputs, outputs = [text, token, layer, head], [picture, token]
    with box:
        examples(language, EXAMPLES, [text], answer, inputs, outputs)
    triggers = [button.click, text.submit, token.input, layer.input, head.input]
    answers("neurons", language, answer, inputs, outputs, triggers)


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("neurons", build)])
