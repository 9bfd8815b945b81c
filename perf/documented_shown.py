"""The commands that the texts show, and what makes each of them small; see perf/documented.py."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import itertools
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pruneattr_core import cli, model_card
from pruneattr_core.datasets import find_data_root, list_datasets
from pruneattr_core.models import list_models

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "llms.txt", "docs/*.md", "docs/notebooks/*.ipynb",
         "assets/runs/**/*.md", "perf/*.py", "docs/*.py", "Dockerfile", "mkdocs.yml")  # fmt: skip
_OURS = "|".join(cli.COMMANDS)
#: What begins a command: a program, with settings of the environment before it.
_BEGINS = (
    r"(?:[A-Z_]+=\S+\s+)*(?:nice\s+)?(?:\$ )?(?:pruneattr|python3?|pip|docker|uv|\.venv/bin/\w+|\.ci/run|"
    rf"(?:perf|docs)/\w+\.py|(?:{_OURS})(?=\s+(?:[A-Z]{{2}}|--|[\w.]+\.(?:jpg|md)))|"
    r"(?:bench|compress|paths|runs)(?=\s+[a-z]+[^`]*--))(?=[\s`]|$)"
)
_SPAN = re.compile(rf"`({_BEGINS}[^`]*)`")
_SETTING = re.compile(r"[A-Z_]+=")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: Indented, as the scripts and Markdown have them; ends where a sentence or a column of words begins.
_LINE = re.compile(rf"^(?:#   |    |(?=[^`]+$))({_BEGINS}[^`]*?)(?:\. |\.$| {{3,}}|$)", re.MULTILINE)

#: Words of the texts -> what stands in their place.
STAND_INS = {
    "NAME": "scenes-net", "DATA": "scenes", "RUN": "a-run", "FOLDER": "a-folder", "FILE": "a-lesson.md",
    "PHOTO": "photo.jpg", "FILE.html": "file.html", "KIND": "calibrate", "HOST": "prune.example.org",
    "ADDRESS": "192.168.1.20", "CIFAR10": "../shared/data/cifar10", "path/to/file.py:build": "own.py:build",
    "FILE.json": "file.json", "tests/unit": "tests/unit/test_payload.py",
}  # fmt: skip
#: The same, for words that stand for something else after another word.
AFTER = {
    ("verify", "FOLDER"): "assets/runs/bench/scenes-calibrate",
    ("--pictures", "FOLDER"): "pictures",
}
#: What a sentence leaves out of one of our commands: the name argparse has for it -> words.
_LEFT_OUT = {
    "photo": ["photo.jpg"], "--model": ["--model", "scenes-net"], "--data": ["--data", "scenes"],
    "--out": ["--out", "a-result.html"], "--teacher": ["--teacher", "scenes-vgg"], "network": ["scenes-net"],
    "BENCHMARK": ["calibrate"], "action": ["list"], "folder": ["assets/runs/bench"],
    "lesson": ["4-clever-hans"], "what": ["table"], "command": ["doctor"],
}  # fmt: skip
#: Options of ours -> their smallest value, where the command has them.
_SMALL = {
    "--n": "1", "--epochs": "1", "--count": "64", "--rounds": "1", "--pictures": "4", "--explained": "1",
    "--steps": "1", "--repeats": "1", "--test": "16", "--width": "8", "--workers": "1", "--reference": "2",
    "--cells": "1", "--orders": "2", "--iterations": "1", "--n-dgr": "1", "--threads": "1",
}  # fmt: skip
#: Beginnings of commands -> further words, later ones winning over what stands there.
SMALL = {
    "bench roar": "--model resnet8-cifar10 --data cifar10 --n 32 --batch 16 --fractions 0.5 --methods random"
    " --device cpu",
    "bench fidelity": "--n 4",
    "compress zoo": "--only scenes-vgg-x8",
    "perf.mutants known": "--only pruneattr_core/glossary.py",
    "perf.mutants sample": "--n 1 --only pruneattr_core/glossary.py",
    "perf.mutants again": "--only pruneattr_core/glossary.py",
    "perf.kills": "--kills 3 --damages 3",
    "perf.at_once": "--people 2 --pictures 1 --model scenes-net --source scenes --watch 20",
    "perf.session_memory": "--pictures 1 --networks resnet18",
    "perf.soak": "--clients 1 --minutes 0.1 --pictures 1",
    "perf.class_link": "--clients 1 --lesson 1-local-or-global",
    "perf.hostile": "pictures --n 1",
    "perf.one_visitor": "--pages explore",
    "perf.documented": "--list",
    "perf/bundled.py": "--pictures 2",
    "perf/catalogue.py": "--own --out a-catalogue",
    "perf/circuits.py": "--repeats 1",
    "perf/clever_hans.py": "--scenes 8 --hearts 2",
    "perf/compare_grid.py": "--repeats 1",
    "perf/dial.py": "--n 0 --photographs 1",
    "perf/first_screen.py": "--pages explore --visits 1",
    "perf/first_view.py": "--servers 1",
    "perf/gpu.py": "--device cpu --seconds 5 --checks",
    "perf/in_browser.py": "--repeats 2",
    "perf/intgrad.py": "--n 1 --truth 20",
    "perf/linearity.py": "--n 1",
    "perf/maps.py": "--repeats 1",
    "perf/moonshot.py": "--device cpu --few 2 --many 2 --best 1 --candidates 1 --only scenes",
    "perf/review_memory.py": "--pictures 2",
    "perf/roar.py": "--device cpu --pictures 256 --networks 1 --width 8",
    "perf/students.py": "--device cpu --minutes 0.05 --scenes 64 --tested 4 --only x8-none",
    "dev.py test": "tests/unit/test_glossary.py",
    "dev.py test tests/unit": "",
}  # fmt: skip
#: Beginnings of commands that are run elsewhere, and where.
ELSEWHERE = {
    "pip": "a fresh environment is what tests/whole/test_package.py and docs/container.py make",
    "docker": "an image is what docs/container.py builds, where Docker answers",
    "uv": "asks the package registry for a version of everything",
    ".ci/run": "empties .venv; it is what CI runs",
    "docs/links.py": "asks others' servers",
}
#: Beginnings of commands that serve until they are stopped -> their health address, {} being the port.
SERVING = {
    "app": ("--server.headless=true", "--server.port={}", "_stcore/health"),
    "dev.py app": ("--server.headless=true", "--server.port={}", "_stcore/health"),
    "dev.py group": ("--server.headless=true", "--server.port={}", "_stcore/health"),
    "mkdocs serve": ("--dev-addr=127.0.0.1:{}", "", ""),
}
#: Beginnings of commands that have no small size: they are stopped after so many seconds.
STOPPED = {"train": 40.0}


def is_setting(word: str) -> bool:
    """Whether a word sets a variable of the environment."""
    return _SETTING.match(word) is not None


@dataclass(frozen=True)
class Command:
    """A command of a text.

    Attributes:
        file: the text, from the root.
        words: as they stand there; settings of the environment first.
        whole: it stands in a block or on a line of its own, or names network and pictures: nothing may miss.
    """

    file: str
    words: tuple[str, ...]
    whole: bool

    @property
    def plain(self) -> list[str]:
        """Without settings of the environment and `nice`."""
        return list(itertools.dropwhile(lambda word: word == "nice" or is_setting(word), self.words))

    @property
    def begins(self) -> str:
        """What names it in the tables: without Python's name and ours, too."""
        named = ("python", "python3", "-m", "pruneattr", "pruneattr_core")
        return shlex.join(itertools.dropwhile(lambda word: word in named, self.plain))

    @property
    def ours(self) -> list[str] | None:
        """The words after `pruneattr`; None where it is another's command."""
        plain = self.plain
        if plain[0] != "pruneattr" and plain[1:3] != ["-m", "pruneattr_core"]:
            return None
        words = plain[1:] if plain[0] == "pruneattr" else plain[3:]
        return words[1:] if words[:1] == ["paths"] and words[1:2] and words[1] in cli.OF_PATHS else words


