import hashlib
import json
import re
import tracemalloc
import unicodedata

import numpy as np
import pytest

from kbert import Examples, KbertError
from kbert.data.labelled.read_table import read_table

ROWS = [
    {"리뷰": "정말 재미있다", "감정": "긍정", "글쓴이": "가"},
    {"리뷰": "지루하다, 아주", "감정": "부정", "글쓴이": "나"},
]


@pytest.fixture
def written(tmp_path):
    def write(name: str, text: str, encoding: str = "utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


CSV = '리뷰,감정\n정말 재미있다,긍정\n"지루하다, 아주",부정\n'


@pytest.mark.parametrize(
    ("encoding", "asked"),
    [("utf-8", None), ("utf-8-sig", None), ("cp949", None), ("utf-8-sig", "UTF-8")],
)
def test_a_csv_in_each_encoding_that_korean_files_have(written, encoding, asked):
    file = written("글.csv", CSV, encoding)
    examples = read_table(file, text="리뷰", label="감정", encoding=asked)
    assert examples.texts == ["정말 재미있다", "지루하다, 아주"]
    assert examples.labels == ["긍정", "부정"]
    assert examples.label_names == ["긍정", "부정"]
    assert str(examples.where(1)).endswith("글.csv, row 3")


def test_all_kinds_of_tables_are_read_alike(tmp_path, written):
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    datasets, openpyxl = pytest.importorskip("datasets"), pytest.importorskip("openpyxl")
    frame = pandas.DataFrame(ROWS)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    assert pyarrow and openpyxl
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    tabs = "\n".join("\t".join(row) for row in [ROWS[0], *(row.values() for row in ROWS)])
    sources = [
        ROWS,
        frame,
        datasets.Dataset.from_list(ROWS),
        tmp_path / "t.parquet",
        tmp_path / "t.xlsx",
        written("t.jsonl", lines),
        written("t.tsv", tabs),
    ]
    for source in sources:
        found = read_table(source, text="리뷰", label="감정", group="글쓴이")
        assert found.texts == [row["리뷰"] for row in ROWS], source
        assert (found.labels, found.groups) == (["긍정", "부정"], ["가", "나"]), source


def test_quotation_marks_in_a_tsv_are_text(written):
    path = written("t.tsv", 'id\ttext\tlabel\n1\t"그는 말했다\t0\n2\t끝"\t1\n')
    assert read_table(path, text="text", label="label").texts == ['"그는 말했다', '끝"']


def test_numbers_as_labels_are_in_their_order():
    rows = [{"t": f"글 {i}", "l": i} for i in (10, 9, 2)]
    assert read_table(rows, text="t", label="l").label_names == ["2", "9", "10"]


def test_several_labels_and_quantities():
    rows = [{"t": "가", "l": "기쁨, 놀람", "n": "1.5"}, {"t": "나", "l": "", "n": 2}]
    several = read_table(rows, text="t", label="l", problem_type="multi_label_classification")
    assert several.labels == [["기쁨", "놀람"], []]
    assert several.label_names == ["기쁨", "놀람"]
    assert read_table(rows, text="t", label="n", problem_type="regression").labels == [1.5, 2.0]


def test_spans_are_checked_and_named_by_bio():
    rows = [{"t": "유희열이 왔다", "s": [{"start": 0, "end": 3, "label": "PS"}]}]
    examples = read_table(rows, text="t", spans="s")
    assert examples.labels == [[(0, 3, "PS")]]
    assert examples.label_names == ["O", "B-PS", "I-PS"]
    for spans, what in (
        ([[0, 30, "PS"]], r"the list, row 1: the span \(0, 30, 'PS'\)|the span \[0, 30, 'PS'\]"),
        ([[0, 3, "PS"], [2, 4, "LC"]], "overlaps"),
        ("0-3", "spans are a list"),
    ):
        with pytest.raises(KbertError, match=what):
            read_table([{"t": "유희열이 왔다", "s": spans}], text="t", spans="s")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.csv", "", "the file is empty"),
        ("t.csv", "리뷰,감정\n", "no rows with text"),
        ("t.csv", "리뷰,리뷰,감정\na,b,c\n", "two columns are called '리뷰'"),
        ("t.csv", "리뷰,감정\n하나,긍정\n둘\n", r"t.csv, row 3: 1 field, and the header names 2"),
        ("t.csv", '리뷰,감정\n"하나,긍정\n둘,부정\n', r"row 2: .*pass quotes=False"),
        ("t.csv", '리뷰,감정\n"하나"나,긍정\n', r"row 2: .*pass quotes=False"),
        ("t.csv", "글,감정\n하나,긍정\n", r"no column '리뷰'; it has \['글', '감정'\]"),
        ("t.csv", "리뷰,감정\n하나,긍정\n ,부정\n", "1 row without text, the first .*row 3"),
        (
            "t.csv",
            "리뷰,감정\n하나,긍정\n둘,\n",
            "1 row without label in '감정', .* row 3: .*drop",
        ),
        ("t.csv", "리뷰,감정\n하나,긍정\n둘, \n셋,\n", "2 rows without label in '감정', .* row 3"),
        ("t.csv", "리뷰,감정\n하나,긍정\n둘,긍정\n", "'긍정' is the only label in 2 rows"),
        ("t.jsonl", '{"리뷰": "하나", "감정": "긍정"}\n{"리뷰": 3}\n', "row 2: no column '감정'"),
        ("t.jsonl", '{"리뷰": 3, "감정": "긍정"}\n', "row 1: the column '리뷰' holds 3"),
        ("t.jsonl", '{"리뷰": "하나"\n', "t.jsonl, row 1"),
        ("t.parquet", "none", "damaged Parquet"),
        ("t.xlsx", "none", "no Excel file"),
        ("t.doc", "none", "a table is .csv, .tsv"),
    ],
)
def test_a_bad_table_says_where(written, name, content, what):
    with pytest.raises(KbertError, match=what):
        read_table(written(name, content), text="리뷰", label="감정")


