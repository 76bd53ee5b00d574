"""See how a Korean text gets into BERT, in the browser: pieces, what is masked, what is added up.

    python demos/tokens.py
    python demos/tokens.py --model klue/bert-base --vocabulary runs/mine/vocab.txt

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

from typing import NamedTuple

from drawing import chips, empty, framed, note, section
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert
from kbert.text.korean.morphemes import Morphemes

MOST_CHARACTERS = 200
EPOCHS = 20
EXAMPLES = [
    ["아버지가 방에 들어가신다.", ""],
    ["국회의원은 국민의 보통선거에 의하여 선출된다.", ""],
    ["나는 어제 책을 샀다.", "그 책은 재미있다."],
    ["나는 오늘 아침 떡볶이를 먹었다ㅋㅋ", ""],
]


class Pieces(NamedTuple):
    """A text in one vocabulary: its tokens, and how many of them the vocabulary lacks."""

    tokens: list[str]
    unknown: int


def pieces(tokenizer: kbert.Tokenizer, text: str) -> Pieces:
    """The tokens of a text, without [CLS] and [SEP]."""
    tokens = tokenizer.tokenize(text)
    return Pieces(tokens, tokens.count(tokenizer.special_tokens["unk"]))


def letters_of(tokenizer: kbert.Tokenizer) -> kbert.Tokenizer | None:
    """A WordPiece vocabulary of which only single characters are left; None of any other."""
    special = [*tokenizer.special_tokens.values()]
    kept = [
        token
        for token in tokenizer.vocabulary
        if token not in special and len(token.removeprefix("##")) == 1
    ]
    if not any(token.startswith("##") for token in kept):
        return None
    cleaning = ("lowercase", "strip_accents", "split_cjk")
    settings = {name: tokenizer.settings[name] for name in cleaning}
    return kbert.Tokenizer([*special, *kept], special_tokens=tokenizer.special_tokens, **settings)


def draw(
    cut: Pieces, tokenizer: kbert.Tokenizer, title: str, below: str, language: Language
) -> str:
    """The tokens as chips, with their number."""
    unknown = tokenizer.special_tokens["unk"]
    rows = [
        (token, "unknown" if token == unknown else "rest" if token.startswith("##") else "")
        for token in cut.tokens
    ]
    counts = say(
        "pieces_count", language, count=len(rows), size=len(tokenizer), unknown=cut.unknown
    )
    return section(f"{chips(rows)}<p class=counts>{counts}</p>", title, below)


def build(models: Models, language: Language) -> None:
    """The tab."""
    model = models.all[0]
    tokenizer = model.tokenizer
    try:
        morphemes = Morphemes("mecab")
    except kbert.KbertError:
        morphemes = None
    beside, name, told = models.vocabulary, "other_vocabulary", ""
    if beside is None:
        beside, name, told = letters_of(tokenizer), "letters_vocabulary", "letters_note"

    def answer(text: str | None, pair: str | None, unit: str, epoch: float) -> tuple[str, str, str]:
        text, pair = (read(each, language, MOST_CHARACTERS).strip() for each in (text, pair))
        if not text:
            refuse("empty_text", language)
        if len(tokenizer.tokenize(text)) + len(tokenizer.tokenize(pair)) + 3 > model.max_length:
            refuse("too_long_for_model", language, longest=model.max_length)
        own = say("own_vocabulary", language)
        parts = [draw(pieces(tokenizer, text), tokenizer, own, "", language)]
        if beside is not None:
            below = say(told, language) if told else ""
            cut = pieces(beside, text)
            parts.append(draw(cut, beside, say(name, language), below, language))
        if morphemes is None:
            parts.append(note(say("no_morphemes", language)))
        else:
            rows = [(each, "") for each in morphemes.split(text)]
            title, below = say("morphemes", language), say("morphemes_note", language)
            parts.append(section(chips(rows), title, below))
        masked = kbert.explain.masking(tokenizer, text, int(epoch), unit)
        return (
            f'<div class="beside">{"".join(parts)}</div>',
            framed(masked.html(language), say("masking", language)),
            inputs_of(text, pair or None),
        )

    def inputs_of(text: str, pair: str | None) -> str:
        try:
            added = kbert.explain.input_rows(model, text, pair)
        except kbert.KbertError:  # an encoder without BERT's three tables
            return ""
        return framed(added.html(language), say("inputs", language))

    gr.HTML(note(say("tokens_note", language)))
    text = textbox("text", language, EXAMPLES[0][0])
    pair = textbox(
        "second_text",
        language,
        lines=1,
        info=say("tokens_pair_info", language),
    )
    button = gr.Button(say("tokens_button", language), variant="primary")
    box = gr.Column()
    cut = gr.HTML(empty(say("empty_answer", language)))
    units = ["token", "eojeol", *(["morpheme"] if morphemes else [])]
    with gr.Row():
        unit = gr.Radio(
            [(say(f"mask_{each}", language), each) for each in units],
            value="token",
            label=say("mask_unit", language),
            min_width=280,
        )
        epoch = gr.Slider(1, EPOCHS, 1, step=1, label=say("epoch", language), min_width=280)
    masked, added = gr.HTML(), gr.HTML()
    inputs, outputs = [text, pair, unit, epoch], [cut, masked, added]
    with box:
        examples(language, EXAMPLES, [text, pair], answer, inputs, outputs)
    triggers = [button.click, text.submit, unit.input, epoch.release]
    answers("tokens", language, answer, inputs, outputs, triggers)


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("tokens", build)])
