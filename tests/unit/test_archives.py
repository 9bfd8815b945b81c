"""The list of members of a zip is short, and stands where every reader looks for it."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from pruneattr_core.archives import TooMany, check_directory
from pruneattr_core.errors import StoreError, WeightsError
from pruneattr_core.models.checkpoint import read_checkpoint
from pruneattr_core.runs.reading import from_zip
from pruneattr_core.ui.paths.files import path_from_bytes


def zipped(members: int, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment
        for number in range(members):
            archive.writestr(f"{number}.txt", b"x")
    return out.getvalue()


def written_by_torch() -> bytes:
    out = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, out)
    return out.getvalue()


@pytest.mark.parametrize("data", [zipped(3), zipped(3, b"a comment"), zipped(0), written_by_torch()])
def test_a_list_in_its_place_is_taken_and_any_other_refused(data: bytes) -> None:
    check_directory(io.BytesIO(data), 1000)
    with pytest.raises(ValueError, match="not where it says"):
        check_directory(io.BytesIO(b"in front" + data), 1000)
    place = data.rindex(b"PK\x05\x06")
    for broken in (data[:place], data[: place + 20], data[:place] + b"between" + data[place:], b""):
        with pytest.raises(ValueError, match=r"it has no end|not where it says"):
            check_directory(io.BytesIO(broken), 1000)


def crowded(members: int) -> bytes:
    """A zip that lists one member again and again."""
    data = zipped(1)
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    listed = data[start:end] * members
    return data[:start] + listed + data[end : end + 12] + struct.pack("<IIH", len(listed), start, 0)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_unpacks_all_at_once_is_refused(method: int) -> None:
    """A piece of bzip2 or LZMA gives all that it holds, whatever the reader asks for: 700 bytes took 1 GB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("header.json", b"{}")
    with pytest.raises(StoreError, match="its members are not deflated"):
        from_zip(out.getvalue())
    with pytest.raises(StoreError, match="not a path"):
        path_from_bytes(out.getvalue(), "p.npz", ["a"], [torch.zeros(1, 4)])


def test_a_long_list_is_refused_before_it_is_read(tmp_path: Path) -> None:
    data = crowded(100_000)
    with pytest.raises(TooMany, match="the limit is 1,000"):
        check_directory(io.BytesIO(data), 1000)
    with pytest.raises(StoreError, match="the limit is"):
        from_zip(data)
    with pytest.raises(StoreError, match="not a path"):
        path_from_bytes(data, "p.npz", ["a"], [torch.zeros(1, 4)])
    (tmp_path / "weights.pt").write_bytes(data)
    with pytest.raises(WeightsError, match="more than 2 MB"):
        read_checkpoint(tmp_path / "weights.pt")