def shown() -> list[Command]:
    """Every command of the texts, once each."""
    found: dict[tuple[str, ...], Command] = {}
    for pattern in TEXTS:
        for file in sorted(ROOT.glob(pattern)):
            for text, whole in _texts(file):
                for words in _commands(text):
                    whole = whole or {"--model", "--data"} <= {*words}
                    command = Command(str(file.relative_to(ROOT)), words, whole)
                    found.setdefault(words, command)
    return list(found.values())


def _texts(file: Path) -> Iterator[tuple[str, bool]]:
    """(command, whether it stands alone)."""
    text = file.read_text("utf-8")
    if file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
        text = re.sub(r"^!", "    ", text, flags=re.MULTILINE)
    if file.suffix == ".py":
        text = text.split('"""')[1]  # what the script says of itself
    for language, block in _FENCED.findall(text):
        lines = block.splitlines() if language == "sh" else ()
        yield from ((part, True) for line in lines for part in line.split(" && "))
    text = _FENCED.sub("", text)
    if file.suffix != ".md" or file.name == "SECURITY.md":
        yield from ((line, True) for line in _LINE.findall(text))
    yield from ((span, False) for span in _SPAN.findall(text))


def _commands(text: str) -> Iterator[tuple[str, ...]]:
    """A command's words, once for every `a | b`; optional parts in brackets are said."""
    text = " ".join(re.sub(r"\[(-[^\]]*)\]", r"\1", text).replace("...", "").split())
    text = re.sub(r"\[names\]|\[MODEL\s*\]", "", text).removeprefix("$ ")
    words = shlex.split(text, comments=True)
    if not words or (len(words) == 1 and words[0] != ".ci/run"):  # a program's name, no command
        return
    if re.match(rf"(?:{_OURS})$", words[0]):
        words.insert(0, "pruneattr")
    if re.match(r"(?:perf|docs)/", words[0]):
        words[:0] = ["PYTHONPATH=.", "python"]
    first = words.index("|") if "|" in words else None
    choices = [words] if first is None else [
        [*words[: first - 1], one] for one in (words[first - 1], *words[first + 1 :: 2])
    ]  # fmt: skip
    for one in choices:
        slashed = [word.split("|") if re.fullmatch(r"\w+(\|\w+)+", word) else [word] for word in one]
        yield from itertools.product(*slashed)


