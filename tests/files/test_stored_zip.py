import io
import struct
import zipfile

import pytest

from kbert import KbertError
from kbert.files.stored_zip import open_stored_zip


def archive(**members: bytes) -> bytearray:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return bytearray(data.getvalue())


def opened(data: bytes) -> list[str]:
    return open_stored_zip(io.BytesIO(bytes(data)), "here").namelist()


def test_what_zipfile_writes_is_opened():
    assert opened(archive(a=b"text", b=b"")) == ["a", "b"]


@pytest.mark.parametrize(
    ("bit", "message"),
    [(0, "encrypted"), (5, "encrypted or a patch|not a zip"), (6, "encrypted"), (13, "encrypted")],
)
def test_a_member_that_is_not_stored_plainly(bit, message):
    data = archive(a=b"text")
    for place in (6, data.rfind(b"PK\1\2") + 8):  # in its own header, and in the directory
        (flags,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, flags | 1 << bit)
    with pytest.raises(KbertError, match=message):
        opened(data)


@pytest.mark.parametrize(
    ("place", "number", "message"),
    [
        (8, 1, "part of several"),  # members here: fewer than altogether
        (10, 3, "part of several"),
        (4, 1, "part of several"),  # the number of this disk
        (6, 1, "part of several"),  # and of the directory's
    ],
)
def test_an_end_that_disagrees(place, number, message):
    data = archive(a=b"text", b=b"")
    struct.pack_into("<H", data, len(data) - 22 + place, number)
    with pytest.raises(KbertError, match=message):
        opened(data)


@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFF])
def test_a_count_that_is_not_what_is_there(count):
    data = archive(a=b"text", b=b"")
    struct.pack_into("<2H", data, len(data) - 14, count, count)
    with pytest.raises(KbertError, match=f"says that it has {count:,} members.*directory has 2"):
        opened(data)
