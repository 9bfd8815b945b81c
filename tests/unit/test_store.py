"""Files and folders on a disk that is full, read-only, shared or already taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pruneattr_core import store
from pruneattr_core.errors import StoreError
from pruneattr_core.store import (
    read_sealed,
    refuse_unwritable,
    sealed,
    unsealed,
    with_ending,
    write_atomically,
    write_folder,
    write_sealed,
)

FILES = {"header.json": b"{}", "samples/000.png": b"png"}


def left(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*"))


def fails(number: int):
    """Stands for a call of the system that fails."""

    def call(*_, **__):
        raise OSError(number, os.strerror(number))

    return call


def test_a_disk_that_turned_read_only_gives_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(Path, "open", fails(30))
    monkeypatch.setattr(Path, "unlink", fails(30))
    with pytest.raises(StoreError, match=r"a could not be written: Read-only file system\. Nothing was"):
        write_atomically(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("fault", ["fsync", "rename"])
def test_a_full_disk_leaves_no_draft(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(*((os, "fsync") if fault == "fsync" else (Path, "rename")), fails(28))
    with pytest.raises(StoreError, match="No space left on device"):
        write_folder(tmp_path / "run", FILES)
    assert left(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "run", FILES)
    assert left(tmp_path) == []


def test_drafts_of_dead_processes_are_cleaned_and_no_others(tmp_path):
    here, dead, alive = store._MACHINE, 2**22 + 7, os.getppid()
    kept = {f".run.{here}-{alive}-1.draft", f".run.another-{dead}-1.draft", f".other.{here}-{dead}-1.draft"}
    for name in (*kept, f".run.{here}-{dead}-1.draft"):
        (tmp_path / name).mkdir()
    (tmp_path / f".a[1].{here}-{dead}-1.part").touch()
    write_folder(tmp_path / "run", FILES)
    write_atomically(tmp_path / "a[1]", b"")
    assert {file.name for file in tmp_path.glob(".*")} == kept


def test_an_empty_folder_is_a_place_for_a_run(tmp_path):
    (tmp_path / "run").mkdir()
    refuse_unwritable(tmp_path / "run", new_folder=True)
    write_folder(tmp_path / "run", FILES)
    assert left(tmp_path) == ["run", "run/header.json", "run/samples", "run/samples/000.png"]
    with pytest.raises(StoreError, match="never overwritten"):
        write_folder(tmp_path / "run", {"header.json": b"other"})
    assert (tmp_path / "run" / "header.json").read_bytes() == b"{}"


def test_whoever_comes_second_is_told_so_and_changes_nothing(tmp_path, monkeypatch):
    mkdir = Path.mkdir

    def overtaken(self: Path, *args, **kwargs):
        mkdir(self, *args, **kwargs)
        if self.name.endswith(".draft"):
            mkdir(tmp_path / "run")
            (tmp_path / "run" / "header.json").write_bytes(b"first")

    monkeypatch.setattr(Path, "mkdir", overtaken)
    with pytest.raises(StoreError, match="exists already"):
        write_folder(tmp_path / "run", FILES)
    assert left(tmp_path) == ["run", "run/header.json"]
    assert (tmp_path / "run" / "header.json").read_bytes() == b"first"


def test_what_cannot_be_written_is_refused_before_and_nothing_is_left(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    places = {
        "file": "exists already",
        "full": "exists already",
        "file/run": "file is no folder",
        "dangling": "a link to something that is not there",
        "dangling/run": "dangling is no folder",
        "x" * 300: "File name too long",
    }
    before = left(tmp_path)
    for name, says in places.items():
        with pytest.raises(StoreError, match=says):
            refuse_unwritable(tmp_path / name, new_folder=True)
    for name, says in {"full": "is a folder, and a file", **dict(list(places.items())[2:])}.items():
        with pytest.raises(StoreError, match=says):
            refuse_unwritable(tmp_path / name)
    refuse_unwritable(tmp_path / "new" / "deep" / "run", new_folder=True)
    refuse_unwritable(tmp_path / "file")
    for number, says in ((30, "Read-only file system"), (28, "No space left on device")):
        monkeypatch.setattr(Path, "write_bytes", fails(number))
        with pytest.raises(StoreError, match=says):
            refuse_unwritable(tmp_path / "new")
    assert left(tmp_path) == before


@pytest.mark.parametrize("name", ["file", "new/file", "newer/deep/file"])
def test_what_is_not_refused_before_the_work_can_be_written_after_it(tmp_path, name):
    refuse_unwritable(tmp_path / name)
    assert left(tmp_path) == []
    write_atomically(tmp_path / name, b"done")
    assert (tmp_path / name).read_bytes() == b"done"


def test_a_seal_notices_every_flipped_byte(tmp_path):
    data = sealed(b"abc")
    assert unsealed(data) == b"abc"
    for place in range(len(data)):
        with pytest.raises(StoreError):
            unsealed(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(StoreError):
            unsealed(data[:place])
    said: list[str] = []
    assert read_sealed(tmp_path / "none", said.append) is None
    write_sealed(tmp_path / "made" / "a", b"abc")
    assert read_sealed(tmp_path / "made" / "a", said.append) == b"abc"
    assert said == []
    assert read_sealed(tmp_path / "made", said.append) is None
    assert "Is a directory" in said[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_devices_and_pipes_are_never_replaced_by_files(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for place in (pipe, link):
        for write in (refuse_unwritable, lambda place: write_atomically(place, b"data")):
            with pytest.raises(StoreError, match="device or a pipe"):
                write(place)
        assert place.is_fifo()
    assert link.is_symlink()
    for place in ("/dev/null", "/dev/stdout"):  # only asked: a fault here would harm the machine
        with pytest.raises(StoreError, match="device or a pipe"):
            refuse_unwritable(Path(place))


def test_what_lies_beside_a_folder_has_its_name_however_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert with_ending(Path("run"), ".partial") == Path("run.partial")
    for here in (".", "", "./", "in/.."):
        assert with_ending(Path(here), ".partial").resolve() == tmp_path.with_name(f"{tmp_path.name}.partial")
    assert with_ending(Path(".."), ".md") == tmp_path.parent.with_name(f"{tmp_path.parent.name}.md")
    with pytest.raises(StoreError, match="no name of its own"):
        with_ending(Path("/"), ".partial")


@pytest.mark.parametrize("write", [write_atomically, write_folder])
def test_the_root_of_a_disk_is_no_place_for_a_file_or_a_folder(write):
    with pytest.raises(StoreError, match="root of a disk"):
        write(Path("/"), {} if write is write_folder else b"")
