"""What the README names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.protocols import BENCHMARKS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_where_is_it() -> None:
    table = TEXT.split("## Where is it")[1].split("##")[0]
    paths = re.findall(r"`([\w./-]+)`", table)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


#: What a newcomer asks -> what the first file of the table's row must hold.
QUESTIONS = {
    "the sidebar: model": "def _sidebar(",
    "own weights": "def own_weights(",
    "settings in the address": "def publish(",
    "maps for all pages": "def mapped(",
    "jobs, their lanes": "LANES = ",
    "networks, results and the device": "class Engine",
    "work beside a page": "def begin(",
    "how activations are seen": "class ",
    "contributions of neurons": "def contributions(",
    "running a network on a path": "def pruned_gradient(",
    "| PruneGrad |": "class PruneGrad(",
    "the table of all attribution": "METHODS",
    "the dial": "class Dial",
    "kinds of errors": "class PruneAttrError(",
    "what a network answers": "def head_of(",
    "reviewing students": "def desk(",
    "boxes whose labels change": "def select(",
    "which activations are neurons": "def activation_of(",
    "the library on a GPU": "def check_methods(",
    "who may import whom": "ORDER = ",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_by_the_first_file(question: str) -> None:
    table = TEXT.split("## Where is it")[1].split("\n## ")[0]
    (row,) = [line for line in table.splitlines() if question in line.rpartition(" | ")[0] + " |"]
    first = re.findall(r"`([\w./-]+)`", row.rpartition(" | ")[2])[0]
    assert QUESTIONS[question] in (ROOT / first).read_text(encoding="utf-8")


def test_links_and_pictures() -> None:
    local = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_python_example_runs_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(TEXT.split("```python")[1].split("```")[0], names)
    assert names["one"].shape == names["local"].shape == names["inputs"].shape
    assert names["sweep"].maps.shape == (4, *names["inputs"].shape)
    assert names["sweep"].probability.shape == names["sweep"].prediction.shape == (4, 1)
    assert (tmp_path / "report.html").stat().st_size < 1_000_000


def test_the_comparison_is_the_documentation_s() -> None:
    """A sentence of ours stood there, and not a word of what others do better."""
    page = (ROOT / "docs" / "compare.md").read_text("utf-8")
    said = TEXT.split("Beside other libraries")[1].split("\n## ")[0]
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert [row for row in rows if row not in page.splitlines()] == []
    (share,) = re.findall(r"is (\.\d+) of its largest\s+value", said)
    assert f"of its largest value | {share} | {share} | {share} |" in page


def test_every_benchmark_is_named() -> None:
    """Four of the ten were missing."""
    said = re.search(r"`python -m pruneattr_core bench ((?:\w+ \| )+\w+)`", TEXT)
    assert said
    assert said[1].split(" | ") == [*BENCHMARKS, "all"]


@pytest.mark.parametrize("name", ["llms.txt"])
def test_other_texts_run_and_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    names: dict[str, Any] = {}
    exec(text.split("```python")[1].split("```")[0], names)
    assert names["table"][0]["method"] == "PruneGrad"
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_method_is_named_and_the_moving_picture_is_small() -> None:
    assert [method.title for method in METHODS.values() if method.title not in TEXT] == []
    with Image.open(ROOT / "docs" / "moving.webp") as moving:
        assert moving.n_frames > 10  # type: ignore[attr-defined]
    assert (ROOT / "docs" / "moving.webp").stat().st_size < 1_000_000
