"""The documentation: its code runs, its links lead somewhere; `tests/whole/test_site.py` builds its site."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from email.message import Message
from importlib import import_module
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
import torch
import yaml

from pruneattr_core import cli
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import load_model, open_model
from tests.loading import loaded

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if CODE.search(page.read_text("utf-8"))], ids=lambda p: p.stem
)
def test_code_runs_as_it_stands(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in CODE.findall(page.read_text("utf-8")):
        exec(compile(block, page.name, "exec"), names)
    assert "Traceback" not in capsys.readouterr().out


#: Texts that hold blocks, and what becomes of the blocks of a language: `run` above, or tried below.
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "llms.txt"]
TRIED = {"python": "run", "sh": "commands", "yaml": "header", "bibtex": "entry", "toml": "settings"}


def blocks(language: str) -> list[tuple[str, str]]:
    """(file, text) of every block of a language."""
    found = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(file.name, block) for file in TEXTS for block in found.findall(file.read_text("utf-8"))]


def commands() -> Iterator[tuple[str, list[str], bool]]:
    """(file, words, whether it stands in a block) of every command that is shown, in sentences too."""
    shown = [(name, line, True) for name, block in blocks("sh") for line in block.splitlines()]
    inline = re.compile(r"`((?:pruneattr|python -m pruneattr_core) [^`\n]+)`")
    shown += [
        (file.name, found, False) for file in TEXTS for found in inline.findall(file.read_text("utf-8"))
    ]
    for name, line, whole in shown:
        for part in line.split(" && "):
            if words := shlex.split(part, comments=True):
                yield name, words, whole


def test_every_block_is_of_a_kind_that_something_tries() -> None:
    for file in [*ROOT.glob("*.md"), *TEXTS, *(ROOT / "assets").rglob("*.md")]:
        text = file.read_text("utf-8")
        fences = re.findall(r"^ *(?:```|~~~)(.*)$", text, re.MULTILINE)
        assert {word for word in fences[::2] if word not in TRIED} == set(), file
        assert set(fences[1::2]) <= {""}, file
        assert file in TEXTS or not fences, f"{file}: nothing tries its blocks"
    ((_, header),) = blocks("yaml")  # of a Space, whose Docker listens where ours does
    said = yaml.safe_load(header.strip().strip("-"))
    docker = (ROOT / "Dockerfile").read_text("utf-8")
    assert (said["sdk"], f"EXPOSE {said['app_port']}\n" in docker) == ("docker", True)
    ((_, entry),) = blocks("bibtex")
    assert entry.count("{") == entry.count("}") > 4


def test_the_settings_that_are_shown_open_the_network_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((page, settings),) = blocks("toml")
    (code,) = re.findall(r'\("""\n(.*?)"""\)', (DOCS / page).read_text("utf-8"), re.DOTALL)
    ((name, said),) = tomllib.loads(settings)["models"].items()
    (tmp_path / "pruneattr.toml").write_text(settings)
    (tmp_path / said["build"].partition(":")[0]).write_text(code)
    (tmp_path / said["classes"]).write_text("\n".join(f"digit {n}" for n in range(10)))
    monkeypatch.chdir(tmp_path)
    own = load_model(said["build"])
    weights = tmp_path / said["weights"]
    weights.parent.mkdir()
    torch.save(
        {"best": np.float64(0.9), "model": {key: v + 1 for key, v in own.state_dict().items()}}, weights
    )
    network, card = open_model(f"own/{name}")
    assert (card.classes[7], card.size, card.head) == ("digit 7", (28, 28), "softmax")
    assert all(torch.equal(v, own.state_dict()[key] + 1) for key, v in network.state_dict().items())


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a command, those of the commands below it included."""
    named = {option for action in parser._actions for option in action.option_strings}
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return named.union(*(options(part) for action in below for part in action.choices.values()))


def test_every_command_that_is_shown_is_one_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """By our own parser; scripts of the repository and extras are there."""
    taken = 0
    for name, words, whole in commands():
        ours = words[0] == "pruneattr" or words[1:3] == ["-m", "pruneattr_core"]
        asked = words[1:] if words[0] == "pruneattr" else words[3:]
        if ours and whole:
            parser, _ = cli._parser(asked)
            try:
                assert parser.parse_known_args(asked)[1] == [], (name, words)
            except SystemExit:
                pytest.fail(f"{name}: {shlex.join(words)}: {capsys.readouterr().err}")
            taken += 1
        elif ours:  # a sentence names a command without all that it needs
            asked = asked[1:] if asked[0] == "paths" and asked[1:2] and asked[1] in cli.OF_PATHS else asked
            said = {word for word in asked[1:] if word.startswith("--")}
            parser = argparse.ArgumentParser()
            if said:
                import_module(cli.COMMANDS[asked[0]][0]).add_arguments(parser)
            assert said <= options(parser), (name, words)
        elif words[0] in ("python", "python3"):
            assert words[1] == "-m" or (ROOT / words[1]).is_file(), (name, words)
        else:
            assert words[0] in ("pip", "docker"), (name, words)
            named = [extra for word in words for extra in re.findall(r"^(?:pruneattr|\.)\[(.*)\]$", word)]
            assert {one for extra in named for one in extra.split(",")} <= EXTRAS, (name, words)
    assert taken > 5


