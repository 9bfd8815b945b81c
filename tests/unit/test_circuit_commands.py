"""The commands on circuits say what the library says, on the bundled scenes."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from pruneattr_core import cli
from pruneattr_core.analysis.table_run import read_table
from pruneattr_core.benchmarks.sources import Source, chosen, open_source
from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.replacement import activations_of, zero
from pruneattr_core.circuits.scores import patching
from pruneattr_core.commands import circuit
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import PruneAttrError, StoreError
from pruneattr_core.scoring import contributions

SCENES = ("--model", "scenes-net", "--data", "scenes", "--json")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert cli.main([words[0], *SCENES, *words[1:]]) == 0
    return json.loads(capsys.readouterr().out)


def test_circuit_is_the_curve_and_its_graph_is_written(capsys, tmp_path):
    file = tmp_path / "new" / "circuit.graphml"
    found = told(capsys, "circuit", "--graph", str(file), "--most", "2")
    opened = open_source(Source("scenes-net", "scenes", None, None, "cpu"))
    x = opened.inputs(chosen(opened.data, 1, 0))
    scores = contributions(opened.model, x)
    rivals = [contributions(opened.model, x, opened.model(x).argsort(1, descending=True)[:, 1]).layers]
    another = [i for i in chosen(opened.data, 33, 1) if i not in chosen(opened.data, 1, 0)][:1]
    rivals.append(contributions(opened.model, opened.inputs(another)).layers)
    others = dict(zip(("runner-up", "other picture"), rivals, strict=True))
    curve = circuit_curve(opened.model, x, scores.target, scores.layers, zero(opened.model, x), others=others)
    for kind, own in found["curves"].items():
        np.testing.assert_allclose(own["faithfulness"], curve.faithfulness(kind)[:, 0], rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(own["answer kept"], curve.kept[kind][:, 0])
    assert list(found["curves"]) == ["path", "rest", "random", "runner-up", "other picture"]
    assert [found["cpr"], found["cmd"]] == pytest.approx([curve.cpr()[0], curve.cmd()[0]], rel=1e-4)
    assert found["areas"]["cpr"]["random"]["mean"] == pytest.approx(curve.cpr("random")[0], rel=1e-3)
    assert found["smallest"] == curve.smallest().tolist()
    np.testing.assert_allclose(found["minimality"], curve.minimality()[:, 0], rtol=1e-3, atol=1e-5)
    assert found["sizes"] == list(SIZES)
    assert file.read_text("utf-8").count("<node ") == 2 + 2 * len(scores.names)
    assert cli.main(["circuit", *SCENES, "--graph", str(tmp_path / "x.txt")]) == 1
    assert "ends in .json or .graphml" in capsys.readouterr().err


def test_pictures_of_one_class_are_those_that_the_data_calls_so(capsys: pytest.CaptureFixture[str]) -> None:
    data = load_dataset("scenes")
    name = data.classes[3]
    parser = argparse.ArgumentParser()
    add_pictures(parser, 4)
    for asked in (name.upper(), "3"):
        _, indices = open_pictures(parser.parse_args([*SCENES, "--of-class", asked]))
        assert len(indices) == 4
        assert all(3 in data[i].labels for i in indices)
    assert cli.main(["nesting", *SCENES, "--of-class", f"{name}s"]) == 1
    assert f"Did you mean {name}" in capsys.readouterr().err


def test_a_counterfactual_is_the_scene_without_its_shape(capsys, tmp_path):
    found = told(capsys, "circuit", "--replacement", "counterfactual")
    opened = open_source(Source("scenes-net", "scenes", None, None, "cpu"))
    (index,) = chosen(opened.data, 1, 0)
    x = opened.inputs([index])
    bare = activations_of(opened.model, opened.card.preprocess(opened.data.without(index, 0)))
    target = opened.model(x).argmax(1)
    scores = [layer.abs() for layer in patching(opened.model, x, target, bare)]
    curve = circuit_curve(opened.model, x, target, scores, bare)
    np.testing.assert_allclose(found["curves"]["path"]["faithfulness"], curve.faithfulness()[:, 0], rtol=1e-4)
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    words = ("--model", "scenes-net", "--data", str(tmp_path), "--replacement", "counterfactual")
    assert cli.main(["circuit", *words]) == 1
    assert "has no masks" in capsys.readouterr().err


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


def test_a_result_is_kept_as_a_run_and_gone_on_with(capsys, tmp_path, monkeypatch):
    """Finished pictures survive; what is stored is what was printed; a changed run is refused."""
    words = (
        "circuit",
        "--n",
        "2",
        "--replacement",
        "mean",
        "--reference",
        "1",
        "--out",
        str(tmp_path / "run"),
    )
    real = circuit.circuit_curve
    calls = []

    def dies(*given, **more):
        calls.append(1)
        if len(calls) == 2:
            raise PruneAttrError("killed")
        return real(*given, **more)

    monkeypatch.setattr(circuit, "circuit_curve", dies)
    assert cli.main(["paths", *words, *SCENES]) == 1
    found = told(capsys, *words)
    assert len(calls) == 3  # the first picture was not computed again
    table = read_table(tmp_path / "run")
    assert str(tmp_path) not in json.dumps(dict(table.header))
    for kind, curve in found["curves"].items():
        means = table.column("faithfulness", kind=kind).reshape(2, len(SIZES)).mean(0)
        np.testing.assert_allclose(means, curve["faithfulness"], rtol=1e-12)
        pair = table.column("faithfulness", kind=kind).reshape(2, len(SIZES))
        half = 12.706205 * np.abs(pair[0] - pair[1]) / 2  # Student's t of two pictures
        np.testing.assert_allclose(np.transpose(curve["interval"]), [means - half, means + half], atol=1e-5)
    for area in found["areas"]["cmd"].values():
        assert 0 <= area["low"] <= area["mean"]  # an area between curves
    assert any(area["low"] == 0 for area in found["areas"]["cmd"].values())
    assert not (tmp_path / "run.partial").exists()
    assert cli.main(["paths", *words, *SCENES]) == 1
    assert "never overwritten" in capsys.readouterr().err
    points = tmp_path / "run" / "points.csv"
    points.write_bytes(points.read_bytes().replace(b"path", b"rest"))
    with pytest.raises(StoreError, match="changed"):
        read_table(tmp_path / "run")


def test_overlaps_of_nesting_are_kept_as_half_a_matrix(capsys, tmp_path):
    words = ("nesting", "--n", "3", "--sparsities", "0.8", "0.95", "--out", str(tmp_path / "run"))
    told(capsys, *words)
    table = read_table(tmp_path / "run")
    inside = table.column("inside the denser", sparsity="0.95")
    np.testing.assert_array_equal(inside, 1)
    matrix = table.values[table.header["texts"].index("sparsity") + 3 :, 1:]
    assert matrix.shape == (3, 3)
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert np.isnan(matrix[np.triu_indices(3, 1)]).all()
    opened = open_source(Source("scenes-net", "scenes", None, None, "cpu"))
    paths = [contributions(opened.model, opened.inputs([i])).path(0.95) for i in chosen(opened.data, 3, 0)]
    assert matrix[2, 0] == pytest.approx(float(paths[2].jaccard(paths[0])))


TINY = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 16, 16), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )
"""


