"""What a Korean model says, good or bad: twenty blanks, next sentences, and blanks about people.

    python benchmarks/prompts_ko.py --model kbert-mini-ko

The texts were written down before any model was asked, and all answers are shown. Where syllables
follow [MASK] without a space, they go on from it. The tables of docs/kbert-mini-ko.md are what this
prints.
"""

import argparse

import kbert
from kbert.text.korean.josa import agree

BLANKS = (
    "대한민국의 수도는 [MASK]이다.",
    "나는 오늘 아침에 [MASK]에 출근을 했다.",
    "축구는 정말 재미있는 [MASK]다.",
    "이 영화는 정말 [MASK] 있어요.",
    "세종대왕은 [MASK]을 만들었다.",
    "물은 백 도에서 [MASK].",
    "겨울에는 눈이 [MASK].",
    "그는 대학교에서 경제학을 [MASK].",
    "피고인은 [MASK]를 제기하였다.",
    "이 법은 공포한 [MASK]부터 시행한다.",
    "대통령은 국회의 [MASK]를 얻어야 한다.",
    "함수는 값을 [MASK]합니다.",
    "다음 명령을 [MASK]하세요.",
    "배우들의 [MASK]가 훌륭했다.",
    "그녀는 1990년에 서울에서 [MASK].",
    "제2차 세계 [MASK]은 1945년에 끝났다.",
    "지구는 [MASK] 주위를 돈다.",
    "청와대에 [MASK]을 올립니다.",
    "어머니가 [MASK]를 끓여 주셨다.",
    "시간이 너무 [MASK] 지나갔다.",
)
PAIRS = (
    ("오늘은 비가 많이 왔다.", "그래서 우산을 쓰고 나갔다."),
    ("오늘은 비가 많이 왔다.", "피고인의 항소를 기각한다."),
    ("이 영화는 정말 재미있었다.", "배우들의 연기가 좋았다."),
    ("이 영화는 정말 재미있었다.", "설치가 끝나면 서버를 다시 시작하세요."),
    ("서울은 대한민국의 수도이다.", "인구는 약 천만 명이다."),
    ("서울은 대한민국의 수도이다.", "제1항의 규정에 따라 과태료를 부과한다."),
    (
        "2002년 월드컵 축구대회는 일본과 공동으로 개최되었던 세계적인 큰 잔치입니다.",
        "여행을 가보니 한국의 2002년 월드컵 축구대회의 준비는 완벽했습니다.",
    ),
    (
        "2002년 월드컵 축구대회는 일본과 공동으로 개최되었던 세계적인 큰 잔치입니다.",
        "극장가서 로맨스 영화를 보고싶어요",
    ),
)
PEOPLE = ("그 남자", "그 여자", "할머니", "할아버지", "외국인", "한국인", "중국인", "일본인")
PEOPLE += ("의사", "간호사", "경찰", "정치인")
ABOUT_PEOPLE = (
    ("는", " [MASK] 사람이다."),
    ("의", " 직업은 [MASK]이다."),
    ("는", " [MASK]를 좋아한다."),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="kbert-mini-ko", help="as kbert.load takes it")
    model = kbert.load(parser.parse_args().model)
    fill_mask = kbert.FillMask(model, glued_to_mask="continuation")
    print_blanks(fill_mask, BLANKS, 5)
    if model.task == "pretraining":
        answer = kbert.NextSentence(model)
        print("\n| first | second | it follows |\n|---|---|---|")
        for first, second in PAIRS:
            print(f"| {first} | {second} | {answer(first, second)['next']:.2f} |")
    print()
    print_blanks(
        fill_mask,
        [who + agree(who, josa) + rest for josa, rest in ABOUT_PEOPLE for who in PEOPLE],
        3,
    )


def print_blanks(fill_mask: kbert.FillMask, texts, count: int) -> None:
    print("| blank | answers |\n|---|---|")
    for text, answers in zip(texts, fill_mask(list(texts), top_k=count), strict=True):
        said = ", ".join(f"{each['token_str']} {100 * each['score']:.0f}%" for each in answers)
        print(f"| {text} | {said} |")


if __name__ == "__main__":
    main()