def test_bad_arguments_and_values_are_named(written):
    path = written("t.csv", CSV)
    for settings, what in (
        ({"labels": ["긍정"]}, r"t.csv, row 3: the label '부정' is none of \['긍정'\]"),
        ({"problem_type": "regression"}, r"row 2: '긍정' in '감정' is no number"),
        ({"problem_type": "ranking"}, "problem_type is one of"),
        ({"labels": ["긍정", "부정", "긍정"]}, "names that each stand once"),
        ({"labels": "긍정"}, "labels is a list of names, .*not '긍정'"),
        ({"labels": {"긍정", "부정"}}, "not a set, which has no order"),
        ({"encoding": "cp94"}, "there is no encoding 'cp94'"),
    ):
        with pytest.raises(KbertError, match=what):
            read_table(path, text="리뷰", label="감정", **settings)
    with pytest.raises(KbertError, match="no such file"):
        read_table("none.csv", text="a")
    with pytest.raises(KbertError, match="it is a folder, and a table is one file"):
        read_table(path.parent, text="a")
    with pytest.raises(KbertError, match="text and label are both the column '리뷰'"):
        read_table(path, text="리뷰", label="리뷰")
    with pytest.raises(KbertError, match="text and pair are both the column '리뷰'"):
        read_table(path, text="리뷰", pair="리뷰", label="감정")
    with pytest.raises(KbertError, match="a list of dicts, not int"):
        read_table(3, text="a")
    quantities = [{"t": f"글 {i}", "l": i / 7} for i in range(200)]
    with pytest.raises(KbertError, match='problem_type="regression"'):
        read_table(quantities, text="t", label="l")


def test_a_table_without_a_single_label_or_span():
    with pytest.raises(KbertError, match="no label in 2 rows"):
        several = {"problem_type": "multi_label_classification"}
        read_table([{"t": "하나", "l": ""}, {"t": "둘", "l": []}], text="t", label="l", **several)
    with pytest.raises(KbertError, match="no span in 1 row:"):
        read_table([{"t": "하나", "s": []}], text="t", spans="s")


def test_spans_in_a_csv_are_json(written):
    path = written("t.csv", '글,개체\n이순신이,"[[0, 3, ""PS""]]"\n왔다,[]\n')
    examples = read_table(path, text="글", spans="개체")
    assert examples.labels == [[(0, 3, "PS")], []]
    for cell in ("[[0, 3", "3", "[" * 100_000):
        path = written("t.csv", f'글,개체\n이순신이,"{cell}"\n')
        with pytest.raises(KbertError, match=r"t.csv, row 2: spans are a list"):
            read_table(path, text="글", spans="개체")