def test_linearity_keeps_its_risk(capsys, tmp_path):
    """On a network of one's own: the photographs and scenes-net take seconds."""
    (tmp_path / "tiny.py").write_text(TINY, "utf-8")
    words = ("--model", f"{tmp_path / 'tiny.py'}:build", "--data", "scenes", "--json")
    assert cli.main(["linearity", *words, "--n", "1", "--sparsity", "0.5", "--risk", "0.01"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["pictures"]
    assert row["radius"] > 0
    assert row["risk"] <= 0.01
    assert row["checked"] < row["neurons"]
    assert row["error"]["0.5"] < 1e-9
    # In float64; the network that stays open for the next command is as it was.
    assert cli.main(["circuit", *words, "--n", "1", "--replacement", "resample"]) == 0


NETWORKS = """from torch import nn
def one():
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    return nn.Sequential(nn.Conv2d(3, 4, 3, 32), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(), head).eval()
def maps():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 32), nn.ReLU(), nn.Conv2d(4, 5, 1)).eval()
"""


def test_a_network_of_one_output_has_no_runner_up_and_one_of_maps_no_path(capsys, tmp_path):
    """Its own path stood there under that name; and maps were counted as targets."""
    file = tmp_path / "own.py"
    file.write_text(NETWORKS, "utf-8")
    words = ["circuit", "--data", "scenes", "--json", "--model"]
    assert cli.main([*words, f"{file}:one"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["curves"]) == ["path", "rest", "random", "other picture"]
    assert cli.main([*words, f"{file}:maps"]) == 1
    assert "This network answers maps" in capsys.readouterr().err
