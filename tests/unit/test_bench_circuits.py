"""The benchmark of circuits: its cells are the curves of the library, its rows what they are called."""

from __future__ import annotations

import numpy as np

from pruneattr_core import contributions
from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.protocols.circuits import _reference
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.circuits.curve import circuit_curve
from pruneattr_core.circuits.replacement import activations_of, mean_of

SOURCE = Source("resnet8-cifar10", "scenes")


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