def test_neither_utf8_nor_cp949(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("리뷰,감정\n".encode() + b"\xff\xff,a\n")
    with pytest.raises(KbertError, match="neither UTF-8 nor CP949; pass its encoding="):
        read_table(path, text="리뷰")


@pytest.mark.parametrize(
    ("name", "settings"),
    [("글.csv", {}), ("글.txt", {"quotes": True}), ("글.jsonl", {})],
)
def test_utf_16_is_named_and_read(written, name, settings):
    kinds = {
        "txt": CSV.replace("재미있다,", "재미있다\t").replace("뷰,", "뷰\t").replace('",', '"\t')
    }
    kinds["jsonl"] = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    content = kinds.get(name.partition(".")[2], CSV)
    path = written(name, content, "utf-16")
    asked = 'Excel.*: pass encoding="utf-16"' + (", quotes=True$" if settings else "$")
    with pytest.raises(KbertError, match=asked):
        read_table(path, text="리뷰")
    examples = read_table(path, text="리뷰", label="감정", encoding="utf-16", **settings)
    assert examples.texts == ["정말 재미있다", "지루하다, 아주"]
    assert examples.labels == ["긍정", "부정"]
    for encoding in ("utf-16", "utf-8"):  # of a file without its mark, and of another
        with pytest.raises(KbertError, match=r"글.*: is no .*pass another encoding="):
            broken = written(name, content, "cp949")
            read_table(broken, text="리뷰", encoding=encoding)


def test_empty_rows_are_left_out_when_asked(written):
    path = written("t.csv", "리뷰,감정\n하나,긍정\n,부정\n둘,부정\n셋,\n")
    examples = read_table(path, text="리뷰", label="감정", drop_empty=True)
    assert examples.texts == ["하나", "둘"]
    assert [origin.row for origin in examples.origins] == [2, 4]


def test_a_row_takes_its_text_and_little_more():
    """8 bytes each for the places of its text and label in lists, and for its row's number."""
    rows = [
        {"글": f"정말 재미있다 {i}", "감정": "부정긍정"[i % 2 * 2 :][:2]} for i in range(20_000)
    ]
    assert rows[0]["감정"] is not rows[2]["감정"]  # as in a file
    tracemalloc.start()
    examples = read_table(rows, text="글", label="감정")
    taken, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(examples) < 32 and peak / len(examples) < 64  # the texts are the rows' own
    assert examples.labels[0] is examples.labels[2] and examples.labels[1] == "긍정"


def test_where_some_rows_are_from(tmp_path):
    path = tmp_path / "표.csv"
    path.write_text("글,감정\n가,참\n나,거짓\n,참\n다,참\n", encoding="utf-8")
    examples = read_table(path, text="글", label="감정", drop_empty=True)
    assert [examples.where(i) for i in range(3)] == [f"{path}, row {row}" for row in (2, 3, 5)]
    assert examples[[2, 0]].where(0) == f"{path}, row 5"
    assert examples[1:].where(-1) == f"{path}, row 5" and len(examples[1:].origins) == 2
    assert [origin.row for origin in examples.origins[::2]] == [2, 5]


def test_a_fingerprint_is_that_of_all_of_it():
    """As one JSON text would have it, however long the columns are."""
    texts = [f"글 {i}" for i in range(20_001)]
    labels = [[(0, 1, "PS")], []] * 10_000 + [[]]
    examples = Examples("token-classification", texts, labels=labels, label_names=["O"])
    columns = [examples.task, texts, None, labels, ["O"]]
    whole = json.dumps(columns, ensure_ascii=False).encode()
    assert examples.fingerprint == hashlib.sha256(whole).hexdigest()[:16]


def test_questions_with_their_answers():
    """An answer stands where `answer_start` says, or at the nearest place; else at the first."""
    context = "서울은 수도다. 서울은 크다."
    squad = {"text": ["서울", "서울"], "answer_start": [9, 3]}
    cells = ["수도다", "", None, ["크다", "서울"], [{"text": "서울", "answer_start": 8}], squad]
    cells += [json.dumps(squad, ensure_ascii=False), {"text": "크다"}]
    rows = [{"질문": "?", "문맥": context, "답": cell} for cell in cells]
    examples = read_table(rows, text="질문", pair="문맥", answer="답")
    assert examples.task == "question-answering" and examples.label_names == []
    first = [(4, "수도다")]
    of_squad = [(9, "서울"), (0, "서울")]
    last = [(13, "크다")]
    expected = [first, [], [], [(13, "크다"), (0, "서울")], [(9, "서울")], of_squad, of_squad, last]
    assert examples.labels == expected
    assert examples.groups == [context] * 8  # a context stays on one side of a split


def test_an_answer_that_looks_like_json():
    rows = [{"질문": "?", "문맥": "각주 [1]이다.", "답": "[1]"}]
    assert read_table(rows, text="질문", pair="문맥", answer="답").labels == [[(3, "[1]")]]


def test_choices_of_a_table(written):
    path = written(
        "t.csv", "전제,ㄱ,ㄴ,답\n비가 온다,젖는다,마른다,0\n해가 뜬다,젖는다,마른다,ㄴ\n"
    )
    examples = read_table(path, text="전제", choices=["ㄱ", "ㄴ"], label="답")
    assert examples.task == "multiple-choice"
    assert examples.pairs == [["젖는다", "마른다"]] * 2 and examples.labels == [0, 1]
    assert read_table(path, text="전제", choices=["ㄱ", "ㄴ"]).labels is None


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"answer": "답"}, "needs pair=, the column of the contexts"),
        ({"answer": "답", "pair": "문맥", "label": "답"}, "name one column, not label and answer"),
        (
            {"answer": "답", "pair": "문맥"},
            "the list, row 2: the answer '없다' is not in its context",
        ),
        ({"choices": ["문맥"], "label": "답"}, "the names of two columns or more"),
        ({"choices": ["문맥", "질문"], "pair": "문맥"}, "leave pair, spans and answer out"),
        ({"choices": ["문맥", "질문"], "label": "수"}, "a number from 0 to 1, or one of"),
    ],
)
def test_bad_answers_and_choices_are_named(columns, what):
    rows = [
        {"질문": "무엇?", "문맥": "있다", "답": "있다", "수": 0},
        {"질문": "무엇?", "문맥": "있다", "답": "없다", "수": 2},
    ]
    with pytest.raises(KbertError, match=re.escape(what)):
        read_table(rows, text="질문", **columns)


