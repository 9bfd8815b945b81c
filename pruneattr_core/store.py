"""Writing files so that a reader never meets half of one, and reading them so that damage is noticed.

A file or folder is written under another name beside its place, its draft, and then renamed. What a killed
process left of its drafts is removed by the next one that writes there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pruneattr_core.errors import ArgumentTypeError, StoreError

#: First word of a sealed file; the SHA-256 of what follows comes after it, then a line feed.
_SEAL = b"pruneattr-sealed/1 "
_HEAD = len(_SEAL) + 65
#: Bytes that the smallest file with something in it takes of a disk.
_PAGE = 4096
#: Names this machine in drafts: the processes of another one that shares the disk cannot be asked for here.
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def write_atomically(file: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `file`: afterwards the file is complete or, on failure, as it was before.

    Folders above it are made if need be, as `refuse_unwritable` promises.

    Raises:
        ArgumentTypeError: `file` names none.
        StoreError: the disk is full or writing is not allowed.
    """
    if not isinstance(file, str | os.PathLike):
        raise ArgumentTypeError(f'Expected the name of a file, such as "out.npz", got {file!r}.')
    target = Path(file)
    _refuse_special(target)
    part = _draft(target, "part")
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _forget(target, "part")
            _write(part, data)
            part.replace(target)
        except BaseException:
            with suppress(OSError):  # on a disk that cannot be written nothing can be removed either
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{target} could not be written: {_why(error)}. Nothing was changed.") from error


def _write(file: Path, data: bytes) -> None:
    with file.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder, or fill an empty one: it appears complete or not at all, nothing is overwritten.

    Args:
        folder: its place.
        files: name within the folder, "/" between parts -> content.

    Raises:
        StoreError: there is something at this place, or it cannot be written.
    """
    folder, draft = Path(os.path.abspath(folder)), _draft(folder, "draft")
    try:
        _refuse_taken(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _forget(folder, "draft")
        draft.mkdir()
        for name, data in files.items():
            (draft / name).parent.mkdir(exist_ok=True)
            _write(draft / name, data)
        if os.name == "nt" and folder.exists():
            folder.rmdir()
        draft.rename(folder)  # onto an empty folder this replaces it, onto a full one it fails
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # another process was faster
            _refuse_taken(folder)
        raise StoreError(f"{folder} could not be written: {_why(error)}. Nothing was changed.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _refuse_special(place: Path) -> None:
    """A device or a pipe is not written but replaced by a file: with the rights for it, /dev/null for all."""
    special = place.exists() and not place.is_file() and not place.is_dir()
    if special or os.path.realpath(place.parent) == "/dev":  # links there lead to what a program has open
        raise StoreError(f"{place} is a device or a pipe, and a file is to be written: name a file.")


def with_ending(place: Path, suffix: str) -> Path:
    """The file or folder beside another that has its name and this suffix.

    Raises:
        StoreError: the place has no name, as the root of a disk.
    """
    named = place if place.name not in ("", "..") else place.resolve()
    if not named.name:
        raise StoreError(f"{str(place)!r} has no name of its own: name a new folder in it.")
    return named.with_name(f"{named.name}{suffix}")


def refuse_unwritable(place: Path, new_folder: bool = False) -> None:
    """Say before anything is computed that `place` cannot be written.

    Nothing is left behind: a file is made, and removed, in the nearest folder above that is there.

    Args:
        place: file or folder to be written later; folders above it may be missing.
        new_folder: whether it is a folder that must not hold anything yet.

    Raises:
        StoreError: why it cannot.
    """
    above = Path(os.path.abspath(place)).parent
    try:
        if new_folder:
            _refuse_taken(place)
        elif place.is_dir():
            raise StoreError(f"{place} is a folder, and a file is to be written: name a file in it.")
        else:
            _refuse_special(place)
            _refuse_dangling(place)
        while not above.exists() and not above.is_symlink() and above != above.parent:
            above = above.parent
        if not above.is_dir():
            raise StoreError(f"{place} cannot be written: {above} is no folder. Name another place.")
        probe = above / _draft(place, "part").name
        try:
            probe.write_bytes(bytes(_PAGE))  # a full disk still takes files that hold nothing
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {_why(error)}. Name another place.") from error


def sealed(data: bytes) -> bytes:
    """The bytes with their SHA-256 in front, so that `unsealed` notices whatever happens to them."""
    return _SEAL + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unsealed(data: bytes) -> bytes:
    """What was sealed.

    Raises:
        StoreError: the bytes are not those that were written. The text is the end of a sentence.
    """
    if not data.startswith(_SEAL) or len(data) < _HEAD:
        raise StoreError("it does not begin as a file of this version does")
    body = data[_HEAD:]
    if data[len(_SEAL) : _HEAD] != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise StoreError("its content does not have the checksum written in it")
    return body


def write_sealed(file: Path, data: bytes) -> None:
    """Write `sealed(data)` atomically.

    Raises:
        StoreError: it cannot be written.
    """
    write_atomically(file, sealed(data))


def read_sealed(file: Path, say: Callable[[str], None]) -> bytes | None:
    """What is sealed in `file`; None where there is none, or where it is damaged, which `say` is told."""
    try:
        return unsealed(file.read_bytes())
    except FileNotFoundError:
        return None
    except (StoreError, OSError) as error:
        why = _why(error) if isinstance(error, OSError) else str(error)
        say(f"{file} is damaged ({why}) and is not used.")
        return None


def _refuse_taken(folder: Path) -> None:
    _refuse_dangling(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} exists already, and runs are never overwritten: choose another --out.")


def _refuse_dangling(place: Path) -> None:
    if place.is_symlink() and not place.exists():
        raise StoreError(
            f"{place} is a link to something that is not there: remove it or name another place."
        )


def _draft(place: Path, suffix: str) -> Path:
    place = Path(os.path.abspath(place))  # "." has no name
    if not place.name:
        raise StoreError(f"{place} is the root of a disk: name a file or a folder in it.")
    return place.with_name(f".{place.name}.{_MACHINE}-{os.getpid()}-{threading.get_ident()}.{suffix}")


def _forget(target: Path, suffix: str) -> None:
    """Remove this machine's drafts of `target` whose process has ended."""
    mine = f".{target.name}.{_MACHINE}-"
    for draft in target.parent.glob(f".{_literal(target.name)}.{_MACHINE}-*.{suffix}"):
        process = draft.name.removeprefix(mine).partition("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                shutil.rmtree(draft) if suffix == "draft" else draft.unlink()


def _runs(process: int) -> bool:
    if os.name == "nt":  # there os.kill ends a process, whatever the signal
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's, or cannot be asked for
        return True
    return True


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
