"""The shipped table of methods over whole catalogues of networks (perf/catalogue.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

import networks

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "assets" / "runs" / "catalogue").glob("*.json"))


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "perf"))
    import catalogue

    yield catalogue
    for name in ("catalogue", "catalogue_networks"):
        sys.modules.pop(name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_cell_is_right_or_a_sentence(path: Path) -> None:
    for name, row in json.loads(path.read_text())["networks"].items():
        for column, cell in row["cells"].items():
            kind, _, reason = cell.partition(": ")
            assert kind in ("right", "refused"), f"{name}, {column}: {cell}"
            assert (kind == "right") == (reason == "")
            assert kind == "right" or reason.endswith(".")
        assert all(gap <= 1e-9 for gap in row["gaps"].values()), name


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_what_the_table_says_is_what_the_methods_say(name: str, catalogue) -> None:
    row = json.loads((ROOT / "assets" / "runs" / "catalogue" / "torchvision.json").read_text())["networks"][
        name
    ]
    torch.manual_seed(0)
    net, x = catalogue.BUILDS["torchvision"](name)
    assert list(x.shape[1:]) == row["shape"]
    for column, fits, _ in catalogue.runs(net.eval(), x):
        reason = fits()
        assert row["cells"][column] == ("right" if reason is None else f"refused: {reason}"), column


def test_the_command_notices_what_is_wrong(catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = networks.network("plain", torch.float32), networks.inputs(1, dtype=torch.float32)
    build = lambda name: (net, x)  # noqa: E731
    assert catalogue.verdict(lambda: None, lambda: x) == "right"
    assert catalogue.verdict(lambda: "No.", lambda: x) == "refused: No."
    assert catalogue.verdict(lambda: None, lambda: x / 0) == "wrong: not finite"
    assert catalogue.verdict(lambda: None, lambda: torch.rand(3)) == "wrong: differs from run to run"
    assert catalogue.verdict(lambda: None, lambda: 1 / 0).startswith("wrong: ZeroDivisionError")

    def leaves_a_hook():
        net[0].register_forward_hook(lambda *a: None)
        return x

    monkeypatch.setattr(catalogue, "runs", lambda *given: [("bad", lambda: None, leaves_a_hook)])
    monkeypatch.setattr(catalogue, "gaps", lambda *given: {})
    cell = catalogue.examine(build, "")["cells"]["bad"]
    assert cell.startswith("wrong: something was left on the model")