def test_rows_that_a_stray_quotation_mark_takes_in_are_told(written, caplog):
    rows = ['"아,긍정', "둘,부정", "셋,긍정", '넷",부정']
    path = written("t.csv", "리뷰,감정\n하나,긍정\n" + "\n".join(rows) + "\n다섯,부정\n")
    assert len(read_table(path, text="리뷰", label="감정")) == 3
    assert "row 3: a field holds lines that look like rows" in caplog.text
    caplog.clear()
    assert len(read_table(path, text="리뷰", label="감정", quotes=False)) == 6
    path = written("u.csv", '리뷰,감정\n"한 줄\n두 줄\n세 줄",긍정\n하나,부정\n')
    assert len(read_table(path, text="리뷰", label="감정")) == 2
    assert not caplog.text


def test_arrays_in_cells_are_lists():
    """As pandas holds the lists of a Parquet file."""
    array = np.array(["기쁨", "놀람"], object)
    rows = [{"글": "하나", "답": array}, {"글": "둘", "답": np.array([], object)}]
    several = {"problem_type": "multi_label_classification"}
    assert read_table(rows, text="글", label="답", **several).labels == [["기쁨", "놀람"], []]
    answers = [{"글": "무엇?", "문맥": "놀람 기쁨", "답": array}]
    found = read_table(answers, text="글", pair="문맥", answer="답")
    assert found.labels == [[(3, "기쁨"), (0, "놀람")]]
    starts = {"text": array[:1], "answer_start": np.array([3])}
    found = read_table([{**answers[0], "답": starts}], text="글", pair="문맥", answer="답")
    assert found.labels == [[(3, "기쁨")]]


@pytest.mark.parametrize("empty", ["", None, float("nan")])
def test_an_empty_cell_is_none_of_several_labels(empty):
    """As Excel, pandas and CSV have it."""
    rows = [{"글": "하나", "답": "기쁨"}, {"글": "둘", "답": empty}]
    found = read_table(rows, text="글", label="답", problem_type="multi_label_classification")
    assert found.labels == [["기쁨"], []]
    with pytest.raises(KbertError, match="1 row without label in '답', the first the list, row 2"):
        read_table(rows, text="글", label="답")


