"""Which words made an answer: a button below the answer, in the tabs whose models can be asked."""

from typing import Any

from drawing import framed
from serve import answers, gr, read, refuse
from texts import Language, say

import kbert
from kbert.models.base import KbertModel

MOST_CHARACTERS = 200  # the text is read 64 times, and backwards, too
STEPS = 64


def reasons(name: str, model: KbertModel, language: Language, boxes: list[Any]) -> None:
    """The button, and the picture below it.

    Args:
        name: the tab's.
        model: what answers there.
        language: of the page.
        boxes: one with the text or, of a classifier, two with a pair.
    """
    mask = model.tokenizer.mask_token

    def why(text: str | None, pair: str | None = None) -> str:
        text, pair = (read(each, language, MOST_CHARACTERS).strip() for each in (text, pair))
        if not text:
            refuse("empty_text", language)
        asked = [each.replace("[MASK]", mask) for each in (text, pair)]
        blank = hasattr(model, "mlm")
        if blank and mask not in asked[0]:
            refuse("no_blank", language)
        options = {"glued_to_mask": "continuation", "most_steps": STEPS}
        try:
            made = kbert.explain.attributions(model, asked[0], None, asked[1] or None, **options)
        except kbert.KbertError:  # its message quotes the text
            refuse("too_long_for_model", language, longest=model.max_length)
        return framed(made.html(language), say("reasons", language))

    gr.HTML(f'<p class="kbert-note">{say("reasons_note", language)}</p>')
    button = gr.Button(say("reasons", language), variant="secondary")
    picture = gr.HTML()
    for box in boxes:  # reasons of another text are none of this one's
        box.change(None, None, picture, js="() => ''", api_visibility="private")
    answers(f"{name}_reasons", language, why, boxes, [picture], [button.click])
