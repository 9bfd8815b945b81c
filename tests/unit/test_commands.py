"""The command line: wrong arguments are said first, a result is text or JSON, a stop says what is kept."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import re
import signal
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch
from PIL import Image

import pruneattr_core
from pruneattr_core import cli
from pruneattr_core.commands import app, bench, doctor
from pruneattr_core.commands.progress import Progress
from pruneattr_core.store import write_sealed

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("--model", "scenes-net", "--data", "scenes")
PIXELS = ("bench", "pixels", *SOURCE, "--out", "x")


def parser_of(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(name)
    importlib.import_module(cli.COMMANDS[name][0]).add_arguments(parser)
    return parser


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from actions(part)
        else:
            yield action


def leaves(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The help of every command that can be run."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for part in action.choices.values():
            yield from leaves(part)
    if not below:
        yield parser.format_help()


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_number_is_checked_when_it_is_read(name):
    for action in actions(parser_of(name)):
        assert action.type not in (int, float), action.option_strings
        if getattr(action.type, "__module__", "") == "pruneattr_core.commands.arguments":
            for text in ("-1", "nan", "inf", "", "ten", "1e999"):
                with pytest.raises(argparse.ArgumentTypeError, match=f"expected .*, got {text!r}"):
                    action.type(text)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_its_words_and_has_json(name):
    for action in actions(parser_of(name)):
        assert action.help, action.option_strings or action.dest
    if name != "app":  # Streamlit's own output
        assert all("--json" in text for text in leaves(parser_of(name)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*PIXELS, "--n", "0"), "--n: expected a whole number of 1 or more, got '0'"),
        ((*PIXELS, "--chunk", "-1"), "--chunk: expected a whole number of 1"),
        ((*PIXELS, "--threads", "-1"), "a whole number from 1 to 1024"),
        ((*PIXELS, "--seed", "-1"), "a whole number from 0 to 4294967295"),
        ((*PIXELS, "--fill", "pink"), "invalid choice: 'pink'"),
        (("bench", "sanity", *SOURCE, "--out", "x", "--fill", "mean"), "unrecognized arguments: --fill mean"),
        (("calibrate", *SOURCE, "--batch", "0"), "--batch: expected a whole number of 1 or more"),
        (("paths", *SOURCE, "--out", "x", "--sparsities", "0.5", "1.5"), "0 and at most 1, got '1.5'"),
        (("compress", "unstructured", "--teacher", "t", "--rate", "1"), "above 0 and below 1, got '1'"),
        (("train", "scenes-net", "--seed", "4294967296"), "got '4294967296'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(words, says, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_each_benchmark_shows_its_own_options(capsys):
    shown = {}
    for name in ("pixels", "calibrate", "roar"):
        with pytest.raises(SystemExit):
            cli.main(["bench", name, "--help"])
        shown[name] = capsys.readouterr().out
    assert "--fill" in shown["pixels"]
    assert "--width" in shown["roar"]
    assert not any(option in shown["calibrate"] for option in ("--fill", "--width", "--variant"))
    known = {choice for one in bench.BENCHMARKS.values() for choice in one.choices} - {"train"}
    assert known == set(bench._CHOICES), "a choice without an option, or the other way round"


@pytest.mark.parametrize("words", [("models",), ("models", "--here"), ("data",), ("doctor",)])
def test_lists_come_as_text_and_as_json(words, capsys):
    assert cli.main([*words]) == 0
    text = capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    if words[0] == "doctor":
        assert found["packages"]["torch"] in text
        assert found["missing"] == []
    else:
        names = [one["id"] for one in found[words[0]]]
        assert {"models": "scenes-net", "data": "scenes"}[words[0]] in names
        assert all(name in text for name in names)


def test_doctor_knows_every_package_that_some_part_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [one for listed in project["optional-dependencies"].values() for one in listed]
    core = {one.split(">")[0] for one in project["dependencies"]}
    every = core | {one.split(">")[0] for one in extras if not one.startswith("pruneattr[")}
    assert set(doctor._NEEDED) == every
    assert {name for name, (_, always) in doctor._NEEDED.items() if always} == core


def test_doctor_names_what_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(doctor._NEEDED, "no-such-package", ("everything", True))
    monkeypatch.setenv("PRUNEATTR_DATA", "/nowhere")
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "missing: no-such-package is not installed" in out
    assert "note: PRUNEATTR_DATA is '/nowhere', which is no folder" in out


def test_what_runs_say_comes_as_json(capsys):
    runs = ROOT / "assets" / "runs"
    found = {}
    for words in (["runs", "list"], ["runs", "rank"], ["reproduce", "--runs"]):
        folder = runs if words[0] == "reproduce" else runs / "bench"
        assert cli.main([*words, str(folder), "--json"]) == 0
        found |= json.loads(capsys.readouterr().out)
    names = {one["name"] for one in found["runs"]}
    assert {line["run"] for one in found["rankings"] for line in one["lines"]} <= names
    assert len(found["claims"]) > 200


def test_a_result_as_json_is_all_that_is_printed(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["bench", "pixels", *SOURCE, "--n", "1", "--methods", "random", "--out", str(out), "--json"]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)["runs"]["pixels"]
    assert found["folder"] == str(out)
    assert found["summary"][0]["method"] == "Random map"
    assert "1 of 1 cells" in said.err


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Process 486 has 66 MiB in use."),
        MemoryError(),
        BrokenProcessPool("A process in the process pool was terminated abruptly"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
)
def test_a_full_memory_is_a_sentence_and_loses_nothing(error, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"

    def full(*_):
        write_sealed(out.with_name("run.partial") / "0.cell", b"{}")
        raise error

    monkeypatch.setattr(bench, "execute", full)
    assert cli.main(["bench", "pixels", *SOURCE, "--n", "1", "--methods", "random", "--out", str(out)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("error: The memory is full")
    assert said.endswith(f"Finished cells are kept in {out}.partial. The same command goes on there.")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_on_a_terminal_and_lines_in_a_log(monkeypatch):
    now = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    written = []
    for out in (io.StringIO(), Terminal()):
        tell, now = Progress("cells", out), 0.0
        for now, done, what in (  # noqa: B007  # the clock reads it
            (1000.0, 2, "PruneGrad"), (1010.0, 3, "PrunePGD"), (1015.0, 3.5, "PrunePGD"), (1040.0, 4, "LRP"),
            (5000.0, 12, ""),
        ):  # fmt: skip
            tell(done, 12, what)
        tell(12, 12)
        written.append(out.getvalue())
    log, terminal = written
    lines = log.splitlines()
    assert [lines[0], lines[-1]] == ["2 of 12 cells, PruneGrad, 00:00", "12 of 12 cells, 1:06:40"]
    assert lines[1:-1] == ["4 of 12 cells, LRP, 00:40, about 02:40 left"]
    assert terminal.count("\n") == 1
    assert "3.5 of 12 cells, PrunePGD, 00:15, about 01:25 left" in terminal
    assert terminal.endswith("12 of 12 cells, 1:06:40" + terminal.rpartition("1:06:40")[2])


#: A command line -> its options that name what it writes.
WRITING = {
    "train scenes-net": "--out --cache",
    "compress teacher": "--out --cache",
    **dict.fromkeys(
        (f"compress {kind} --teacher scenes-net" for kind in ("distil", "unstructured", "structured")),
        "--out --cache",
    ),
    "compress zoo": "--students --cache",
    "compress table": "--students --out",
    "calibrate SOURCE": "--out",
    "bench pixels SOURCE": "--out",
    "paths SOURCE": "--out --cache",
    "circuit SOURCE": "--out --graph",
    **dict.fromkeys(("linearity SOURCE", "nesting SOURCE", "shapley SOURCE"), "--out"),
    **dict.fromkeys(("explain PHOTO", "sweep PHOTO", "compare PHOTO"), "--out"),
    "reproduce": "--out",
    "gallery": "--out",
    "lesson 4-clever-hans": "--out",
    "data": "--save",
}


def test_places_that_cannot_be_written_are_refused_before_anything_is_computed(tmp_path, capsys, monkeypatch):
    named = {(line.split()[0], option) for line, options in WRITING.items() for option in options.split()}
    for command in cli.COMMANDS:
        writes = [one for one in actions(parser_of(command)) if one.dest in ("out", "save", "graph", "cache")]
        assert {(command, one.option_strings[0]) for one in writes} <= named
    monkeypatch.setattr(torch.nn.Module, "__call__", lambda *_, **__: pytest.fail("something is computed"))
    (tmp_path / "file").touch()
    Image.new("RGB", (80, 80)).save(tmp_path / "photo.png")
    place = str(tmp_path / "file" / "out.json")
    for line, options in WRITING.items():
        line = line.replace("SOURCE", " ".join(SOURCE)).replace("PHOTO", str(tmp_path / "photo.png"))
        for option in options.split():
            more = ["--out", str(tmp_path / "ok")] if option != "--out" and "--out" in options else []
            assert cli.main([*line.split(), option, place, *more]) == 1
            (said,) = capsys.readouterr().err.splitlines()
            assert "is no folder. Name another place." in said, (line, option, said)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "photo.png"]


def test_what_the_system_says_of_a_file_is_a_sentence(monkeypatch, capsys):
    def run(arguments):
        raise OSError(28, "No space left on device", "/a/b")

    monkeypatch.setattr("pruneattr_core.commands.doctor.run", run)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().err == "error: /a/b: No space left on device.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "80x"], "a whole number from 1 to 65535, got '80x'"),
        (["--port", "65536"], "a whole number from 1 to 65535"),
        (["--server.port", "80x"], "'80x' is not a valid integer"),
        (["--server.port=99999"], "a port is from 1 to 65535, got 99999"),
        (["--server.prot", "8600"], "No such option '--server.prot'"),
        (["--server.port"], "requires an argument"),
        (["8600"], "'8600' is no option"),
        (["--model", "nowhere.py:build"], "There is no file 'nowhere.py'"),
        (["--model", "resnet50"], "--model names code as FILE.py:FUNCTION, got 'resnet50'"),
        (["--pictures", "nowhere"], "There is no folder 'nowhere'"),
    ],
)
def test_an_app_that_cannot_start_says_why_in_one_sentence(words, says, monkeypatch, capsys):
    monkeypatch.setattr(app, "_served", lambda *_: pytest.fail("it was started"))
    with pytest.raises(SystemExit) as stopped:
        sys.exit(cli.main(["app", *words]))
    assert stopped.value.code == (2 if words[0] == "--port" else 1)
    said = capsys.readouterr().err.strip().splitlines()
    assert says in said[-1]
    assert "error: " in said[-1]
    assert "Traceback" not in "".join(said)


def test_the_app_listens_where_it_is_told_to(monkeypatch):
    started = []
    monkeypatch.setattr(app, "_served", lambda command, _: started.append(command) or 0)
    assert cli.main(["app", "--port", "8600", "--server.headless", "true"]) == 0
    assert cli.main(["app"]) == 0
    first, plain = started
    assert first[-3:] == ["--server.headless", "true", "--server.port=8600"]
    assert plain[-1] == "app.py"


@pytest.mark.parametrize("text", ["[]", "3", "{", "[" * 10**5, "\xff"])
def test_a_table_of_calibrations_that_is_none_is_left_alone(tmp_path, capsys, text):
    (tmp_path / "t.json").write_bytes(text.encode("latin-1"))
    assert cli.main(["calibrate", *SOURCE, "--out", str(tmp_path / "t.json")]) == 1
    assert "is no table of calibrations" in capsys.readouterr().err
    assert (tmp_path / "t.json").read_bytes() == text.encode("latin-1")


def test_it_says_its_version_and_is_called_as_it_was(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pruneattr {pruneattr_core.__version__}\n"
    for program, said in (("/usr/bin/pruneattr", "pruneattr"), ("__main__.py", "python -m pruneattr_core")):
        monkeypatch.setattr(cli.sys, "argv", [program])
        with pytest.raises(SystemExit):
            cli.main(["models", "--nonsense"])
        assert f"{said} models: error: unrecognized arguments" in capsys.readouterr().err


def test_every_exit_status_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    numbers = {signal.SIGINT + 128, signal.SIGTERM + 128, signal.SIGHUP + 128, signal.SIGPIPE + 128, 0, 1, 2}
    assert {int(one) for one in re.findall(r"\d+", said.partition("Exit status: ")[2])} == numbers


def test_a_reader_who_has_gone_is_no_error(monkeypatch, capsys, tmp_path):
    class Gone(io.TextIOWrapper):
        def flush(self) -> None:
            raise BrokenPipeError

    with (tmp_path / "pipe").open("wb") as pipe, monkeypatch.context() as patched:
        gone = Gone(pipe)
        patched.setattr(cli.sys, "stdout", gone)
        assert cli.main(["data"]) == 141
        patched.setattr(Gone, "flush", io.TextIOWrapper.flush)
        gone.flush()  # what is left goes nowhere: the interpreter's own flush at the end raises nothing
    assert (tmp_path / "pipe").read_bytes() == b""
    assert capsys.readouterr().err == ""


def test_a_stop_while_a_command_is_loaded_is_a_stop(monkeypatch, capsys):
    def stopped(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", stopped)
    assert cli.main(["models"]) == 130
    assert capsys.readouterr().err == (
        "\nstopped. It had not begun: what an earlier run has left is as it was.\n"
    )


@pytest.mark.parametrize("command", ["explain", "sweep", "compare"])
def test_no_command_writes_over_what_it_reads(command, tmp_path, capsys):
    photo, again = tmp_path / "one.png", tmp_path / "link.png"
    Image.new("RGB", (16, 16), "teal").save(photo)
    again.symlink_to(photo)
    before = photo.read_bytes()
    for out in (photo, again):
        assert cli.main([command, str(photo), "--model", "scenes-net", "--out", str(out)]) == 1
        assert "would be lost" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_pictures_that_are_saved_take_no_file_s_place_and_are_counted(tmp_path, capsys):
    (tmp_path / "p.png").write_bytes(b"mine")
    (tmp_path / "old.npy").write_bytes(b"mine")
    for name, says in (("p.png", "would be lost"), ("old.npy", "would be lost"), ("new.png", "ends in .npy")):
        assert cli.main(["data", "--save", str(tmp_path / name), "--n", "1"]) == 1
        assert says in capsys.readouterr().err
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"mine"}
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (16, 16), "teal").save(pictures / "one.png")
    asked = ["data", "--save", str(tmp_path / "new.npy"), "--data", str(pictures), "--n", "99999999"]
    assert cli.main(asked) == 0
    said = capsys.readouterr().out
    assert "wrote 1 picture of " in said
    assert "there are no more, 99999999 were asked for" in said


def test_nothing_is_drawn_where_no_student_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(
        "pruneattr_core.commands.compress.workshop", lambda *_: pytest.fail("scenes are drawn")
    )
    assert cli.main(["compress", "zoo", "--only", "x8-none"]) == 0
    assert "3 students asked for, 3 of them were there" in capsys.readouterr().out