@pytest.mark.parametrize(("cell", "expected"), [("2", 1), (2, 1), (2.0, 1), ("0", 0), (0, 0)])
def test_columns_that_are_called_by_numbers(cell, expected):
    """A cell says the same as text (CSV) and as a number (Excel): first a column's name."""
    rows = [{"글": "하나", "1": "가", "2": "나", "답": cell}]
    found = read_table(rows, text="글", label="답", choices=["1", "2"])
    assert found.labels == [expected]


def test_decomposed_names_are_the_composed_ones(written):
    decomposed = unicodedata.normalize("NFD", CSV)
    path = written("맥.csv", decomposed + "또 재미있다,긍정\n")
    examples = read_table(path, text="리뷰", label=unicodedata.normalize("NFD", "감정"))
    assert examples.labels == ["긍정", "부정", "긍정"] and examples.label_names == ["긍정", "부정"]
    assert examples.texts[0] == unicodedata.normalize("NFD", "정말 재미있다")
    named = unicodedata.normalize("NFD", "부정 긍정").split()
    assert read_table(path, text="리뷰", label="감정", labels=named).label_names == ["부정", "긍정"]
    with pytest.raises(KbertError, match="two columns are called '리뷰'"):
        read_table(written("둘.csv", unicodedata.normalize("NFD", "리뷰") + ",리뷰\n"), text="리뷰")


def test_decomposed_labels_of_plain_lists():
    decomposed = unicodedata.normalize("NFD", "긍정")
    several = [["부정", decomposed], []]
    for task, labels, expected in (
        ("sequence-classification", [decomposed, "긍정"], ["긍정", "긍정"]),
        ("sequence-classification", several, [["부정", "긍정"], []]),
        ("token-classification", [[], [(0, 1, decomposed)]], [[], [(0, 1, "긍정")]]),
        ("question-answering", [[(0, decomposed)], []], [[(0, decomposed)], []]),  # a text's
    ):
        found = Examples(task, ["가", "나"], labels=labels, label_names=["긍정", decomposed])
        assert (found.labels, found.label_names) == (expected, ["긍정"])


def test_labels_that_next_to_no_row_has_are_told(caplog):
    rows = [{"글": f"글 {i}", "감정": "긍정" if i % 2 else "부정"} for i in range(60)]
    rows[56]["감정"] = "긍졍"
    settings = {"text": "글", "label": "감정"}
    read_table(rows, **settings)
    (told,) = caplog.messages
    assert "the list: next to no row has the label '긍졍' (1 of 60 rows, first in row 57)." in told
    caplog.clear()
    read_table(rows, **settings, labels=["긍정", "부정", "긍졍"])  # which are meant
    read_table(rows[16:], **settings)  # 44 rows
    few = [{**row, "감정": f"의도 {i % 30}"} for i, row in enumerate(rows)]  # of all labels
    read_table(few, **settings)
    numbers = [{**row, "감정": i % 7 // 6} for i, row in enumerate(rows)]
    read_table(numbers, **settings, problem_type="regression")
    assert not caplog.messages


def test_examples_are_shown_in_a_line():
    labels = ["긍정"] * 1200 + ["부정"] * 2
    many = Examples("sequence-classification", ["글"] * 1202, labels=labels, part="train")
    assert repr(many) == (
        "Examples(sequence-classification (train); 1,202 examples; labels '긍정': 1,200, '부정': 2)"
    )
    names = [f"{i:02}" for i in range(12)]
    assert repr(Examples("sequence-classification", names, labels=names)).endswith(
        "'09': 1, 2 more)"
    )
    alike = Examples("sentence-embedding", ["가"], pairs=["나"], labels=[4.25])
    assert repr(alike) == "Examples(sentence-embedding; 1 example; numbers from 4.25 to 4.25)"
    for odd in ([[()], [(1, 2)]], [None, object()], [[(4, "나")], []], None):  # of no task
        for task in ("token-classification", "question-answering"):
            assert len(repr(Examples(task, ["가", "나"], labels=odd))) < 80
