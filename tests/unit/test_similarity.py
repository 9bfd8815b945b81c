"""Measures of likeness against the reference, slow twins and their theorems."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core.benchmarks.similarity import (
    MEASURES,
    cosine,
    hog_pearson,
    l2_distance,
    normalised,
    spearman,
    spearman_abs,
    ssim,
)
from pruneattr_core.errors import InputError


def maps(seed: int = 0, size: int = 20) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    first = random.normal(size=(size, size)).round(1)  # rounded, so that ranks tie
    return first, (0.5 * first + random.normal(size=(size, size))).round(1)


def test_equal_to_the_released_numbers(shared: Path) -> None:
    with np.load(shared / "reference" / "sanity_metrics.npz") as stored:
        a, b = stored["map_a"], stored["map_b"]
        assert abs(spearman(a, b) - stored["spearman"]) <= 1e-9
        assert abs(spearman_abs(a, b) - stored["spearman_abs"]) <= 1e-9
        assert abs(ssim(a, b) - stored["ssim_win5_range2"]) <= 1e-9
        assert abs(hog_pearson(a, b) - stored["pearson_hog16"]) <= 1e-9


def slow_ranks(values: list[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def slow_pearson(a: list[float], b: list[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return both / spread


def test_spearman_equals_its_slow_twin_with_ties() -> None:
    a, b = maps()
    ranks = [slow_ranks(m.ravel().tolist()) for m in (a, b)]
    assert spearman(a, b) == pytest.approx(slow_pearson(*ranks), abs=1e-12)
    ranks = [slow_ranks(np.abs(m).ravel().tolist()) for m in (a, b)]
    # |a| after the division by the largest magnitude ties exactly where |a| does
    assert spearman_abs(a, b) == pytest.approx(slow_pearson(*ranks), abs=1e-12)


def test_ssim_equals_its_slow_twin() -> None:
    a, b = (m / np.abs(m).max() for m in maps(1, 12))
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    values = []
    for row in range(8):
        for column in range(8):
            x = a[row : row + 5, column : column + 5].ravel()
            y = b[row : row + 5, column : column + 5].ravel()
            cov = np.cov(x, y, ddof=1)
            up = (2 * x.mean() * y.mean() + c1) * (2 * cov[0, 1] + c2)
            down = (x.mean() ** 2 + y.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)
            values.append(up / down)
    assert ssim(a, b) == pytest.approx(np.mean(values), abs=1e-12)


def test_vectors_equal_their_slow_twins() -> None:
    a, b = maps(2)
    flat_a, flat_b = a.ravel().tolist(), b.ravel().tolist()
    dot = sum(x * y for x, y in zip(flat_a, flat_b, strict=True))
    norms = math.sqrt(sum(x * x for x in flat_a)), math.sqrt(sum(y * y for y in flat_b))
    assert cosine(a, b) == pytest.approx(dot / norms[0] / norms[1], abs=1e-12)
    assert l2_distance(a, b) == pytest.approx(math.sqrt(2 - 2 * cosine(a, b)), abs=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_a_map_is_most_like_itself_whatever_its_scale_and_order(name: str) -> None:
    a, b = maps(3, 64)
    measure, best = MEASURES[name], 0.0 if name == "l2_distance" else 1.0
    assert measure(a, a) == pytest.approx(best, abs=1e-7)
    assert measure(a, 7 * a) == pytest.approx(best, abs=1e-7)
    assert measure(a, b) == pytest.approx(measure(b, a), abs=1e-12)
    assert measure(a, b) == pytest.approx(measure(3 * a, b), abs=1e-9)


def test_signs_matter_only_where_the_name_says_so() -> None:
    a, _ = maps(4)
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman_abs(a, -a) == pytest.approx(1)
    assert l2_distance(a, -a) == pytest.approx(2)


@pytest.mark.parametrize("name", MEASURES)
def test_constant_maps_give_a_nan_and_no_warning(name: str) -> None:
    zero, other = np.zeros((64, 64)), maps(5, 64)[0]
    defined = {"ssim"}
    assert math.isnan(MEASURES[name](zero, other)) == (name not in defined)
    assert math.isnan(MEASURES[name](zero, zero)) == (name not in defined)
    assert math.isnan(spearman(np.full((4, 4), 3.0), np.eye(4)))


def test_maps_too_small_for_a_window_have_no_such_likeness() -> None:
    assert math.isnan(ssim(np.eye(4), np.eye(4)))
    assert math.isnan(hog_pearson(np.eye(47), np.eye(47)))
    assert not math.isnan(hog_pearson(np.eye(48), np.eye(48)))


def test_bad_maps_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"map \(H, W\), got shape \(1, 4, 4\)"):
        spearman(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)))
    with pytest.raises(InputError, match=r"\(4, 4\) and \(5, 5\)"):
        ssim(np.eye(4), np.eye(5))
    with pytest.raises(InputError, match="NaN or infinite"):
        cosine(np.full((4, 4), np.nan), np.eye(4))
    with pytest.raises(InputError, match=r"map \(H, W\), got shape \(0, 4\)"):
        normalised(np.zeros((0, 4)))
    assert normalised(np.array([[2.0, -4.0]])).tolist() == [[0.5, -1.0]]
    assert normalised(np.array([[-3.0]])).tolist() == [[-1.0]]
