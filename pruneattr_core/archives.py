"""Zips from anybody: the list of members is looked at before it is parsed, and how they are packed."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

#: End of a zip, the same for large ones, and what names the place of the latter.
_END, _END64, _PLACE64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
#: Bytes of each, and of the longest comment behind the first.
_END_SIZE, _END64_SIZE, _PLACE64_SIZE, _COMMENT = 22, 56, 20, 1 << 16


class TooMany(ValueError):
    """A zip lists more members than it may."""


def opened(data: IO[bytes], longest: int) -> zipfile.ZipFile:
    """A zip whose members unpack piece by piece: LZMA and bzip2 give all that a piece holds, of any size.

    Args:
        data: the file.
        longest: see `check_directory`.

    Raises:
        ValueError: see `check_directory`; or a member is packed in another way than deflated.
        zipfile.BadZipFile: it is damaged.
    """
    check_directory(data, longest)
    archive = zipfile.ZipFile(data)
    for member in archive.infolist():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("its members are not deflated")
    return archive


def check_directory(data: IO[bytes], longest: int) -> None:
    """See that a zip's list of members is short, and stands where every reader looks for it.

    A reader makes some five hundred bytes of each member, which takes 46 in the list. Some readers trust what
    the end says about the list's place, others look just before the end: a file can show them two lists.

    Args:
        data: the file; left at any place.
        longest: bytes of the list that are accepted.

    Raises:
        TooMany: the list is longer.
        ValueError: no zip, or a list that is not where it should be.
    """
    size = data.seek(0, os.SEEK_END)
    begin = data.seek(max(0, size - _END_SIZE - _COMMENT - _END64_SIZE - _PLACE64_SIZE))
    tail = data.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_SIZE:
        raise ValueError("it has no end")
    listed, start = struct.unpack("<II", tail[end + 12 : end + 20])
    behind = begin + end
    large = end - _PLACE64_SIZE
    if large >= 0 and tail[large : large + 4] == _PLACE64:
        record = large - _END64_SIZE
        (place,) = struct.unpack("<Q", tail[large + 8 : large + 16])
        if record < 0 or tail[record : record + 4] != _END64 or place != begin + record:
            raise ValueError("its end is not where it says")
        listed, start = struct.unpack("<QQ", tail[record + 40 : record + 56])
        behind = begin + record
    if start + listed != behind:
        raise ValueError("its list of members is not where it says")
    if listed > longest:
        raise TooMany(f"its list of members has {listed:,} bytes, the limit is {longest:,}")
