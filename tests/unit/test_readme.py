"""What the README names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from pruneattr_core import models
from pruneattr_core.models.catalogue import BUILDERS

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


def test_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    code = TEXT.split("```python")[1].split("```")[0]
    network = BUILDERS["scenes-net"]().eval().requires_grad_(False)  # the weights do not matter here
    monkeypatch.setattr(models, "load_model", lambda name: network)
    names = {"picture": Image.new("RGB", (200, 150), "teal")}
    exec(code, names)
    assert names["one"].shape == names["local"].shape == names["inputs"].shape
    assert names["sweep"].maps.shape == (4, *names["inputs"].shape)
    assert names["sweep"].probability.shape == names["sweep"].prediction.shape == (4, 1)
