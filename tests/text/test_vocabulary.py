import pytest

from kbert import KbertError, Tokenizer
from kbert.text.vocabulary import read_vocabulary, write_vocabulary


def test_files(tmp_path):
    path = tmp_path / "단어집.txt"
    write_vocabulary(["가", "##나", "\u2028"], path)
    assert path.read_bytes() == "가\n##나\n\u2028\n".encode()
    assert read_vocabulary(path) == ["가", "##나", "\u2028"]
    path.write_bytes("\ufeff가\r\n나".encode())
    assert read_vocabulary(path) == ["가", "나"]
    path.write_bytes("가\n".encode("cp949"))
    with pytest.raises(KbertError, match="byte 0"):
        read_vocabulary(path)
    path.write_bytes(b"")
    with pytest.raises(KbertError, match="empty"):
        read_vocabulary(path)


def test_repeated_tokens_and_blank_lines_keep_every_id(tmp_path, caplog):
    """As published vocabularies have them; transformers' reader gives the last line the token."""
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 국회 나 ##에 국회".split()
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n\n\n", encoding="utf-8")
    ours = Tokenizer(read_vocabulary(path))
    assert "2 blank lines" in caplog.messages[0]
    assert "3 lines repeat a token, as '국회' with the ids 5 and 10" in caplog.messages[1]
    assert len(ours) == 11 and len(caplog.messages) == 2
    ids = ours.encode(["국회에 나 [repeated 5]"])
    assert ids[0][:3] == [10, 9, 8] and not {5, 6, 7} & set(ids[0])
    transformers = pytest.importorskip("transformers")
    if hasattr(transformers, "BertTokenizer"):
        theirs = transformers.BertTokenizer(str(path), do_lower_case=False)
        assert theirs("국회에 나", add_special_tokens=False)["input_ids"] == ids[0][:3]
    ours.save(tmp_path / "again")
    assert Tokenizer.from_file(tmp_path / "again").vocabulary == ours.vocabulary
    path.write_text("\n\n\n")
    with pytest.raises(KbertError, match="empty"):
        read_vocabulary(path)


@pytest.mark.parametrize("token", ["a\nb", "a\r"])
def test_a_token_with_a_line_break_is_not_written(tmp_path, token):
    with pytest.raises(KbertError, match="holds a line break; leave it out"):
        Tokenizer([*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), token]).save(tmp_path)