def test_the_commands_of_first_steps_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand, with a network that is quick."""
    monkeypatch.chdir(tmp_path)
    load_dataset("scenes")[3].image.save("photo.jpg")
    lines = [words for name, words, _ in commands() if name == "first-steps.md" and "photo.jpg" in words]
    assert {words[1] for words in lines} == {"explain", "sweep", "compare"}
    for words in lines:
        assert cli.main([*words[1:], "--model", "resnet8-cifar10"]) == 0, capsys.readouterr().err
    assert {file.name for file in tmp_path.iterdir()} == {"photo.jpg", "report.html", "compare.html"}


def test_links_lead_somewhere_and_addresses_outside_are_well_formed(tmp_path: Path) -> None:
    """Whether others answer is asked by `python docs/links.py`, which needs a network."""
    links = loaded(DOCS / "links.py")
    texts = [file for file in links.texts() if file.suffix in (".md", ".txt", ".ipynb")]
    assert {"README.md", "SECURITY.md", "llms.txt", "first-steps.ipynb", "1-local-or-global.md"} <= {
        file.name for file in texts
    }
    assert [(file.name, link) for file in texts for link in links.broken(file)] == []
    assert sum(len(links.links(file)) for file in texts) > 40
    named = {address for file in links.texts() for address in links.outside(file)}
    assert len(named) > 8
    assert {address: links.ill_formed(address) for address in named if links.ill_formed(address)} == {}
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[1](page.md#a-b-c) [2](#a) [3](none.md)\n```\n[4](nowhere.md)\n```\n")
    assert list(links.broken(page)) == ["#a", "none.md"]
    wrong = ("http://a.org", "https://arxiv.org/abs/19.1", "https://a", "https://-a.org")
    assert all(map(links.ill_formed, wrong))


@pytest.mark.parametrize(("code", "says"), [(None, "there is no network here"), (404, "2 of 2 failed")])
def test_links_that_cannot_be_asked_are_not_called_broken(
    code: int | None, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError if code is None else HTTPError("", code, "", Message(), None)

    links = loaded(DOCS / "links.py")
    monkeypatch.setattr(links, "texts", lambda: [Path()])
    monkeypatch.setattr(links, "outside", lambda _: {"https://one.org", "https://two.org"})
    monkeypatch.setattr(links.urllib.request, "urlopen", refused)
    assert links.main() == 2
    assert says in capsys.readouterr().err


def test_every_equivalence_names_a_test_that_exists() -> None:
    table = (DOCS / "circuits.md").read_text("utf-8").split("## Equivalences")[1]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    named = [re.search(r"\| `(\w+\.py)::(\w+)` \|$", row) for row in rows]
    assert len(rows) > 5
    for row, found in zip(rows, named, strict=True):
        assert found, row
        assert f"def {found[2]}(" in (ROOT / "tests" / "unit" / found[1]).read_text("utf-8"), row


def test_every_library_that_is_compared_is_measured_too() -> None:
    """One row of the page was measured, against one of the five."""
    page = (DOCS / "compare.md").read_text("utf-8")
    read, measured = (
        [cell.strip() for cell in part.split("\n|")[1].split("|") if cell.strip()]
        for part in page.split("\n## ")[1:]
    )
    assert set(loaded(ROOT / "perf" / "peers.py").METHODS) == set(read)
    assert {name.split(" ")[0] for name in measured} == set(read)


@pytest.mark.filterwarnings("ignore")  # theirs: hooks are set, sizes differ
@pytest.mark.parametrize("name", ["Captum", "Zennit", "Quantus", "PruneAttr"])
def test_what_is_measured_is_a_map_of_that_library(name: str) -> None:
    peers = loaded(ROOT / "perf" / "peers.py")
    method, guided = peers.METHODS[name]
    inputs = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert method(peers.network(), inputs).any()
    if guided:
        # Rules that hang on modules are lost where the network has none, and that is what the page says.
        assert (peers.gap(method, inputs) == "0") == (name == "PruneAttr")
    assert peers.left(method, inputs) == "0 modules, 0 hooks, 0 gradients"
