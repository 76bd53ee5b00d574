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
    path.write_text("가\n나\n가\n", encoding="utf-8")
    with pytest.raises(KbertError, match="'가' stands twice, as ids 0 and 2"):
        read_vocabulary(path)
    path.write_bytes(b"")
    with pytest.raises(KbertError, match="empty"):
        read_vocabulary(path)


@pytest.mark.parametrize("token", ["a\nb", "a\r"])
def test_a_token_with_a_line_break_is_not_written(tmp_path, token):
    with pytest.raises(KbertError, match="holds a line break; leave it out"):
        Tokenizer([*"[PAD] [UNK] [CLS] [SEP] [MASK]".split(), token]).save(tmp_path)
