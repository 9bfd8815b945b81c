"""Overlap, nesting and dead share of paths: theorems and a check of the random control's expectation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import networks
from pruneattr_core import Path, contributions
from pruneattr_core.analysis.alike import alike
from pruneattr_core.analysis.dead import prevalence, prevalence_over
from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.analysis.overlap import (
    chance_overlap,
    class_overlap,
    image_overlap,
    layer_overlap,
    nesting,
    overlap_matrix,
)
from pruneattr_core.analysis.table_run import Table
from pruneattr_core.errors import InputError
from pruneattr_core.paths.control import random_paths
from pruneattr_core.paths.table import METHODS, Search

SPARSITIES = (0.5, 0.8, 0.9, 0.99)
CHEAP = [name for name in METHODS if not name.startswith("dgr")]


@pytest.mark.parametrize("kept", [0.5, 0.2, 0.1])
def test_random_paths_overlap_by_p_over_2_minus_p(kept: float) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    paths = [random_paths(net, x, [1 - kept], seed)[0] for seed in range(24)]
    values = [float(a.jaccard(b)) for a, b in zip(paths[::2], paths[1::2], strict=True)]
    found = mean_interval(values, level=0.999)
    assert found.low <= chance_overlap(kept) <= found.high
    assert chance_overlap(kept) == pytest.approx(kept / (2 - kept))


@pytest.mark.parametrize("method", CHEAP)
def test_paths_nest_and_report_what_they_reached(method: str) -> None:
    net, x = networks.network("concatenating"), networks.inputs(2)
    paths = METHODS[method].paths(Search(net, x, None, SPARSITIES, 1))
    assert nesting(paths).eq(1).all()
    for path, sparsity in zip(paths, SPARSITIES, strict=True):
        assert path.meta["sparsity"] == sparsity
        assert path.meta["method"] == method
        total = sum(path.neurons)
        torch.testing.assert_close(path.sparsity, 1 - path.kept.sum(0).double() / total)


@pytest.mark.parametrize("method", ["taylor", "intgrad"])
@pytest.mark.parametrize("name", ["residual", "reused", "concatenating"])
def test_contribution_paths_hold_no_dead_neuron_above_the_dead_share(name: str, method: str) -> None:
    net, x = networks.network(name), networks.inputs(3)
    dead = contributions(net, x)
    for sparsity in (float(dead.dead_fraction.max()) + 1e-6, 0.8, 0.9, 0.99):
        (path,) = METHODS[method].paths(Search(net, x, None, [sparsity]))
        assert prevalence(path, dead.dead).share.eq(0).all()


def test_random_path_has_the_base_rate() -> None:
    net, x = networks.network("residual"), networks.inputs(24, seed=4)
    scores = contributions(net, x)
    found = prevalence_over({"random": random_paths(net, x, [0.5])[0]}, scores.dead)
    assert found["random"].low - 0.01 <= found["all neurons"].mean <= found["random"].high + 0.01
    per_layer = prevalence(random_paths(net, x, [0.0])[0], scores.dead, per_layer=True)
    torch.testing.assert_close(per_layer.share, per_layer.base_rate)


def test_random_batch_equals_singles_and_images_differ() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    (batch,) = random_paths(net, x, [0.5])
    for image in range(2):
        assert float(random_paths(net, x[image : image + 1], [0.5])[0].jaccard(batch[image])) == 1
    assert 0.2 < float(batch[0].jaccard(batch[1])) < 0.5


def test_matrices_equal_sets_of_neurons() -> None:
    net, x = networks.network("reused"), networks.inputs(3)
    paths = {
        name: METHODS[name].paths(Search(net, x, None, [0.8]))[0] for name in ("taylor", "intgrad", "random")
    }
    sets = {
        name: [
            {(k, j) for k, m in enumerate(p.layers) for j in m[b].flatten().nonzero().flatten().tolist()}
            for b in range(3)
        ]
        for name, p in paths.items()
    }
    matrix, names = overlap_matrix(paths), list(paths)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            for b in range(3):
                a, c = sets[one][b], sets[other][b]
                assert float(matrix[i, j, b]) == pytest.approx(len(a & c) / len(a | c))
    layers = layer_overlap(paths, "intgrad")
    assert list(layers) == ["taylor", "random"]
    assert layers["taylor"].shape == (3, 3)
    across = image_overlap(paths["taylor"])
    a, c = sets["taylor"][2], sets["taylor"][0]
    assert float(across[2, 0]) == float(across[0, 2]) == pytest.approx(len(a & c) / len(a | c))
    assert across.diagonal().eq(1).all()


def test_classes() -> None:
    one = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]], dtype=torch.bool)
    within, between = class_overlap(Path(("a",), (one,)), [0, 0, 1, 1])
    assert within.mean == pytest.approx((1 + 1 + 1 / 3 + 1 / 3) / 4)
    assert between.mean == pytest.approx((1 / 6 + 1 / 6 + 0 + 1 / 3) / 4)
    with pytest.raises(InputError, match="labels"):
        class_overlap(Path(("a",), (one,)), [0])


def test_intervals_cover_and_refuse() -> None:
    rng = np.random.default_rng(0)
    covered = [
        found.low <= 2 <= found.high for found in (mean_interval(rng.normal(2, 1, 5)) for _ in range(400))
    ]
    assert 0.92 < np.mean(covered) < 0.98
    assert np.isnan(mean_interval([1.0], least=0).low)
    whole, cut = mean_interval([0.1, 0.5]), mean_interval([0.1, 0.5], least=0)
    assert whole.low < 0 == cut.low
    assert (whole.mean, whole.high) == (cut.mean, cut.high)
    with pytest.raises(InputError, match="finite"):
        mean_interval([])
    with pytest.raises(InputError, match="reference"):
        layer_overlap({}, "intgrad")


def test_a_run_of_nesting_is_read_as_overlaps_of_pictures_and_classes() -> None:
    """Against the paths themselves; pictures of one answer come to stand next to each other."""
    generator = torch.Generator().manual_seed(3)
    masks = torch.rand(5, 40, generator=generator) < 0.4
    path = Path(("relu",), (masks,))
    answers = ["cat", "dog", "cat", "eel", "dog"]
    half = torch.tril(image_overlap(path)).double().numpy()
    half[np.triu_indices(5, 1)] = np.nan
    rows = [(s, str(k), answer) for s in ("0.6", "0.9") for k, answer in enumerate(answers)]
    inside = np.array([[np.nan]] * 5 + [[1.0], [0.5], [1.0], [1.0], [0.5]])
    header = {
        "benchmark": "nesting",
        "texts": ["sparsity", "picture", "answer"],
        "numbers": ["inside the denser", *(f"with {k}" for k in range(5))],
    }
    table = Table(header, tuple(rows), np.hstack([inside, np.vstack([half, half])]))
    found = alike(table, "0.9")
    order = [0, 2, 1, 4, 3]
    assert found.answers == tuple(answers[k] for k in order)
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            if i != j:
                assert found.pictures[i, j] == pytest.approx(float(path[a : a + 1].jaccard(path[b : b + 1])))
    assert found.classes == ("cat", "dog", "eel")
    assert found.matrix[0, 0] == pytest.approx(found.pictures[0, 1])
    assert found.matrix[0, 1] == pytest.approx(found.pictures[:2, 2:4].mean())
    assert np.isnan(found.matrix[2, 2])
    for mine, theirs in zip((found.within, found.between), class_overlap(path, [0, 1, 0, 2, 1]), strict=True):
        assert mine is not None
        assert (mine.n, *map(pytest.approx, (mine.mean, mine.low))) == (theirs.n, theirs.mean, theirs.low)
    assert found.inside is not None
    assert found.inside.mean == pytest.approx(0.8)
    assert alike(table, "0.6").inside is None
    with pytest.raises(InputError, match="nesting"):
        alike(table, "0.7")
