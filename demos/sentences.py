"""How near are Korean sentences in meaning? And a search in questions and answers of one's own.

    python demos/sentences.py
    python demos/sentences.py --model jhgan/ko-sroberta-multitask

Without --model it takes the model that comes with kbert, or else the newest runs/quickstart*.
"""

import csv
import io
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from drawing import Bar, bars, empty, note
from models import Models
from serve import answers, examples, gr, main, read, refuse, textbox
from texts import Language, say

import kbert
from kbert.models.base import KbertModel
from kbert.search.precisions import unit

MOST_LINES = 10
MOST_ROWS, MOST_CSV = 100, 20_000
TOP = 3
FAQ = """\
책은 몇 권까지 빌릴 수 있나요?,한 사람이 한 번에 다섯 권까지 빌릴 수 있습니다.
빌린 책은 언제까지 돌려줘야 하나요?,빌린 날부터 2주 안에 돌려주시면 됩니다.
도서관은 몇 시에 문을 여나요?,"평일에는 오전 9시, 주말에는 오전 10시에 엽니다."
도서관은 언제 쉬나요?,매주 월요일과 공휴일에 쉽니다.
책을 잃어버렸어요. 어떻게 하나요?,같은 책을 사 오시거나 책값을 내시면 됩니다.
회원 가입은 어떻게 하나요?,신분증을 가지고 1층 안내 데스크로 오세요.
주차할 수 있나요?,지하 주차장을 두 시간까지 무료로 쓸 수 있습니다.
컴퓨터를 쓸 수 있나요?,2층 디지털 자료실의 컴퓨터를 하루 두 시간까지 쓸 수 있습니다.
"""
# What the model at hand finds is shown, of these: what is asked, and the row that answers it.
QUERIES = (
    ("대출한 책의 반납 기한이 궁금해요", 1),
    ("휴관일이 언제예요?", 3),
    ("차를 가져가도 되나요?", 6),
    ("쉬는 날이 언제예요?", 3),
    ("문은 몇 시에 열어요?", 2),
    ("책은 언제까지 돌려줘야 해요?", 1),
    ("가입하려면 무엇이 필요한가요?", 5),
    ("컴퓨터를 써도 되나요?", 7),
)
SIMILAR = [
    [
        "나는 어제 영화를 보았다.",
        "나는 지난주에 영화를 봤다.\n국회는 법률안을 의결한다.\n그는 극장에서 영화를 볼 것이다.",
    ],
    [
        "대통령은 국가의 원수이다.",
        "국가를 대표하는 사람은 대통령이다.\n강아지는 산책을 좋아한다.\n총리는 대통령을 보좌한다.",
    ],
    [
        "날씨가 참 좋다.",
        "함수는 값을 반환한다.\n오늘은 날씨가 맑다.\n그는 축구 선수이다.",
    ],
]
# What all sentences have in common is taken out of the vectors of a model that has not learnt to
# give any (Mu and Viswanath 2018, "All-but-the-Top"): else every two of them are alike.
COMMON = [row.partition(",")[0] for row in FAQ.splitlines()] + [
    line for first, lines in SIMILAR for line in (first, *lines.splitlines())
]
Vectors = Callable[[list[str]], np.ndarray]


def sentence_vectors(model: KbertModel) -> Vectors:
    """The vectors of a model that has learnt to give them; of length 1, (N, E)."""
    return partial(kbert.SentenceEncoder(model).encode, normalize=True)


def mean_vectors(model: KbertModel) -> Vectors:
    """Mean vectors of the last layer, without what they have in common; of length 1, (N, D)."""
    encoder = kbert.SentenceEncoder(kbert.SentenceBert.from_encoder(model))
    common = encoder.encode(COMMON).mean(axis=0)
    return lambda texts: unit(encoder.encode(texts) - common)


