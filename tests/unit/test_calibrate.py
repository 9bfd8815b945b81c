"""Choosing a sparsity by how much the output changes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import networks
from pruneattr_core import PruneGrad, contributions
from pruneattr_core.benchmarks.protocols.calibration import CALIBRATION
from pruneattr_core.errors import InputError
from pruneattr_core.paths.calibrate import PRUNING_STEPS, calibrate, output_curve, sparsity_for_change


def test_the_curve_holds_the_answers_of_the_sweep() -> None:
    net, x = networks.network("concatenating"), networks.inputs(2)
    levels = (0.0, 0.5, 0.2, 0.9, 1.0)
    sweep = PruneGrad(net).sweep(x, None, levels)
    seen: list[int] = []
    curve = output_curve(
        net, x, contributions(net, x), levels, progress=lambda done, total: seen.append(done)
    )
    for name in ("sparsity", "logit", "probability", "output_change", "prediction"):
        torch.testing.assert_close(getattr(curve, name), getattr(sweep, name), rtol=1e-11, atol=1e-12)
    assert seen[-1] == len(levels)


def test_a_curve_never_holds_more_at_once_than_fits() -> None:
    """In float64 every picture runs alone; with two, the copies of one level at a time."""
    net, x = networks.network("plain"), networks.inputs(2)
    rows: list[int] = []
    handle = net.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    scores = contributions(net, x)  # looks at the network, which a hook changes
    rows.clear()
    output_curve(net, x, scores, (0.0, 0.3, 0.5, 0.7, 0.9))
    handle.remove()
    assert rows
    assert set(rows) == {2}
    assert len(rows) <= 5


def test_calibrated_points_lie_on_the_mean_curve() -> None:
    net = networks.network("residual")
    batches, seen = [networks.inputs(3, seed) for seed in range(2)], []
    found = calibrate(net, batches, progress=seen.append)
    assert seen == [3, 6]
    change = np.concatenate(
        [PruneGrad(net).sweep(x, None, PRUNING_STEPS).output_change.numpy() for x in batches], axis=1
    )
    np.testing.assert_allclose(found.mean, change.mean(1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.spread, change.std(1), rtol=1e-9, atol=1e-12)
    assert found.n == 6
    assert list(found.points) == [c for c in (0.05, 0.10, 0.15, 0.20, 0.30) if change.mean(1).max() >= c]
    assert found.points
    for level, sparsity in found.points.items():
        assert np.interp(sparsity, found.sparsity, found.mean) == pytest.approx(level, rel=1e-9)
        assert (found.mean[found.sparsity < sparsity - 1e-12] < level).all()
    assert sorted(found.points.values()) == list(found.points.values())


def test_an_allowance_that_is_never_exceeded_ends_at_the_last_step() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    assert sparsity_for_change(net, x, contributions(net, x), 1e9).tolist() == [0.999, 0.999]


def test_bad_calibrations_are_named() -> None:
    net = networks.network("plain")
    scores = contributions(net, networks.inputs(1))
    for wrong, says in (((-0.1,), "output_change >= 0"), ((0.1, "drop", "answer"), '"response" or "prob')):
        with pytest.raises(InputError, match=says):
            sparsity_for_change(net, networks.inputs(1), scores, *wrong)
    with pytest.raises(InputError, match="at least one input"):
        calibrate(net, [])
    with pytest.raises(InputError, match="increasing grid"):
        calibrate(net, [networks.inputs(1)], sparsities=(0.5, 0.2))


def test_a_run_of_before_both_changes_were_measured_is_computed_as_it_was() -> None:
    opened = SimpleNamespace(model=networks.network("residual"), inputs=lambda indices: networks.inputs(1))
    row = {"id": "taylor", "options": {}}
    new = SimpleNamespace(
        data={"indices": [0]}, methods=(row,), protocol={"output_change": "", "probability_change": ""},
        measures=("output_change", "probability_change", "kept_prediction"),
    )  # fmt: skip
    old = SimpleNamespace(**{**vars(new), "protocol": {"change": ""}, "measures": new.measures[::2]})
    change, likely, kept = CALIBRATION.cell(opened, new, 0, slice(0, 1))
    assert not np.array_equal(change, likely)
    np.testing.assert_array_equal(CALIBRATION.cell(opened, old, 0, slice(0, 1)), [likely, kept])
