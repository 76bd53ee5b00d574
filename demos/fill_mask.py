"""Fill in the blanks of a Korean text, in the browser.

    python demos/fill_mask.py
    python demos/fill_mask.py --model runs/mine/model.keras --port 7860

Without --model it takes the newest runs/quickstart*/model.keras.
"""

import re
from typing import Literal

from app import NOTE, gr, main, read, refuse, textbox

import kbert
from kbert.models.base import KbertModel

EXAMPLES = [
    "국회는 [MASK]을 의결한다.",
    "모든 [MASK] 법 앞에 평등하다.",
    "이 법은 공포한 [MASK] 시행한다.",
    "대통령은 법률이 정하는 바에 [MASK] 국군을 통수한다.",
]
COLUMNS = ["빈칸", "순위", "낱말", "확률 (%)", "채운 문장"]
TYPES = ["number", "number", "str", "number", "str"]  # "str" is shown as it is, not as HTML
WIDTHS = ["12%", "12%", "18%", "16%", "42%"]


def build(model: KbertModel) -> gr.Blocks:
    pipelines = {
        glued: kbert.FillMask(model, glued_to_mask=glued) for glued in ("continuation", "word")
    }
    longest, mask = model.max_length, pipelines["word"].tokenizer.mask_token

    def answer(
        text: str | None,
        unit: Literal["eojeol", "token"],
        agree: bool,
        glued_to_mask: Literal["continuation", "word"],
    ) -> list[list]:
        text = read(text)
        if "[MASK]" not in text:
            refuse("글에 빈칸이 없습니다. 알아맞힐 자리에 [MASK]라고 적어 주세요.")
        whole = unit == "eojeol"
        if whole and re.search(r"(\w|\[MASK\])\[MASK\]", text):
            refuse("어절은 띄어 쓴 빈칸에만 채웁니다. [MASK] 앞을 띄우거나 토큰으로 채워 주세요.")
        try:
            asked = text.replace("[MASK]", mask)
            answers = pipelines[glued_to_mask](asked, unit=unit, agree=whole and agree)
        except kbert.KbertError:  # its message quotes the text
            refuse(f"이 모델이 읽기에는 너무 긴 글입니다. {longest}토큰 이내로 줄여 주세요.")
        blanks = [answers] if text.count("[MASK]") == 1 else answers
        return [
            [
                blank,
                rank,
                guess["token_str"],
                # The score of a whole word orders words; as a percentage it would mislead.
                "" if whole else round(100 * guess["score"], 2),
                guess["sequence"].replace(mask, "[MASK]"),
            ]
            for blank, guesses in enumerate(blanks, 1)
            for rank, guess in enumerate(guesses, 1)
        ]

    with gr.Blocks(title="빈칸 채우기 · kbert") as app:
        gr.Markdown(
            "# 빈칸 채우기\n"
            "글에서 알아맞힐 자리에 `[MASK]`라고 적으면, 그 자리에 올 말을 모델이 그럴듯한 것부터 "
            "답합니다. 토큰으로 채우면 확률도 보여 줍니다. `##`로 시작하는 답은 앞말에 붙는 "
            f"조각입니다. 한 번에 {longest}토큰까지 읽습니다.\n\n{NOTE}"
        )
        text = textbox("글", value=EXAMPLES[0])
        with gr.Row():
            unit = gr.Radio(
                [("어절 (한 조각에서 네 조각까지)", "eojeol"), ("토큰 (한 조각)", "token")],
                value="token",
                label="빈칸에 채울 것",
            )
            agree = gr.Checkbox(
                label="조사를 맞추어 쓰기",
                info="어절을 채울 때 은/는, 이/가, 을/를, 으로/로 따위를 앞말에 맞춥니다.",
            )
        glued_to_mask = gr.Radio(
            [("앞말에 이어지는 조각으로 (##은)", "continuation"), ("새 낱말로 (은)", "word")],
            value="continuation",
            label="[MASK]에 붙은 글자를 읽는 법",
            info="예를 들어 ‘[MASK]은’의 ‘은’입니다. 어절을 채울 때에는 늘 이어지는 조각입니다.",
        )
        gr.Examples([[example] for example in EXAMPLES], [text], label="보기")
        button = gr.Button("빈칸 채우기", variant="primary")
        table = gr.Dataframe(
            headers=COLUMNS,
            datatype=TYPES,
            column_widths=WIDTHS,
            label="답",
            interactive=False,
            wrap=True,
        )
        gr.on(
            [button.click, text.submit],
            answer,
            [text, unit, agree, glued_to_mask],
            table,
            api_name="fill_mask",
        )
    return app


if __name__ == "__main__":
    main(__doc__.split("\n")[0], build)
