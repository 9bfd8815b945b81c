"""Localisation measures against slow twins, and what chance must score."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import networks
from pruneattr_core.benchmarks.localisation import (
    compose_grid,
    counted_mass,
    grid_share,
    mass_inside,
    point_accuracy,
    roc_auc,
)
from pruneattr_core.benchmarks.protocols.localisation import _subjects
from pruneattr_core.errors import InputError


def example(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    mask = np.zeros((8, 9), bool)
    mask[2:5, 3:8] = True
    return random.normal(size=mask.shape).round(1) + 0.3 * mask, mask


def test_a_grid_of_one_column_is_a_pile() -> None:
    pile = torch.arange(3 * 2 * 4 * 5.0).view(3, 2, 4, 5)
    assert torch.equal(compose_grid(pile, 1).squeeze(0), torch.cat(list(pile), 1))
    for columns in (0, 2):
        with pytest.raises(InputError, match="columns"):
            compose_grid(pile, columns)


def test_roc_auc_equals_counting_all_pairs() -> None:
    values, mask = example()
    wins = sum(
        float(inside > outside) + 0.5 * float(inside == outside)
        for inside in values[mask]
        for outside in values[~mask]
    )
    assert roc_auc(values, mask) == pytest.approx(wins / mask.sum() / (~mask).sum(), abs=1e-12)


def test_mass_inside_equals_adding_up() -> None:
    values, mask = example(1)
    inside = total = 0.0
    for y in range(8):
        for x in range(9):
            if values[y, x] > 0:
                total += values[y, x]
                inside += values[y, x] if mask[y, x] else 0
    assert mass_inside(values, mask) == pytest.approx(inside / total, abs=1e-12)


def test_tied_maxima_share_the_point() -> None:
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    values = np.zeros((4, 4))
    assert point_accuracy(values, mask) == 1 / 16  # a constant map points at random
    values[0, 0] = values[3, 3] = 1
    assert point_accuracy(values, mask) == 0.5
    values[0, 0] = 2
    assert point_accuracy(values, mask) == 1
    assert point_accuracy(-values, mask) == 0


def test_what_knows_nothing_scores_chance() -> None:
    mask = example()[1]
    assert roc_auc(np.ones(mask.shape), mask) == 0.5
    assert mass_inside(np.ones(mask.shape), mask) == pytest.approx(mask.mean())
    assert roc_auc(mask.astype(float), mask) == mass_inside(mask.astype(float), mask) == 1


def test_undefined_is_nan_and_never_a_guess() -> None:
    values, mask = example()
    for measure in (roc_auc, point_accuracy, mass_inside):
        assert math.isnan(measure(values, np.zeros_like(mask)))
        assert math.isnan(measure(values, np.ones_like(mask)))
    assert math.isnan(mass_inside(-np.abs(values), mask))
    assert counted_mass(np.abs(values), np.zeros_like(mask)) == 0  # as the runs that are shipped count it


def test_the_grid_places_pictures_row_by_row() -> None:
    pictures = networks.inputs(6)
    grid = compose_grid(pictures, 3)
    assert grid.shape == (3, 20, 30)
    for cell in range(6):
        row, column = divmod(cell, 3)
        assert torch.equal(grid[:, row * 10 : row * 10 + 10, column * 10 : column * 10 + 10], pictures[cell])


def test_the_pointing_game_counts_mass_by_cell() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(20, 30))
    shares = [grid_share(values, 2, 3, cell) for cell in range(6)]
    assert sum(shares) == pytest.approx(1)
    expected = values[10:, 20:].clip(min=0).sum() / values.clip(min=0).sum()
    assert shares[5] == pytest.approx(expected)


def test_bad_requests_are_refused_in_words() -> None:
    values, mask = example()
    with pytest.raises(InputError, match="bool mask"):
        roc_auc(values, mask.astype(int))
    with pytest.raises(InputError, match="same shape"):
        mass_inside(values, mask[1:])
    with pytest.raises(InputError, match="NaN"):
        point_accuracy(values * np.nan, mask)
    with pytest.raises(InputError, match="rows of 4"):
        compose_grid(networks.inputs(6), 4)
    with pytest.raises(InputError, match="2 x 3 cells"):
        grid_share(values, 2, 3, 6)


def test_one_frame_a_clip() -> None:
    """Of pictures whose names begin alike the seed takes one; the others stay out."""
    names = ["bear_1", "bear_2", "cow_1", "bear_3", "cow_7", "a goat_2"]
    data = [SimpleNamespace(name=name) for name in names]
    opened = SimpleNamespace(data=data, labels=lambda index: ())
    taken = {
        seed: [names[i] for i in _subjects(opened, {"frames": "one"}, 9, seed)["indices"]]
        for seed in range(8)
    }
    for found in taken.values():
        assert sorted(name.rpartition("_")[0] for name in found) == ["a goat", "bear", "cow"]
    assert len({tuple(found) for found in taken.values()}) > 1
    assert len(_subjects(opened, {"frames": "one"}, 2, 0)["indices"]) == 2
    assert len(_subjects(opened, {"frames": "all"}, 9, 0)["indices"]) == 6
