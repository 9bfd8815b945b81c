"""The benchmark of circuits: its cells are the curves of the library, its rows what they are called."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pruneattr_core import contributions
from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.protocols import circuits
from pruneattr_core.benchmarks.protocols.circuits import GRIDS, _reference, _scores
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.circuits.curve import circuit_curve
from pruneattr_core.circuits.replacement import activations_of, mean_of
from pruneattr_core.circuits.scores import patching

SOURCE = Source("resnet8-cifar10", "scenes")


def test_grids_are_rising_shares() -> None:
    for sizes in GRIDS.values():
        assert sorted({*sizes}) == list(sizes)
        assert 0 < sizes[0] < sizes[-1] <= 1


def test_patching_takes_the_gradient_there_and_its_integral_the_midpoints_that_are_told() -> None:
    opened = open_source(SOURCE)
    inputs, target = opened.inputs([0]), opened.model(opened.inputs([0])).argmax(1)
    base = activations_of(opened.model, opened.inputs([1]))
    told = int(read_run(ASSETS / "runs" / "bench" / "resnet8-circuits").plan.protocol["steps"].split()[0])
    for score, steps in (("patching", 1), ("integrated_patching", told)):
        expected = patching(opened.model, inputs, target, base, steps)
        for layer, one in zip(_scores(score, opened, [0], target, base), expected, strict=True):
            assert torch.equal(layer, one.abs())


def test_a_neighbour_is_the_next_picture_and_the_first_after_the_last(monkeypatch) -> None:
    plan, opened = plan_run("circuits", SOURCE, ["taylor-zero"], n=3, chunk=1), open_source(SOURCE)
    seen: list[list[torch.Tensor]] = []

    def look(*_, others, **__):
        seen.append(others["neighbour"])
        raise InterruptedError

    monkeypatch.setattr(circuits, "circuit_curve", look)
    for number in range(3):
        with pytest.raises(InterruptedError):
            compute_cell(SOURCE, plan, number)
    for number in range(3):
        after = opened.inputs([plan.data["indices"][(number + 1) % 3]])
        for layer, one in zip(seen[number], contributions(opened.model, after).layers, strict=True):
            torch.testing.assert_close(layer, one)


def test_cells_are_the_curves_of_the_library() -> None:
    """References are other pictures; a neighbour is the next one explained, the first after the last."""
    names = ["taylor-mean", "taylor-resample"]
    plan = plan_run("circuits", SOURCE, names, n=2, choices={"reference": 2}, chunk=1)
    opened = open_source(SOURCE)
    own, others = plan.data["indices"], _reference(plan, opened)
    assert len(others) == 2
    assert not set(own) & set(others)
    inputs, reference = opened.inputs(own), opened.inputs(others)
    scores = contributions(opened.model, inputs).layers
    target = opened.model(inputs).argmax(1)
    bases = [mean_of(opened.model, [reference]), activations_of(opened.model, reference)]
    cells = [compute_cell(SOURCE, plan, number) for number in range(len(plan.cells))]
    values = np.empty(plan.shape)
    for cell, (method, part) in zip(cells, plan.cells, strict=True):
        values[method, :, :, part] = cell
    for row, base in zip(values, bases, strict=True):
        neighbours = {"neighbour": [layer.roll(-1, 0) for layer in scores]}
        curve = circuit_curve(opened.model, inputs, target, scores, base, others=neighbours)
        found = dict(zip(plan.measures, row, strict=True))
        np.testing.assert_allclose(found["faithfulness"], curve.faithfulness(), rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(found["path_kept"], curve.kept["path"])
        np.testing.assert_array_equal(found["rest_kept"], curve.kept["rest"])
        np.testing.assert_array_equal(found["neighbour_kept"], curve.kept["neighbour"])
    assert plan.labels == ("Taylor, rest becomes mean", "Taylor, rest becomes another picture")


#: Pictures of the study's runs.
PICTURES = {"resnet8": 100, "scenes": 100, "lite0": 100}
#: What docs/zero-ablation.md says: run, row, measure -> answers kept at 1, 5, 10, 20 and 50 %.
SAID = {
    ("resnet8", "taylor-zero", "path_kept"): (100, 100, 100, 99, 100),
    ("scenes", "taylor-zero", "path_kept"): (100, 100, 100, 100, 100),
    ("resnet8", "taylor-zero", "runner_up_kept"): (18, 42, 61, 87, 100),
    ("scenes", "taylor-zero", "runner_up_kept"): (100, 100, 100, 100, 100),
    ("resnet8", "taylor-mean", "path_kept"): (0, 0, 0, 0, 0),
    ("resnet8", "taylor-channel_mean", "path_kept"): (0, 0, 0, 0, 6),
    ("scenes", "taylor-mean", "path_kept"): (0, 0, 0, 1, 90),
    ("scenes", "taylor-channel_mean", "path_kept"): (0, 0, 0, 0, 95),
    ("resnet8", "integrated_patching-mean", "path_kept"): (0, 0, 2, 62, 97),
    ("resnet8", "integrated_patching-mean", "runner_up_kept"): (3, 2, 2, 18, 67),
    ("resnet8", "integrated_patching-channel_mean", "path_kept"): (0, 0, 0, 38, 100),
    ("resnet8", "patching-blurred", "path_kept"): (17, 20, 34, 85, 99),
    ("scenes", "integrated_patching-mean", "path_kept"): (6, 100, 100, 100, 100),
    ("scenes", "integrated_patching-resample", "path_kept"): (15, 54, 100, 100, 100),
    ("lite0", "taylor-zero", "path_kept"): (52, 100, 100, 100, 98),
    ("lite0", "taylor-zero", "runner_up_kept"): (2, 23, 41, 74, 97),
    ("lite0", "taylor-mean", "path_kept"): (0, 0, 0, 0, 0),
    ("lite0", "taylor-resample", "path_kept"): (1, 1, 1, 1, 1),
    ("lite0", "patching-channel_mean", "path_kept"): (0, 0, 0, 0, 74),
    ("lite0", "patching-blurred", "path_kept"): (0, 0, 0, 0, 5),
    ("lite0", "integrated_patching-resample", "path_kept"): (1, 1, 1, 1, 97),
    ("lite0", "integrated_patching-blurred", "path_kept"): (0, 0, 4, 39, 100),
    ("lite0", "integrated_patching-blurred", "runner_up_kept"): (0, 0, 1, 29, 93),
}


def test_what_the_study_says_is_in_its_runs() -> None:
    runs = {name: read_run(ASSETS / "runs" / "bench" / f"{name}-circuits") for name in PICTURES}
    for (name, row, measure), said in SAID.items():
        plan = runs[name].plan
        assert (plan.n, plan.x) == (PICTURES[name], GRIDS["five"])
        label = next(method["label"] for method in plan.methods if method["id"] == row)
        assert tuple(runs[name].of(label, measure).sum(1)) == said, (name, row)