def rows_of(text: str) -> list[tuple[str, str]]:
    """The questions and answers of a CSV; of rows with one column, both are that.

    Raises:
        ValueError: if it is no CSV, or has no row.

    Example:
        >>> rows_of('문을 여나요?,"네, 9시에"')
        [('문을 여나요?', '네, 9시에')]
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if any(row)]
    except csv.Error as error:
        raise ValueError("not a CSV") from error
    found = [(row[0].strip(), (row[1] if len(row) > 1 else row[0]).strip()) for row in rows]
    found = [(question, answer) for question, answer in found if question]
    if not found:
        raise ValueError("no rows")
    return found


def nearest(vectors: Vectors, query: str, texts: list[str]) -> list[tuple[int, float]]:
    """The places of the texts and their cosines with the query, the nearest first."""
    found = vectors([query, *texts])
    cosines = found[1:] @ found[0]  # (N,)
    return [(int(i), float(cosines[i])) for i in np.argsort(-cosines, kind="stable")]


@cache  # for both languages
def good_queries(vectors: Vectors, most: int = 4) -> list[list[str]]:
    """What of `QUERIES` finds the row that answers it; where nothing does, the first."""
    questions = [question for question, _ in rows_of(FAQ)]
    found = [[text] for text, row in QUERIES if nearest(vectors, text, questions)[0][0] == row]
    return (found or [[text] for text, _ in QUERIES])[:most]


def draw(rows: list[tuple[str, float, str]], below: str) -> str:
    """Texts with their cosines, and what is to be said of these."""
    drawn = [Bar(text, cosine, f"{cosine:.2f}", line) for text, cosine, line in rows]
    return bars(drawn, below=below)


def build(models: Models, language: Language) -> None:
    """The tab."""
    vectors, told, below = models.first(sentence_vectors), "", say("cosine_note", language)
    if vectors is None:
        vectors, told = models.first(mean_vectors), note(say("pretrained_vectors", language))
        below += " " + say("common_note", language)

    def compare(text: str | None, others: str | None) -> str:
        text, others = read(text, language).strip(), read(others, language)
        lines = [line.strip() for line in others.splitlines() if line.strip()]
        if not (text and lines):
            refuse("empty_pair", language)
        if len(lines) > MOST_LINES:
            refuse("too_many_lines", language, count=len(lines), most=MOST_LINES)
        found = nearest(vectors, text, lines)
        return draw([(lines[i], cosine, "") for i, cosine in found], below)

    def search(query: str | None, table: str | None) -> str:
        query, table = read(query, language).strip(), read(table, language, MOST_CSV)
        if not query:
            refuse("empty_text", language)
        try:
            rows = rows_of(table)
        except ValueError:
            refuse("bad_csv", language)
        if len(rows) > MOST_ROWS:
            refuse("too_many_lines", language, count=len(rows), most=MOST_ROWS)
        found = nearest(vectors, query, [question for question, _ in rows])[:TOP]
        return draw([(rows[i][0], cosine, rows[i][1]) for i, cosine in found], below)

    queries = good_queries(vectors)
    gr.HTML(note(say("sentences_note", language)) + told)
    with gr.Tabs(overflow_behavior="wrap"):
        with gr.Tab(say("similarity", language)), gr.Row(equal_height=False):
            with gr.Column():
                first = textbox("sentence", language, SIMILAR[0][0])
                others = textbox("others", language, SIMILAR[0][1], lines=4)
                button = gr.Button(say("similarity_button", language), variant="primary")
                box = gr.Column()
            with gr.Column():
                compared = gr.HTML(empty(say("empty_answer", language)))
            inputs = [first, others]
            with box:
                examples(language, SIMILAR, inputs, compare, inputs, [compared])
            triggers = [button.click, first.submit]
            answers("similarity", language, compare, inputs, [compared], triggers)
        with gr.Tab(say("search", language)), gr.Row(equal_height=False):
            with gr.Column():
                query = textbox("query", language, queries[0][0], lines=1)
                button = gr.Button(say("search_button", language), variant="primary")
                box = gr.Column()
                table = textbox(
                    "faq",
                    language,
                    FAQ,
                    lines=8,
                    info=say("faq_info", language),
                    max_lines=12,
                )
                file_chooser(language, table)
            with gr.Column():
                answered = gr.HTML(empty(say("empty_answer", language)))
            inputs = [query, table]
            with box:
                examples(language, queries, [query], search, inputs, [answered])
            triggers = [button.click, query.submit]
            answers("search", language, search, inputs, [answered], triggers)


def file_chooser(language: Language, into: gr.Textbox) -> None:
    """A file that the browser reads into a text box; the server never has it."""
    chooser = gr.HTML(
        f'<label class="kbert-file" data-refused="{say("bad_file", language)}">'
        f'{say("choose_file", language)}<input type="file" accept=".csv,.tsv,.txt,text/csv">'
        "<span></span></label>",
        js_on_load="""
            element.addEventListener("change", async event => {
              const file = event.target.files[0], label = element.querySelector("label");
              if (!file) return;
              event.target.value = "";  // so that the same file can be chosen again
              const bytes = file.size > 60000 ? null : await file.arrayBuffer();
              const refused = !bytes || new Uint8Array(bytes).includes(0);  // no text
              label.querySelector("span").textContent = refused ? label.dataset.refused : file.name;
              if (refused) return;
              let text;
              try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); }
              catch { text = new TextDecoder("euc-kr").decode(bytes); }  // as Excel writes it
              window.kbertFile = text;
              trigger("change");
            });
        """,
    )
    chooser.change(None, None, into, js="() => window.kbertFile", api_visibility="private")


if __name__ == "__main__":
    main(__doc__.split("\n")[0], [("sentences", build)])
