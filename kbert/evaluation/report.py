"""What came out of an evaluation, as a page for people: one HTML file, nothing loaded from outside.

Scores; which labels were taken for which; the surest mistakes, among which are most of the errors
of the labels themselves. In Korean or English, for a phone and a desk, a light page and a dark one.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from kbert.errors import KbertError
from kbert.evaluation.evaluate import Evaluation, shown
from kbert.files.atomic_files import written_beside

Language = Literal["ko", "en"]
MOST_LABELS = 40  # a confusion matrix of more is no picture
_WORDS: dict[str, dict[str, str]] = {
    "ko": {
        "title": "평가 보고서",
        "scores": "점수",
        "examples": "평가 데이터 {count:,}개, 오답 {errors:,}개",
        "confusion": "혼동 행렬",
        "confusion_note": "행은 정답, 열은 모델의 답입니다. 진할수록 그 행에서 차지하는 비율이 "
        "높습니다.",
        "errors": "확신이 컸던 오답",
        "errors_note": "모델이 확신한 순서입니다. 위쪽에는 정답 레이블이 잘못 붙은 데이터가 많으니 "
        "먼저 살펴보세요.",
        "distance": "오차가 컸던 답",
        "distance_note": "정답과 차이가 큰 순서입니다.",
        "text": "글",
        "label": "정답",
        "predicted": "모델",
        "score": "확신도",
        "off": "차이",
        "none": "(없음)",
    },
    "en": {
        "title": "Evaluation",
        "scores": "Scores",
        "examples": "{count:,} examples, {errors:,} of them wrong",
        "confusion": "What was taken for what",
        "confusion_note": "Rows are the right labels, columns what the model said. The darker, the "
        "larger the share of the row.",
        "errors": "The surest mistakes",
        "errors_note": "Wrong answers, the surest first. Many of these are errors of the labels: "
        "look here before all else.",
        "distance": "The farthest off",
        "distance_note": "Answers, the farthest from the label first.",
        "text": "Text",
        "label": "Label",
        "predicted": "Model",
        "score": "Sure",
        "off": "Off by",
        "none": "(none)",
    },
}
# Where an example is from, as messages say it in English, for the Korean page.
_WHERE_IN_KOREAN = (
    (r"^the list(?=, row \d+$)", "리스트"),
    (r"^the table(?=, row \d+$)", "표"),
    (r"^the dataset(?=, row \d+$)", "데이터셋"),
    (r", row (\d+)$", r", \1행"),
    (r"^example (\d+)$", r"데이터 \1"),
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #667085; --line: #e4e7ec; --paper: #fff;
  --tint: 37, 99, 235; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --soft: #98a2b3; --line: #30363f;
  --paper: #14171c; --tint: 96, 150, 255; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--paper); line-height: 1.55; word-break: keep-all; overflow-wrap: anywhere;
  font-family: "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic",
  system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2.2rem 0 .3rem; }
p { color: var(--soft); margin: .2rem 0 .8rem; }
.scores { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .8rem; }
.scores div { border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; }
.scores b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.scores span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th { font-weight: 600; text-align: left; color: var(--soft); white-space: nowrap; }
td, th { padding: .4rem .6rem; vertical-align: top; }
.matrix td { text-align: right; font-variant-numeric: tabular-nums; min-width: 2.6rem; }
.matrix td.right { outline: 1px solid var(--line); outline-offset: -2px; }
.errors tr { border-top: 1px solid var(--line); } .errors { width: 100%; }
.errors td:first-child { width: 60%; } .errors small { color: var(--soft); display: block; }
.errors i { font-style: normal; white-space: nowrap; }
"""


def write_report(
    evaluation: Evaluation,
    path: str | Path,
    language: Language = "ko",
    errors: int = 50,
    notes: Sequence[str] = (),
) -> None:
    """Writes the page.

    Args:
        evaluation: from `kbert.evaluate`.
        path: of an `.html` file; replaced if it is there.
        language: "ko" or "en".
        errors: how many mistakes to show.
        notes: sentences that stand under the scores: how they came about.

    Raises:
        KbertError: if the evaluation or the language is another, or the file cannot be written.

    Example:
        >>> write_report(kbert.evaluate(model, dev), "report.html")  # doctest: +SKIP
    """
    if not isinstance(evaluation, Evaluation):
        raise KbertError(
            "a report is of what kbert.evaluate(model, examples) returns, which knows the examples "
            f"and the answers, not of {evaluation!r:.80}"
        )
    if language not in get_args(Language):
        raise KbertError(f"language is one of {', '.join(get_args(Language))}, not {language!r}")
    words = _WORDS[language]
    wrong = evaluation.errors()
    is_number = evaluation.examples.problem_type == "regression"
    parts = [
        f"<h1>{words['title']}</h1>",
        _scores(evaluation, words, len(evaluation.examples), len(wrong)),
        *(f"<p>{escape(note)}</p>" for note in notes),
    ]
    few = 2 <= len(evaluation.examples.label_names) <= MOST_LABELS
    if evaluation.examples.is_single_label and few:
        parts.append(_matrix(evaluation.confusion(), evaluation.examples.label_names, words))
    task = "regression" if is_number else evaluation.examples.task
    parts.append(_errors(wrong[:errors], words, task, language))
    page = (
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{words['title']}</title>\n<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n"
    )
    try:
        with written_beside(Path(path)) as temporary:
            Path(temporary).write_text(page, encoding="utf-8")
    except OSError as error:
        raise KbertError(f"{path} cannot be written: {error}") from error


