"""A zip whose members are stored as they are: what `.keras` and PyTorch files are.

A zip says twice what it holds, in its directory at the end and before each member, and leaves room
for more; programs differ in what they believe. What passes here has one reading: it begins with its
first member and ends with its directory, and no two members share a byte.
"""

import io
import struct
import zipfile
import zlib
from collections import Counter
from typing import BinaryIO

from kbert.errors import KbertError

MAX_DIRECTORY_BYTES = 1 << 20  # some 10,000 members; BERT-large in PyTorch's format has 400
_CHUNK = 1 << 20
_ENCRYPTED, _PATCHED, _STRONG, _MASKED = 1 << 0, 1 << 5, 1 << 6, 1 << 13
_LINK, _FILE_TYPE = 0o120000, 0o170000


def open_stored_zip(file: BinaryIO, where: str) -> zipfile.ZipFile:
    """Opens a zip after a look at everything that it says about itself.

    Args:
        file: an open file.
        where: its name in errors.

    Raises:
        KbertError: if it is no zip, or has members that are compressed, encrypted, links, twice
            there, overlapping, or outside of what a plain relative path can name.
    """
    size, count = _check_directory(file, where)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        # A directory that cannot be; a version beyond 6.3; a name that says UTF-8 and is not. No
        # more comes out of Python 3.11 to 3.14: each structure's length is looked at before it is
        # unpacked, and no place is sought that `_check_directory` or zipfile has not checked.
        raise KbertError(f"{where}: not a zip file, or a damaged one ({error})") from error
    if len(archive.infolist()) != count:
        raise KbertError(
            f"{where}: says that it has {count:,} members, and its directory has "
            f"{len(archive.infolist()):,}"
        )
    end = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        _check_member(member, where)
        end = _check_place(file, member, end, size, where)
    for name, times in Counter(archive.namelist()).most_common(1):
        if times > 1:
            raise KbertError(f"{where}: holds {name!r:.80} twice")
    if end > archive.start_dir:
        raise KbertError(f"{where}: its members run into its directory")
    return archive


def check_contents(archive: zipfile.ZipFile, where: str) -> None:
    """Reads every member once, and raises KbertError if one does not have its checksum."""
    for member in archive.infolist():
        try:
            with archive.open(member) as stream:
                while stream.read(_CHUNK):
                    pass
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error) as error:
            raise KbertError(f"{where}: {member.filename!r} is damaged ({error})") from error


def _check_directory(file: BinaryIO, where: str) -> tuple[int, int]:
    """Looks at the end of the file, before zipfile reads the directory.

    Returns:
        The file's size, and how many members it says it has.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 98))
    tail = file.read(98)
    file.seek(0)
    if file.read(4) != b"PK\3\4" or tail[-22:-18] != b"PK\5\6":
        raise KbertError(
            f"{where}: not a zip file, or a damaged one: it does not begin with a member and end "
            "with its directory"
        )
    disk, first, here, count, directory = struct.unpack("<4HL", tail[-18:-6])
    if tail[-42:-38] == b"PK\6\7":  # zip64, for files of more than 2 GB; always there in PyTorch's
        if len(tail) < 98 or tail[:4] != b"PK\6\6":
            raise KbertError(f"{where}: a damaged zip file: its zip64 directory is not at the end")
        disk, first, here, count, directory = struct.unpack("<2L3Q", tail[16:48])
    if disk or first or here != count:
        raise KbertError(f"{where}: a zip file that says it is a part of several")
    if directory > MAX_DIRECTORY_BYTES:
        raise KbertError(
            f"{where}: its directory has {directory:,} bytes; {MAX_DIRECTORY_BYTES:,} is the most"
        )
    return size, count


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name = member.orig_filename  # as it stands there: `filename` ends at a NUL
    parts = name.removesuffix("/").split("/")
    if not all(parts) or ".." in parts or "." in parts or "\\" in name or ":" in name:
        raise KbertError(f"{where}: {name!r:.80} is not a plain relative path")
    if not name.isprintable() or name != member.filename:
        raise KbertError(f"{where}: {name!r:.80} is not a plain name")
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise KbertError(f"{where}: {name!r:.80} is compressed; it must be stored as it is")
    if member.flag_bits & (_ENCRYPTED | _PATCHED | _STRONG | _MASKED):
        raise KbertError(
            f"{where}: {name!r:.80} is encrypted or a patch; it must be stored plainly"
        )
    if (member.external_attr >> 16) & _FILE_TYPE == _LINK:
        raise KbertError(f"{where}: {name!r:.80} is a link")


def _check_place(file: BinaryIO, member: zipfile.ZipInfo, end: int, size: int, where: str) -> int:
    """Checks a member's own header and where it lies; returns where it ends."""
    if member.header_offset + 30 > size:
        raise KbertError(f"{where}: {member.filename!r:.80} lies behind the file's end")
    if member.header_offset < end or (end == 0 and member.header_offset):
        raise KbertError(f"{where}: {member.filename!r:.80} overlaps another, or is not in place")
    file.seek(member.header_offset)
    header = struct.unpack("<4s5H3L2H", file.read(30))
    signature, _, flags, method, _, _, crc, packed, plain, name_length, extra_length = header
    name = file.read(name_length)
    if signature != b"PK\3\4" or name.decode("utf-8", "replace") != member.orig_filename:
        raise KbertError(f"{where}: {member.filename!r:.80} has another name in its own header")
    same = (crc, packed, plain) == (member.CRC, member.file_size, member.file_size)
    elsewhere = bool(flags & 8) and not (crc or packed or plain)  # they follow the member
    elsewhere |= packed == plain == 0xFFFFFFFF  # they are in a zip64 field
    if method != zipfile.ZIP_STORED or flags != member.flag_bits or not (same or elsewhere):
        raise KbertError(f"{where}: {member.filename!r:.80} differs from what the directory says")
    return member.header_offset + 30 + name_length + extra_length + member.file_size


class Member(io.RawIOBase):
    """A stored member as a file of its own: a window on the archive's file, not a copy.

    Args:
        file: the archive's file.
        member: one that `open_stored_zip` checked.
    """

    def __init__(self, file: io.BufferedReader, member: zipfile.ZipInfo):
        super().__init__()
        file.seek(member.header_offset + 26)
        name_length, extra_length = struct.unpack("<2H", file.read(4))
        self._file = file
        self._start = member.header_offset + 30 + name_length + extra_length
        self._size = member.file_size
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves, and returns where to."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer) -> int:
        """Fills a buffer as far as the member goes; returns how many bytes came."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._place)]
        self._file.seek(self._start + self._place)
        count = self._file.readinto(view)
        self._place += count
        return count
