"""What reviewers ask of maps: against analytic cases, slow twins and Quantus."""

from __future__ import annotations

import math
import warnings
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch import nn

import networks
from pruneattr_core import explain
from pruneattr_core.benchmarks import quality
from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.protocols.foreign import STEPS, _quietly, _step
from pruneattr_core.benchmarks.protocols.quality import _layout, _unvalued
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.errors import InputError
from pruneattr_core.scenes import scene

TARGET = torch.tensor([1])


class Linear(nn.Module):
    """Its gradient is the same everywhere, so what a map foretells is known."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(2, 3 * 8 * 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.weight.T


@pytest.fixture
def linear() -> tuple[Linear, torch.Tensor, torch.Tensor]:
    net = Linear()
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return net, x, net.weight[1].detach().view_as(x)


def test_the_gradient_of_a_linear_network_is_faithful_in_any_unit(linear) -> None:
    net, x, gradient = linear
    assert quality.infidelity(net, x, TARGET, gradient, 0) < 1e-12
    assert quality.infidelity(net, x, TARGET, 7 * gradient, 0) < 1e-12
    assert quality.infidelity(net, x, TARGET, net.weight[0].detach().view_as(x), 0) > 0.5
    assert quality.infidelity(net, x, TARGET, torch.zeros_like(x), 0) == 1


def test_measures_that_need_masks_stand_only_where_there_are_masks() -> None:
    """And those that need the parts of a scene, where there are scenes."""
    box = np.eye(4, dtype=bool)
    for mask, without in (
        (None, {"mass_inside", "rank_accuracy"}),
        (box | True, {"mass_inside", "rank_accuracy"}),
        (box, set()),
    ):
        opened = SimpleNamespace(mask=lambda index, mask=mask: mask, data=[])
        names = _layout(opened, {})[0]
        assert set(_unvalued(opened, [0], [], names)) == without
        assert without < set(names)
        assert "parts_rank" not in names


def test_foreign_metrics_draw_the_same_again_and_leave_the_generators_as_they_were() -> None:
    def draws() -> tuple[float, float]:
        return float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    found = []
    for seed in (3, 3, 4):
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        expected = draws()
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        with _quietly(seed):
            found.append(draws())
        assert draws() == expected
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])


@pytest.mark.parametrize("pixels", [1, 49, 64, 97, 1024, 10_000, 50_176])
def test_quantus_removes_a_divisor_of_the_pixels_at_a_time(pixels: int) -> None:
    step = _step(pixels)
    assert pixels % step == 0
    assert step >= pixels / STEPS - 1
    assert not [k for k in range(max(1, pixels // STEPS), step) if pixels % k == 0]  # no more than is needed


def test_gradient_times_input_of_a_linear_network_foretells_every_removal(linear) -> None:
    net, x, gradient = linear
    assert quality.sensitivity_n(net, x, TARGET, (gradient * x).sum(1)[0], 0) == pytest.approx(1)
    assert quality.sensitivity_n(net, x, TARGET, -(gradient * x).sum(1)[0], 0) == pytest.approx(-1)
    assert math.isnan(quality.sensitivity_n(net, x, TARGET, torch.zeros(8, 8), 0))


def test_max_sensitivity_is_the_largest_relative_change(linear) -> None:
    _, x, gradient = linear
    assert quality.max_sensitivity(lambda batch: gradient.expand_as(batch), x, 0) == 0
    seen: list[torch.Tensor] = []

    def squared(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch)
        return batch**2

    found = quality.max_sensitivity(squared, x, 3)
    first, neighbours = seen[0], torch.cat(seen[1:])
    assert len(neighbours) == quality.SENSITIVITY_DRAWS
    assert float((neighbours - x).abs().max()) <= 0.02  # Captum's radius
    slow = max(float((n**2 - first[0] ** 2).norm() / (first[0] ** 2).norm()) for n in neighbours)
    assert found == pytest.approx(slow)
    assert found == quality.max_sensitivity(squared, x, 3) != quality.max_sensitivity(squared, x, 4)


@pytest.mark.parametrize(("dtype", "off"), [(torch.float64, 0), (torch.float32, 1e-3)])
def test_max_sensitivity_of_prunegrad_is_that_of_its_maps_one_by_one(dtype: torch.dtype, off: float) -> None:
    """In single precision a neuron at the threshold may fall to the other side beside other inputs."""
    net, x = networks.network("residual").to(dtype), networks.inputs(1).to(dtype)
    seen: list[torch.Tensor] = []

    def maps(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch.detach().clone())
        return explain(net, batch, 1).values

    found = quality.max_sensitivity(maps, x, 3)
    base = explain(net, x, 1).values.double()
    alone = [explain(net, one[None], 1).values.double() for one in torch.cat(seen[1:])]
    slow = max(float((one - base).norm() / base.norm()) for one in alone)
    assert found == pytest.approx(slow, rel=off or 1e-12, abs=0)


def test_sparseness_and_entropy_at_their_ends() -> None:
    one = np.zeros((4, 4))
    one[1, 2] = -3
    assert quality.gini(np.full((4, 4), 2.0)) == pytest.approx(0)
    assert quality.gini(one) == pytest.approx(1 - 1 / 16)
    assert quality.entropy(np.full((4, 4), 2.0)) == pytest.approx(math.log(16))
    assert quality.entropy(one) == pytest.approx(0)
    assert math.isnan(quality.gini(np.zeros((4, 4))))
    assert math.isnan(quality.entropy(np.zeros((4, 4))))


def test_rank_accuracy_counts_the_highest_pixels() -> None:
    mask = np.zeros((4, 4), bool)
    mask[0, :3] = True
    values = np.arange(16.0).reshape(4, 4)
    assert quality.rank_accuracy(-values, mask) == 1
    assert quality.rank_accuracy(values, mask) == 0
    values[0, 0] = 99
    assert quality.rank_accuracy(values, mask) == pytest.approx(1 / 3)
    assert math.isnan(quality.rank_accuracy(values, np.zeros((4, 4), bool)))
    with pytest.raises(InputError, match="one shape"):
        quality.rank_accuracy(values, mask[:2])


def test_quantus_agrees_where_it_is_right() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Quantus and what it imports warn about their own dependencies
        try:
            import quantus
        except ImportError as error:
            pytest.skip(f"pip install -r requirements-dev.txt, apt install libgl1: {error}")
        rng = np.random.default_rng(0)
        maps, masks = rng.random((3, 1, 12, 12)), rng.random((3, 1, 12, 12)) < 0.3
        given = {"model": None, "x_batch": maps.copy(), "y_batch": np.zeros(3, int), "s_batch": masks}
        theirs = {
            name: [float(value) for value in getattr(quantus, name)(
                abs=True, normalise=False, disable_warnings=True, display_progressbar=False
            )(a_batch=maps.copy(), **given)]
            for name in ("Sparseness", "Complexity", "RelevanceRankAccuracy")
        }  # fmt: skip
    np.testing.assert_allclose([quality.gini(m[0]) for m in maps], theirs["Sparseness"], atol=1e-6)
    np.testing.assert_allclose([quality.entropy(m[0]) for m in maps], theirs["Complexity"], atol=1e-6)
    ranks = [quality.rank_accuracy(m[0], s[0]) for m, s in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(ranks, theirs["RelevanceRankAccuracy"], atol=1e-6)


def test_a_scene_without_a_solid_differs_by_that_solid_and_its_shadow() -> None:
    for index in (3, 14):
        whole = scene(index, 5, 96)
        assert len(whole.parts) >= 3
        np.testing.assert_array_equal(whole.parts[:1], whole.masks)
        assert int(whole.parts.sum(0).max()) == 1
        for part in range(len(whole.parts)):
            less = scene(index, 5, 96, without=part)
            changed = (less.image != whole.image).any(2)
            assert changed[whole.parts[part]].mean() > 0.9
            assert distance_transform_edt(~whole.parts[part])[changed].max() < 0.2 * 96  # its soft shadow
            assert not less.parts[part].any()
    with pytest.raises(InputError, match="without"):
        scene(3, 5, 96, without=99)


def test_parts_are_ordered_by_what_the_network_loses() -> None:
    parts = np.zeros((4, 8, 8), bool)
    for k in range(4):
        parts[k, 2 * k : 2 * k + 2] = True
    values = np.repeat([[1.0], [-4.0], [2.0], [3.0]], 2, axis=0) * np.ones((8, 8))
    assert quality.parts_rank(values, parts, [0.1, -0.9, 0.2, 0.5]) == pytest.approx(1)
    assert quality.parts_rank(values, parts, [0.9, 0.1, 0.5, 0.2]) == pytest.approx(-1)
    parts[3] = parts[2] = False
    assert math.isnan(quality.parts_rank(values, parts, [1, 2, 3, 4]))


def test_a_pictures_numbers_do_not_depend_on_its_cell() -> None:
    source = Source("scenes-net", "scenes")
    plan = plan_run("quality", source, ["input_x_gradient"], 2, chunk=2)
    assert plan.measures == (
        "gini", "entropy", "infidelity", "max_sensitivity", "sensitivity_n", "mass_inside", "rank_accuracy",
        "parts_rank",
    )  # fmt: skip
    together = compute_cell(source, plan, 0)
    alone = compute_cell(source, plan_run("quality", source, ["input_x_gradient"], 2, chunk=1), 1)
    np.testing.assert_allclose(together[:, 0, 1:], alone[:, 0], rtol=1e-4, atol=1e-5)
    assert np.isfinite(together).all()


def test_quantus_is_a_benchmark_by_the_names_of_its_metrics() -> None:
    source = Source("scenes-net", "scenes")
    with pytest.raises(InputError, match="Expected --metrics"):
        plan_run("quantus", source, ["edges"], 1, choices={"metrics": ["sparsness"]})
    if find_spec("quantus") is None:
        pytest.skip("quantus is not installed")
    metrics = ["sparseness", "complexity", "relevance_rank_accuracy", "faithfulness_correlation"]
    two = plan_run("quantus", source, ["edges"], 2, choices={"metrics": metrics}, chunk=2)
    one = plan_run("quantus", source, ["edges"], 2, choices={"metrics": metrics}, chunk=1)
    ours = plan_run("quality", source, ["edges"], 2, chunk=1)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    both, second = compute_cell(source, two, 0), compute_cell(source, one, 1)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    np.testing.assert_allclose(both[:, :, 1:], second, atol=1e-6)
    known = dict(zip(ours.measures, compute_cell(source, ours, 1)[:, 0, 0], strict=True))
    np.testing.assert_allclose(
        second[:3, 0, 0], [known["gini"], known["entropy"], known["rank_accuracy"]], atol=1e-5
    )


def test_equal_pixels_at_random_have_the_mean_over_their_orders() -> None:
    rng = np.random.default_rng(0)
    values, mask = rng.integers(0, 3, (4, 5)).astype(float), rng.random((4, 5)) < 0.4
    turns = [rng.permutation(20) for _ in range(4000)]
    means = [quality.rank_accuracy(values.ravel()[t], mask.ravel()[t]) for t in turns]
    assert quality.rank_accuracy(values, mask, "random") == pytest.approx(np.mean(means), abs=0.01)
    assert quality.rank_accuracy(np.ones((4, 5)), mask, "random") == pytest.approx(mask.mean())
    assert quality.rank_accuracy(np.ones((4, 5)), mask[::-1], "random") == pytest.approx(mask.mean())
    distinct = rng.random((4, 5))
    assert quality.rank_accuracy(distinct, mask, "random") == quality.rank_accuracy(distinct, mask)
    with pytest.raises(InputError, match="ties"):
        quality.rank_accuracy(values, mask, "first")


def test_infidelity_does_not_mind_which_way_round_all_signs_are() -> None:
    model = networks.network("plain")
    x = networks.inputs(1)
    values = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    one = torch.tensor([1])
    assert quality.infidelity(model, x, one, values, 0) == pytest.approx(
        quality.infidelity(model, x, one, -3 * values, 0), rel=1e-5
    )
