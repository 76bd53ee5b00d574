import gzip
import json
import lzma

import pytest

from kbert import KbertError
from kbert.data.corpus import corpus, tables
from kbert.data.corpus.corpus import corpus_files, read_documents
from kbert.data.corpus.json_corpora import LAYOUTS

TEXT = "첫 문장이다. 둘째 문장이다.\n셋째 문장이다.\n\n\n다른 글이다.\n"
DOCUMENTS = [["첫 문장이다.", "둘째 문장이다.", "셋째 문장이다."], ["다른 글이다."]]


def test_every_kind_of_file(tmp_path):
    (tmp_path / "가.txt").write_text("\ufeff" + TEXT, encoding="utf-8")
    with gzip.open(tmp_path / "나.txt.gz", "wt", encoding="utf-8") as file:
        file.write(TEXT)
    with lzma.open(tmp_path / "다.txt.xz", "wt", encoding="utf-8") as file:
        file.write(TEXT)
    lines = [
        json.dumps({"text": "첫 문장이다. 둘째 문장이다.\n셋째 문장이다."}),
        "",
        '{"text": " "}',
    ]
    lines.append(json.dumps({"text": "다른 글이다.", "id": 3}, ensure_ascii=False))
    (tmp_path / "라.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "그림.png").write_bytes(b"\x89PNG")
    for name in ("가.txt", "나.txt.gz", "다.txt.xz", "라.jsonl"):
        assert list(read_documents([tmp_path / name])) == DOCUMENTS
    assert list(read_documents([tmp_path])) == DOCUMENTS * 4  # a folder, in order of name


def test_cp949_is_named_and_read(tmp_path):
    path = tmp_path / "옛글.txt"
    path.write_bytes(b"ascii " + "한글이다.\n".encode("cp949"))
    with pytest.raises(KbertError, match=r"옛글.txt: not UTF-8 at byte 6 .*encoding='cp949'"):
        list(read_documents([path]))
    assert list(read_documents([path], encoding="cp949")) == [["ascii 한글이다."]]


def test_byte_offset_far_into_a_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("가나다.\n".encode() * 10_000 + b"\xff\xfe\xff")
    with pytest.raises(KbertError, match="at byte 110000 "):
        list(read_documents([path]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"[", "a.json: not JSON"),
        ("a.json", b"[" * 100_000, "a.json: not JSON"),
        ("a.json", '{"저자": [], "글": [{"text": 1}]}'.encode(), r"no text in any .*'글', '저자'"),
        ("a.json", b'{"document": [{"paragraph": [{"form": null}]}]}', "no text in any layout"),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000, "line 1"),
        ("a.json.gz", b"", "must end in .txt"),
        ("a.jsonl", b'{"text": "x"}\n{"body": "x"}\n', 'line 2: expected {"text"'),
        ("a.jsonl", b"[1]\n", "line 1"),
        ("a.jsonl", b'{"text": 3}\n', "line 1"),
        ("a.txt.gz", b"not gzip", "damaged"),
        ("a.txt.xz", b"\xfd7zXZ\x00 not xz", "damaged"),
        ("a.pdf", b"%PDF", "must end in .txt"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(KbertError, match=message):
        list(read_documents([path]))


def test_no_such_encoding(tmp_path):
    with pytest.raises(KbertError, match="no encoding 'utf8mb4'"):
        list(read_documents([tmp_path], encoding="utf8mb4"))


def test_missing_files_and_empty_folders(tmp_path):
    with pytest.raises(KbertError, match="no such file or folder"):
        list(read_documents([tmp_path / "none.txt"]))
    with pytest.raises(KbertError, match="the folder has no file"):
        list(read_documents([tmp_path]))


def test_a_long_document_comes_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_MOST_CHARACTERS", 12)
    (tmp_path / "a.txt").write_text("가나다라마.\n바사아자차.\n카타파하.\n\n끝.", "utf-8")
    documents = [["가나다라마.", "바사아자차."], ["카타파하."], ["끝."]]
    assert list(read_documents([tmp_path])) == documents


# The layouts of 모두의 말뭉치 (신문, 일상 대화, 형태 분석) and AI Hub, as their users read them:
# ko-nlp/Korpora, korpus_modu_*.py; whitepurple/PreprocessKoreanDatasets, preprocess/AIHub.
CORPORA = [
    {
        "id": "NWRW1",
        "document": [{"id": "1", "paragraph": [{"id": "1", "form": "제목"}, {"form": "글."}]}],
    },
    {"document": [{"utterance": [{"form": "제목", "original_form": "제-"}, {"form": "글."}]}]},
    {"document": [{"sentence": [{"form": "제목", "morpheme": []}, {"form": "글."}]}]},
    {"SJML": {"header": {}, "text": [{"title": "?", "content": "제목\n글."}]}},
    {
        "named_entity": [
            {"title": [{"sentence": "제목"}], "subtitle": None, "content": [{"sentence": "글."}]}
        ]
    },
    {"paragraphs": [{"sentences": [{"original_text": "제목"}, {"original_text": "글."}]}]},
    {"documents": [{"text": [[{"index": 0, "sentence": "제목"}], [{"sentence": "글."}]]}]},
    [{"data": [{"title": "?", "paragraphs": [{"context": "제목\n글.", "qas": []}]}]}],
]


@pytest.mark.parametrize("content", CORPORA)
def test_layouts_of_korean_corpora(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8-sig")
    assert list(read_documents([path])) == [["제목", "글."]]
    if isinstance(content, dict):  # several files' objects in a list; two documents in one
        path.write_text(json.dumps([content, content]), encoding="utf-8")
        assert list(read_documents([path])) == [["제목", "글."]] * 2


def test_every_layout_is_tested():
    assert len(CORPORA) == len(LAYOUTS)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    texts = ["첫 문장이다. 둘째 문장이다.\n셋째 문장이다.", None, "다른 글이다."]
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "글": texts}), path)
    assert list(read_documents([path], field="글")) == DOCUMENTS
    with pytest.raises(KbertError, match=r"no column 'text'; name one of \['id', '글'\]"):
        list(read_documents([path]))
    with pytest.raises(KbertError, match="column 'id' holds no texts, but 1"):
        list(read_documents([path], field="id"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(KbertError, match="a damaged Parquet file"):
        list(read_documents([path], field="글"))


def test_saved_datasets(tmp_path):
    datasets = pytest.importorskip("datasets")
    texts = ["첫 문장이다. 둘째 문장이다.\n셋째 문장이다.", "다른 글이다."]
    one = datasets.Dataset.from_dict({"text": texts})
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp_path / "two")
    assert list(read_documents([tmp_path / "one"])) == DOCUMENTS
    assert list(read_documents([tmp_path / "two"])) == DOCUMENTS * 2
    (tmp_path / "z.txt").write_text("끝.", encoding="utf-8")
    assert list(corpus_files([tmp_path])) == [tmp_path / name for name in ("one", "two", "z.txt")]
    with pytest.raises(KbertError, match="no column 'body'"):
        list(read_documents([tmp_path / "one"], field="body"))
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"no arrow")
    with pytest.raises(KbertError, match="damaged dataset"):
        list(read_documents([tmp_path / "one"]))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def no_module(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(tables, "import_module", no_module)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(KbertError, match=r"\[data\]\"` in a clone of kbert"):
        list(read_documents([tmp_path]))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "as Excel writes it"])