def _scores(scores: Mapping[str, float], words: Mapping[str, str], count: int, errors: int) -> str:
    boxes = "".join(
        f"<div><b>{shown(name, value)}</b><span>{escape(name)}</span></div>"
        for name, value in scores.items()
    )
    told = words["examples"].format(count=count, errors=errors)
    return f"<p>{told}</p>\n<div class=scores>{boxes}</div>"


def _matrix(table: np.ndarray, names: list[str], words: Mapping[str, str]) -> str:
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = []
    for i, name in enumerate(names):
        cells = "".join(
            f"<td{' class=right' if i == j else ''} "
            f'style="background:rgba(var(--tint),{0.65 * shares[i, j]:.2f})">{table[i, j]:,}</td>'
            for j in range(len(names))
        )
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return (
        f"<h2>{words['confusion']}</h2>\n<p>{words['confusion_note']}</p>\n"
        f"<div class=wide><table class=matrix><tr><th></th>{head}</tr>{''.join(rows)}</table></div>"
    )


def _errors(
    wrong: list[dict[str, Any]], words: Mapping[str, str], task: str, language: Language
) -> str:
    is_number = task == "regression"
    kind = "distance" if is_number else "errors"
    rows = []
    for each in wrong:
        texts = [each["text"], each.get("pair")]
        told = "<br>".join(escape(_told(text, words)) for text in texts if text is not None)
        said = [_told(one, words) for one in _named(each, task)]
        sure = f"{each['score']:.2f}" if is_number else f"{100 * each['score']:.0f}%"
        where = _where(each["where"], language)
        rows.append(
            f"<tr><td>{told}<small>{escape(where)}</small></td>"
            f"<td>{escape(said[0])}</td><td>{escape(said[1])}</td><td><i>{sure}</i></td></tr>"
        )
    names = ("text", "label", "predicted", "off" if is_number else "score")
    head = "".join(f"<th>{words[name]}</th>" for name in names)
    return (
        f"<h2>{words[kind]}</h2>\n<p>{words[f'{kind}_note']}</p>\n"
        f"<div class=wide><table class=errors><tr>{head}</tr>{''.join(rows)}</table></div>"
    )


def _where(where: str, language: Language) -> str:
    """Where an example is from: its file, without the folders, and its row.

    Example:
        >>> _where("data/cp949.csv, row 101", "ko"), _where("data/cp949.csv, row 101", "en")
        ('cp949.csv, 101행', 'cp949.csv, row 101')
    """
    where = re.sub(r"^.*[/\\]", "", where)
    if language == "ko":
        for english, korean in _WHERE_IN_KOREAN:
            where = re.sub(english, korean, where)
    return where


def _named(error: dict[str, Any], task: str) -> list[Any]:
    """The label and what was predicted, as words.

    Spans are the words that they are of, answers and choices their texts, and of a parse what
    differs is told; other labels are as they are.
    """
    text, both = error["text"], [error["label"], error["predicted"]]
    if task == "multiple-choice":
        return [error["pair"][choice] for choice in both]
    if task == "dependency-parsing":
        return [_arcs(text.split(), *both), _arcs(text.split(), *both[::-1])]
    if task == "token-classification":
        return [[f"{text[start:end]} ({name})" for start, end, name in spans] for spans in both]
    if task == "question-answering":
        return [[answer for _, answer in both[0]], both[1]]
    return both


def _arcs(words: list[str], parse: list[tuple], other: list[tuple]) -> list[str]:
    """What a parse says of the words of which another says something else.

    Example:
        >>> _arcs(["나는", "간다"], [(2, "NP_SBJ"), (0, "VP")], [(2, "NP_OBJ"), (0, "VP")])
        ['나는 → 간다 (NP_SBJ)']
    """
    return [
        f"{word} → {words[one[0] - 1] if one[0] else 'ROOT'} ({one[1]})"
        for word, one, two in zip(words, parse, other, strict=True)
        if tuple(one[:2]) != tuple(two[:2])
    ]


def _told(value: Any, words: Mapping[str, str]) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(_told(each, words) for each in value) or words["none"]
    return str(value) or words["none"]
