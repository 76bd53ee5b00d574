"""Ask whether one Korean text follows another, in the browser.

    python demos/next_sentence.py
    python demos/next_sentence.py --model runs/mine/model.keras --port 7860

Without --model it takes the newest runs/quickstart*/model.keras.
"""

from app import NOTE, gr, main, read, refuse, textbox

import kbert
from kbert.models.base import KbertModel

EXAMPLES = [
    ["모든 국민은 거주·이전의 자유를 가진다.", "모든 국민은 직업선택의 자유를 가진다."],
    ["모든 국민은 거주·이전의 자유를 가진다.", "이 법은 공포한 날부터 시행한다."],
    ["지방공무원법 일부를 다음과 같이 개정한다.", "이 법은 공포한 날부터 시행한다."],
]


def build(model: KbertModel) -> gr.Blocks:
    next_sentence = kbert.NextSentence(model)
    longest = model.max_length

    def answer(first: str | None, second: str | None) -> dict[str, float]:
        first, second = read(first), read(second)
        if not (first.strip() and second.strip()):
            refuse("비어 있는 글이 있습니다. 두 글을 모두 적어 주세요.")
        try:
            judged = next_sentence(first, second)
        except kbert.KbertError:  # its message quotes the text
            refuse("모델이 읽지 못하는 글자가 있습니다. 글을 다시 적어 주세요.")
        return {"이어짐": judged["next"], "이어지지 않음": judged["random"]}

    with gr.Blocks(title="다음 문장 맞히기 · kbert") as app:
        gr.Markdown(
            "# 다음 문장 맞히기\n"
            "둘째 글이 첫째 글 바로 뒤에 이어지는 글인지, 모델이 확률로 답합니다. 두 글을 합쳐 "
            f"{longest}토큰이 넘으면 긴 글의 뒷부분은 읽지 않습니다.\n\n{NOTE}"
        )
        first = textbox("첫째 글", value=EXAMPLES[0][0])
        second = textbox("둘째 글", value=EXAMPLES[0][1])
        gr.Examples(EXAMPLES, [first, second], label="보기")
        button = gr.Button("이어지는지 보기", variant="primary")
        label = gr.Label(label="답")
        gr.on(
            [button.click, first.submit, second.submit],
            answer,
            [first, second],
            label,
            api_name="next_sentence",
        )
    return app


if __name__ == "__main__":
    main(__doc__.split("\n")[0], build)
