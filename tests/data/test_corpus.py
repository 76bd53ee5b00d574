import gzip
import json
import lzma

import pytest

from kbert import KbertError
from kbert.data.corpus import read_documents

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
    with pytest.raises(KbertError, match=r"옛글.txt: not UTF-8 at byte 6 .*--encoding cp949"):
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
