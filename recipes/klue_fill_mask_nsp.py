"""The Korean BERT lecture's two examples: fill a mask, judge a pair of sentences.

    python recipes/klue_fill_mask_nsp.py                          # klue/bert-base, from the Hub
    python recipes/klue_fill_mask_nsp.py --model folder           # any checkpoint on this disk

The base model is a download of 445 MB on the first run, and as much in memory. What klue/bert-base
gives in transformers 4, as published by people who ran the lecture's code:

    축구는 정말 재미있는 [MASK]다.
        스포츠 .89635  거 .02596  경기 .01003  축구 .00792  놀이 .00784
    2002년 월드컵 ... / 여행을 가보니 ...    next .99989  random .00011  -> 0, it follows
    2002년 월드컵 ... / 극장가서 로맨스 ...  next .00035  random .99965  -> 1, it does not

With klue/bert-base the differences to these numbers are printed, too.
"""

import argparse

import kbert
from kbert.runs.console import console, run

MODEL = "klue/bert-base"
TEXT = "축구는 정말 재미있는 [MASK]다."
FIRST = "2002년 월드컵 축구대회는 일본과 공동으로 개최되었던 세계적인 큰 잔치입니다."
SECONDS = (
    "여행을 가보니 한국의 2002년 월드컵 축구대회의 준비는 완벽했습니다.",
    "극장가서 로맨스 영화를 보고싶어요",
)

PUBLISHED_WORDS = {
    "스포츠": 0.89635,
    "거": 0.02596,
    "경기": 0.01003,
    "축구": 0.00792,
    "놀이": 0.00784,
}
PUBLISHED_NEXT = (0.99989, 0.00035)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=MODEL, help="a name on the Hub, or a folder")
    parser.add_argument("--revision", help="a commit of the Hub's repository")
    parser.add_argument("--allow-pickle", action="store_true", help="read pytorch_model.bin")
    return parser.parse_args()


def main() -> None:
    arguments, screen = parse_arguments(), console()

    # 1. One model with both heads. (The lecture loads two, BertForMaskedLM and
    #    BertForNextSentencePrediction; the checkpoint has the heads of both.)
    model = kbert.load(
        arguments.model,
        task="pretraining",
        revision=arguments.revision,
        allow_pickle=arguments.allow_pickle,
    )
    is_published = arguments.model == MODEL

    # 2. Which word stands behind [MASK]?
    screen.print(TEXT)
    for answer in kbert.FillMask(model)(TEXT, top_k=5):
        line = f"  {answer['token_str']}  {answer['score']:.5f}  {answer['sequence']}"
        published = PUBLISHED_WORDS.get(answer["token_str"])
        if is_published and published is not None:
            line += f"  (published {published:.5f}, {answer['score'] - published:+.5f})"
        screen.print(line)

    # 3. Does the second sentence follow the first? Label 0 says yes, label 1 no.
    judged = kbert.NextSentence(model)([FIRST, FIRST], list(SECONDS))
    screen.print(f"\n{FIRST}")
    for second, answer, published in zip(SECONDS, judged, PUBLISHED_NEXT, strict=True):
        line = f"  {second}  label {answer['label']}, next {answer['next']:.5f}"
        if is_published:
            line += f"  (published {published:.5f}, {answer['next'] - published:+.5f})"
        screen.print(line)


if __name__ == "__main__":
    run(main, parse_arguments)
