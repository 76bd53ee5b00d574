import time

import pytest

from kbert import KbertError
from kbert.files.json_file import MAX_JSON_VALUES, MAX_NUMBER, read_json_object


def seconds(data: bytes) -> float:
    """The least of some tries: others use the machine, too."""
    found = []
    for _ in range(5):
        started = time.process_time()
        with pytest.raises(KbertError):
            read_json_object(data, "here", max_bytes=len(data))
        found.append(time.process_time() - started)
    return min(found)


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (b'{"a": "', b'\\"'),  # a string without an end, each of its quotes a beginning
        (b'{"a": "', b"\\\\"),
        (b'{"a": ', b'"\\'),
        (b'{"a": [', b'"",'),
        (b'{"a": ', b"]"),
        (b'{"', b'" "'),
        (b'{"a": ', b"9"),
    ],
)
def test_time_grows_with_the_bytes_and_no_faster(before, again):
    """Eight times the bytes take eight times as long; a quadratic reader takes 64 times."""
    short, long = (before + again * (count // len(again)) for count in (1 << 18, 1 << 21))
    assert seconds(long) < 24 * seconds(short) + 0.02


def test_numbers_and_values_have_limits():
    most = "9" * MAX_NUMBER
    assert read_json_object(f'{{"a": {most}}}'.encode(), "here") == {"a": int(most)}
    with pytest.raises(KbertError, match=r"here: 9+\.\.\. is no number that a config may have"):
        read_json_object(f'{{"a": {most}9}}'.encode(), "here")
    data = b'{"a": [' + b"1," * 9 + b"1]}"
    assert read_json_object(data, "here", max_values=11)["a"] == [1] * 10
    with pytest.raises(KbertError, match="some 11 values of JSON; 10 is the most"):
        read_json_object(data, "here", max_values=10)
    text = b'{"a": "' + b",[{" * MAX_JSON_VALUES + b'"}'  # within a string they count for nothing
    assert len(read_json_object(text, "here", max_bytes=len(text))["a"]) == 3 * MAX_JSON_VALUES


@pytest.mark.parametrize("text", ['"a\\\\"', '"[[["', '"\\"]"', '"\\u0022["'])
def test_what_stands_in_a_string_is_no_bracket(text):
    assert list(read_json_object(f'{{"x": {text}, "y": [[]]}}'.encode(), "here")) == ["x", "y"]


def test_a_key_that_stands_twice():
    for before in (b'{"b": {"a": 1, "c": [], "a": 2}', b'{"b": [{}, [{"a": 1, "a": 1}]]'):
        with pytest.raises(KbertError, match="here: the key 'a' stands twice in one object"):
            read_json_object(before + b"}", "here")
        long = before + b', "d": [' + b"1," * 100_000 + b"1]}"
        with pytest.raises(KbertError, match="here: a key stands twice in one object"):
            read_json_object(long, "here")
    assert read_json_object(b'{"a": {"a": {"a": 1}}, "b": ":", ":": 2}', "here")[":"] == 2
