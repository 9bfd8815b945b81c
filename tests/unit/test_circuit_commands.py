"""The commands on circuits say what the library says, on the bundled scenes."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from pruneattr_core import cli
from pruneattr_core.benchmarks.sources import Source, chosen, open_source
from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.replacement import zero
from pruneattr_core.models import declared
from pruneattr_core.scoring import contributions

SCENES = ("--model", "scenes-net", "--data", "scenes", "--json")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert cli.main([words[0], *SCENES, *words[1:]]) == 0
    return json.loads(capsys.readouterr().out)


def test_circuit_is_the_curve_and_its_graph_is_written(capsys, tmp_path):
    file = tmp_path / "circuit.graphml"
    found = told(capsys, "circuit", "--graph", str(file), "--most", "2")
    opened = open_source(Source("scenes-net", "scenes", None, None, "cpu"))
    x = opened.inputs(chosen(opened.data, 1, 0))
    scores = contributions(opened.model, x)
    curve = circuit_curve(opened.model, x, scores.target, scores.layers, zero(opened.model, x))
    np.testing.assert_allclose(found["curves"]["path"]["faithfulness"], curve.faithfulness()[:, 0], rtol=1e-4)
    assert found["curves"]["path"]["answer kept"][-1] == 1
    assert found["sizes"] == list(SIZES)
    assert file.read_text("utf-8").count("<node ") == 2 + 2 * len(scores.names)
    assert cli.main(["circuit", *SCENES, "--graph", str(tmp_path / "x.txt")]) == 1
    assert "ends in .json or .graphml" in capsys.readouterr().err


def test_nesting_of_contributions_is_whole(capsys):
    found = told(capsys, "nesting", "--n", "3", "--sparsities", "0.8", "0.95")
    assert found["nested"] == {"0.95 in 0.8": 1.0}
    assert cli.main(["nesting", *SCENES, "--sparsities", "0.9", "0.8"]) == 1


def test_shapley_is_efficient_and_names_its_layer(capsys):
    words = ("shapley", "--orders", "2", "--replacement", "resample", "--reference", "1")
    (found,) = told(capsys, *words)["pictures"]
    assert sum(found["values"]) == pytest.approx(found["full"] - found["empty"], abs=1e-4)
    assert set(found["beside"]) == {"taylor", "integrated", "ablation"}
    assert cli.main(["shapley", *SCENES, "--layer", "nowhere"]) == 1
    assert "Expected --layer in" in capsys.readouterr().err


TINY = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 16, 16), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )
"""


def test_linearity_keeps_its_risk(capsys, tmp_path, monkeypatch):
    """On a network of one's own: the photographs and scenes-net take seconds."""
    monkeypatch.setattr(
        declared, "_closed", threading.Event()
    )  # an app that ran in this process closes the list
    (tmp_path / "tiny.py").write_text(TINY, "utf-8")
    words = ("--model", f"{tmp_path / 'tiny.py'}:build", "--data", "scenes", "--json")
    assert cli.main(["linearity", *words, "--n", "1", "--sparsity", "0.5", "--risk", "0.01"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["pictures"]
    assert row["radius"] > 0
    assert row["risk"] <= 0.01
    assert row["checked"] < row["neurons"]
    assert row["error"]["0.5"] < 1e-9
