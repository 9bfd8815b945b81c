"""Folders in which some pictures have masks and others none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.sources import Source


@pytest.fixture
def some_masks(tmp_path: Path) -> Path:
    """Four pictures: the first has no mask, the second an empty one, the last two a box."""
    (tmp_path / "masks").mkdir()
    for place in range(4):
        pixels = np.random.default_rng(place).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
        mask = np.zeros((40, 40), np.uint8)
        mask[10:20, 10:30] = 255 * (place > 1)
        if place:
            Image.fromarray(mask).save(tmp_path / "masks" / f"{place}.png")
    return tmp_path


def test_masks_count_where_the_first_picture_has_none(some_masks: Path) -> None:
    source = Source("resnet8-cifar10", str(some_masks))
    plan = plan_run("quality", source, ["saliency"], 4)
    found = compute_cell(source, plan, 0)
    for measure in ("mass_inside", "rank_accuracy"):
        assert np.isfinite(found[plan.measures.index(measure), 0]).tolist() == [False, False, True, True]
    assert "mass_inside" not in plan_run("quality", source, ["saliency"], 1, seed=1).measures  # picture 0


def test_masks_that_hold_nothing_or_everything_are_left_out_of_the_mass_when_asked(some_masks: Path) -> None:
    source = Source("resnet8-cifar10", str(some_masks))
    for choices, expected in (({}, [False, True]), ({"masks": "usable"}, [False, False])):
        plan = plan_run("localise", source, ["saliency"], 4, choices={"game": "none", **choices})
        assert plan.protocol.get("masks") == choices.get("masks")
        found = compute_cell(source, plan, 0)[plan.measures.index("mass_inside"), 0]
        assert np.isfinite(found[:2]).tolist() == expected
        assert np.isfinite(found[2:]).all()


def test_quantus_is_not_asked_about_pictures_without_a_mask(some_masks: Path) -> None:
    pytest.importorskip("quantus")
    source = Source("resnet8-cifar10", str(some_masks))
    plan = plan_run("quantus", source, ["saliency"], 4, choices={"metrics": ("pointing_game", "sparseness")})
    found = compute_cell(source, plan, 0)[:, 0]
    assert np.isfinite(found[0]).tolist() == [False, False, True, True]
    assert np.isfinite(found[1]).all()