def test_tables_of_text_are_read_by_column(tmp_path, mark):
    rows = '번호,글\n1,"첫 문장이다. 둘째, 문장이다.\n셋째 문장이다."\n2,\n3,다른 글이다.\n'
    (tmp_path / "a.csv").write_bytes(mark + rows.encode())
    assert list(read_documents([tmp_path / "a.csv"], field="글")) == [
        ["첫 문장이다.", "둘째, 문장이다.", "셋째 문장이다."],
        ["다른 글이다."],
    ]
    (tmp_path / "b.tsv").write_bytes('text\tlabel\n그는 "참 좋다.\t1\n'.encode("cp949"))
    assert list(read_documents([tmp_path / "b.tsv"], "cp949")) == [['그는 "참 좋다.']]
    with pytest.raises(KbertError, match=r"a.csv: no column 'text'; name one of \['번호', '글'\]"):
        list(read_documents([tmp_path]))
    with pytest.raises(KbertError, match=r"b.tsv"):
        list(read_documents([tmp_path / "b.tsv"]))


def test_what_is_not_read_of_a_folder_is_named(tmp_path, caplog):
    for name in ("a.txt", "b.hwp", "c/d.docx", ".DS_Store", ".git/e.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("한 문장이다.", encoding="utf-8")
    with caplog.at_level("WARNING", "kbert"):
        assert list(read_documents([tmp_path])) == [["한 문장이다."]]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{tmp_path}: 2 files not read, since")
    assert record.getMessage().endswith(": b.hwp, c/d.docx")
    caplog.clear()
    for name in ("b.hwp", "c/d.docx"):
        (tmp_path / name).unlink()
    list(read_documents([tmp_path]))
    assert not caplog.records
