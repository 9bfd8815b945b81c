"""F-Fidelity and the random-logit test."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.protocols import fidelity as protocol
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.benchmarks.surrogate import Surrogate, _scattered, fidelity, fine_tuned
from pruneattr_core.ui.benchmarks.words import meaning

SOURCE = Source("scenes-net", "scenes")


class _Sum(nn.Module):
    """Two logits: the sum of the left half of the picture, and 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = x[..., : x.shape[-1] // 2].sum((1, 2, 3))
        return torch.stack([left, torch.zeros_like(left)], 1)


def test_fidelity_is_what_the_marked_pixels_hold_and_removes_no_more_than_beta():
    x, map_ = torch.full((1, 1, 4, 10), 0.1), torch.zeros(4, 10)
    map_[:, :5] = 1.0
    asked = (_Sum(), x, torch.tensor([0]))
    plus, minus = fidelity(*asked, map_, (0.5,), 0.5, 0.1, 7, 0)
    whole, four_less = (1 / (1 + np.exp(-0.1 * n)) for n in (20, 16))  # a tenth of 40 pixels, not half of 20
    assert plus == pytest.approx(whole - four_less)
    assert minus == pytest.approx(0)
    assert fidelity(*asked, -map_, (0.5,), 0.5, 0.1, 7, 0) == pytest.approx((0, whole - four_less))


def test_so_much_of_every_picture_is_removed_as_is_asked_for():
    shares = np.array([0.0, 0.1, 0.5, 1.0])
    gone = _scattered(np.random.default_rng(0), 4, 100, shares)
    assert gone.sum(1).tolist() == [0, 10, 50, 100]
    assert 0 < gone[2, :50].sum() < 50  # not the first ones


def test_the_copy_learns_to_bear_holes_and_the_network_stays():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    model.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pictures = torch.randn(64, 3, 4, 4) + 3
    how = Surrogate(beta=0.5, steps=100, rate=0.1)
    copy = fine_tuned(model, lambda numbers: pictures[list(numbers)], len(pictures), how, 1)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    holes = pictures * (torch.rand(64, 1, 4, 4) > 0.25)
    told = model(pictures).softmax(1)

    def gap(network: nn.Module) -> float:
        return float((network(holes).softmax(1) - told).abs().mean())

    assert gap(copy) < 0.8 * gap(model)


def test_a_map_that_asks_no_class_fails_the_random_logit_test():
    plan = plan_run("logits", SOURCE, ["edges", "prunegrad"], 2, chunk=2)
    controls, ours = (compute_cell(SOURCE, plan, number) for number in range(2))
    assert controls[:, 0] == pytest.approx(1.0)
    assert (ours[0, 0] < 0.9).all()


def test_a_cell_of_f_fidelity_depends_on_its_pictures_alone(monkeypatch):
    monkeypatch.setattr(protocol, "DRAWS", 3)
    one = plan_run("fidelity", SOURCE, ["random"], 2, choices={"steps": 1}, chunk=2)
    two = plan_run("fidelity", SOURCE, ["random"], 2, choices={"steps": 1}, chunk=1)
    both, second = compute_cell(SOURCE, one, 0), compute_cell(SOURCE, two, 1)
    np.testing.assert_allclose(both[:, :, 1:], second, atol=1e-6)
    assert both[2] == pytest.approx(both[0] - both[1])


def test_a_fid_minus_below_0_is_explained_where_it_is_shown():
    """On the scenes nothing of the rest matters, and the copy is a little surer with holes: of any map."""
    run = read_run(ASSETS / "runs" / "bench" / "scenes-fidelity")
    of = {label: float(run.of(label, "fid_minus").mean()) for label in run.plan.labels}
    assert min(of, key=of.__getitem__) == "Random map"
    assert of["Random map"] < 0
    said = meaning(run, "fid_minus")
    assert said.startswith("Lower is better: without the rest")
    assert "below 0" in said
    assert "random map" in said
    assert meaning(run, "fid_plus") != said
