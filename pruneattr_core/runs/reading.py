"""Runs from a folder, a zip or loose files: sizes and names are looked at before anything is read."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pruneattr_core.archives import opened
from pruneattr_core.errors import StoreError
from pruneattr_core.runs.stored import HEADER, POINTS, TIMING, VALUES, Stored, checked, harmless

#: Bytes of one file and of a whole run, and members of a zip, that are accepted.
FILE_LIMIT, RUN_LIMIT, MEMBER_LIMIT = 32 << 20, 48 << 20, 256
#: Bytes of a zip's list of members.
DIRECTORY_LIMIT = 1 << 20


def from_folder(folder: Path) -> Stored:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, changed or of another schema.
    """
    return checked(read_files(folder), folder.name)


def read_files(folder: Path) -> dict[str, bytes]:
    """Name -> content of the files of a run's folder, not checked.

    Raises:
        StoreError: it cannot be read, or holds more than a run may.
    """
    files: dict[str, bytes] = {}
    try:
        if not folder.is_dir():
            raise StoreError(f"{folder} is no folder of a run.")
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                if file.stat().st_size > FILE_LIMIT or len(files) >= MEMBER_LIMIT:
                    raise StoreError(f"{file.name} of the run {folder.name} is too large to be ours.")
                files[file.relative_to(folder).as_posix()] = file.read_bytes()
    except OSError as error:
        raise StoreError(f"The run in {folder.name} cannot be read: {error.strerror}.") from error
    return files


def from_files(files: Mapping[str, bytes]) -> Stored:
    """The run whose files came one by one, as a browser sends a folder: only the last part of a name counts.

    Args:
        files: name -> content, from anybody.

    Raises:
        StoreError: foreign or too many files, hostile sizes, or whatever `from_folder` refuses.
    """
    named = {}
    for given, data in files.items():
        last = given.replace("\\", "/").rpartition("/")[2]
        name = f"samples/{last}" if last.endswith(".png") else last
        if not _expected(name) or name in named:
            raise StoreError(
                f"{harmless(given)!r} belongs to no run, or is there twice: nothing was imported."
            )
        named[name] = data
    if len(named) > MEMBER_LIMIT or sum(map(len, named.values())) > RUN_LIMIT:
        raise StoreError("These files are more than a run may have: nothing was imported.")
    return checked(named, "these files")


def from_zip(data: bytes) -> Stored:
    """The run in a zip that may come from anybody; nothing is written to disk.

    Raises:
        StoreError: no zip, hostile names or sizes, or whatever `from_folder` refuses.
    """
    try:
        with opened(io.BytesIO(data), DIRECTORY_LIMIT) as packed:
            return checked(_members(packed), "this file")
    except StoreError:
        raise
    except (
        Exception
    ) as error:  # zipfile and its unpackers raise anything from zlib.error to NotImplementedError
        raise StoreError(
            f"This is no zip file we can read ({harmless(str(error))}): export the run again."
        ) from error


def zipped(run: Stored) -> bytes:
    """The run as a zip file for export; equal runs give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in run.files().items():
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _members(packed: zipfile.ZipFile) -> dict[str, bytes]:
    found = [member for member in packed.infolist() if not member.is_dir()]
    names = [member.filename for member in found]
    if len(found) > MEMBER_LIMIT or len(set(names)) != len(names):
        raise StoreError(f"The zip holds {len(found)} files, some perhaps twice: this is no exported run.")
    top = os.path.commonpath(names) if names else ""
    files, left = {}, RUN_LIMIT
    for member in found:
        name = member.filename.removeprefix(f"{top}/") if top else member.filename
        if not _expected(name):
            raise StoreError(f"The zip holds {harmless(name)!r}, which no run has: nothing was imported.")
        with packed.open(member) as stream:
            files[name] = stream.read(min(left, FILE_LIMIT) + 1)
        left -= len(files[name])
        if left < 0 or len(files[name]) > FILE_LIMIT:
            raise StoreError("The zip unpacks to more than a run may have: nothing was imported.")
    return files


def _expected(name: str) -> bool:
    if name in (HEADER, VALUES, POINTS, TIMING):
        return True
    number = name.removeprefix("samples/").removesuffix(".png")
    return name == f"samples/{number}.png" and number.isascii() and number.isdigit() and len(number) < 6