def smallest(command: Command) -> list[str]:
    """The command's words at its smallest size, settings first; what it leaves out is said.

    Raises:
        ValueError: one of ours that its parser does not take; with the parser's sentence.
    """
    pairs = itertools.pairwise(("", *command.words))
    words = [AFTER.get(pair, STAND_INS.get(pair[1], pair[1])) for pair in pairs]
    ours = dataclasses.replace(command, words=tuple(words)).ours
    if ours is not None:
        words[len(words) - len(ours) :] = _ours(ours, command.whole)
    further = max((begin for begin in SMALL if belongs(command, begin)), key=len, default=None)
    return [*words, *shlex.split(SMALL[further])] if further else words


def belongs(command: Command, begin: str) -> bool:
    """Whether a command is of the line of a table that begins so."""
    return f"{command.begins} ".startswith(f"{begin} ")


def _ours(words: Sequence[str], whole: bool) -> list[str]:
    """One of our commands, complete and small."""
    words = list(words)
    while True:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                parser, _ = cli._parser(words)
                parser.parse_known_args(words)
            break
        except SystemExit as stopped:
            if not stopped.code:  # --help, --version
                return words
            missing = re.search(r"required: (.*)", said.getvalue())
            value = re.search(r"argument (--[\w-]+)\S*: expected", said.getvalue())
            if whole or not (missing or value):
                raise ValueError(said.getvalue().strip().splitlines()[-1]) from None
            if value:  # "`explain --dial`": the option is there, and is tried elsewhere
                words.remove(value[1])
            else:
                words += [word for one in missing[1].split(", ") for word in _LEFT_OUT[one]]
    has = _options(parser, words)
    small = [word for option, value in _SMALL.items() if option in has for word in (option, value)]
    return [*words, *small]


def _options(parser: argparse.ArgumentParser, words: Sequence[str]) -> set[str]:
    """Options of the command that the words name, the one below it if there is one."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    for one in below:
        for place, word in enumerate(words):
            if word in one.choices:
                return _options(one.choices[word], words[place + 1 :])
    return {
        option for action in parser._actions for option in action.option_strings if action.type is not Path
    }


def elsewhere(command: Command) -> str:
    """Why a command is not run here, "" where it is: it needs what is not here, or has another place."""
    for begin, why in ELSEWHERE.items():
        if belongs(command, begin) or command.words[0] == begin:
            return why
    words = smallest(command)
    given = dict(itertools.pairwise(words))
    own = dict(itertools.pairwise(command.words))  # a folder of pictures serves no other data set
    data = (own if "--root" in own else given).get("--data", "scenes")
    if data not in list_datasets(find_data_root()) and "/" not in data:
        return f"needs the pictures {data}, which are not here"
    model = given.get("--model", "scenes-net")
    brought = "--weights" in given
    if not brought and model in list_models() and not model_card(model).available_offline():
        return f"needs the weights of {model}, which are not here"
    return ""
