"""Files that a command cannot read, or nothing of what was asked for: one sentence, exit status 1."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pruneattr_core import cli, store
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import StoreError
from pruneattr_core.lessons.text import load

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"a.png": {"index": 0, "name": "cat"}, "b.png": {"index": 1, "name": "dog"}}


def pictures(folder: Path, labels: bytes) -> Path:
    folder.mkdir()
    for name in LABELS:
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / name)
    (folder / "labels.json").write_bytes(labels)
    return folder


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (b"", "Expecting value"),
        (b"[1]", "no object at the top"),
        (b'{"a.png": {"name": "\xff"}}', "can't decode byte"),
        (b'{"a.png": {"index": 1000000000}}', "a class index is 1000000000"),
        (b'{"none.png": {"index": 1000000000}}', "a class index is 1000000000"),
        (b'{"none.png": {"index": "cat"}}', "invalid literal"),
        (b'{"none.png": {"index": null}}', "NoneType"),
        (b'{"a.png": {"index": 0}, "a.png": {"index": 1}}', "'a.png' stands twice in one object"),
        (b'{"a.png": {"index": 0, "index": 1}}', "'index' stands twice in one object"),
        (b'{"a.png": {"imagenet_indices": [3, 3]}}', "[3, 3] name one class twice"),
        (
            b'{"a.png": {"index": 0, "name": "cat"}, "b.png": {"index": 0, "name": "dog"}}',
            "class 0 is called both 'cat' and 'dog'",
        ),
    ],
)
@pytest.mark.parametrize("command", ["bench pixels --methods random --out OUT", "circuit", "calibrate"])
def test_labels_that_are_none_are_one_sentence(command, labels, says, tmp_path, capsys) -> None:
    folder = pictures(tmp_path / "pictures", labels)
    words = command.replace("OUT", str(tmp_path / "out")).split()
    assert cli.main([*words, "--model", "scenes-net", "--data", str(folder), "--n", "1"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {folder}/labels.json is no description of pictures (")
    assert says in said
    assert not (tmp_path / "out").exists()


def test_a_mark_that_windows_writes_first_and_its_line_ends_are_no_fault(tmp_path: Path) -> None:
    mark, text = b"\xef\xbb\xbf", json.dumps(LABELS, indent=1)
    data = load_dataset("folder", pictures(tmp_path / "pictures", mark + text.replace("\n", "\r\n").encode()))
    assert data.classes == ("cat", "dog")
    lesson = ROOT / "assets" / "lessons" / "en" / "1-local-or-global.md"
    (tmp_path / "own.md").write_bytes(mark + lesson.read_bytes())
    assert load(tmp_path / "own.md", "en").title == load(lesson, "en").title


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("compress zoo --only nonsense", "No id of a student has nonsense in it"),
        ("reproduce --runs nowhere", "nowhere holds none of the folders bench, paths and compression"),
        ("runs list nowhere", "nowhere holds no runs"),
    ],
)
def test_nothing_of_what_was_asked_for_is_an_error(words, says, capsys) -> None:
    assert cli.main(words.split()) == 1
    assert says in capsys.readouterr().err


def test_a_full_disk_names_the_run_and_not_its_draft(tmp_path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(
        StoreError, match="^" + str(tmp_path / "run") + " could not be written: No space left"
    ):
        store.write_folder(tmp_path / "run", {"values.npy": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_is_asked_to_end_ends_what_it_has_begun(tmp_path: Path) -> None:
    """What serves the app, or runs a documented command, does so in a block that SIGTERM leaves in order."""
    code = (
        "import subprocess, sys, time\nfrom tests.browser.serving import answering_sigterm\n"
        "with answering_sigterm():\n    child = subprocess.Popen(['sleep', '60'])\n"
        "    try:\n        print(child.pid, flush=True); time.sleep(60)\n"
        "    finally:\n        child.kill(); child.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as tool:
        child = int(tool.stdout.readline())
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(20) == 143
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize(
    "command",
    [
        "bench pixels --methods random --out OUT", "circuit --reference 1", "nesting", "accuracy",
        "paths --n-dgr 0 --cache CACHE --out OUT", "shapley --orders 2 --reference 1",
    ],
)  # fmt: skip
def test_a_command_says_once_what_a_folder_lacks(command: str, tmp_path: Path, capsys: Any) -> None:
    labels = {name: {**about, "mask": f"no-{name}"} for name, about in LABELS.items()}
    folder = pictures(tmp_path / "pictures", json.dumps(labels).encode())
    (folder / "masks").mkdir()
    Image.new("L", (16, 16)).save(folder / "masks" / "no-b.png")
    (folder / "c.png").write_bytes(b"no picture")
    words = command.replace("OUT", str(tmp_path / "out")).replace("CACHE", str(tmp_path / "cache")).split()
    cli.main([*words, "--model", "scenes-net", "--data", str(folder), "--n", "1"])
    said = capsys.readouterr()
    assert (said.out + said.err).count("2 files were left out: ") == 1
    assert "The mask 'no-a.png' of 'a.png' is not in the folder masks: put it there." in said.out + said.err


def test_compare_says_that_a_picture_stands_twice(tmp_path: Path, capsys: Any) -> None:
    first, second, other = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    for file, number in ((first, 0), (second, 0), (other, 1)):
        load_dataset("scenes")[number].image.save(file)
    words = ["compare", "--methods", "edges", "--no-curves", *map(str, (first, first, other, second))]
    assert cli.main(words) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "twice" in line]
    assert said == [
        f"{first} stands twice: the means count it twice.",
        f"{second} and {first} are one picture, which stands twice: the means count it twice.",
    ]
