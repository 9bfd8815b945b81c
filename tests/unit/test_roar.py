"""ROAR's parts: removal, trainings that run as one against plain ones, areas of the papers' curves."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruneattr_core.benchmarks.maps import method_from
from pruneattr_core.benchmarks.roar import (
    Recipe,
    _augmented,
    accuracies,
    accuracy_area,
    accuracy_together,
    attributed,
    predicted,
    train_together,
    without_pixels,
)
from pruneattr_core.errors import InputError

TINY = Recipe(epochs=3, batch=8, every=1, pad=1)


def build() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def pictures(count: int = 24) -> tuple[Tensor, Tensor]:
    """Two classes that differ in the brightness of their left half."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, 6, 6, generator=random, dtype=torch.float64)
    y = torch.arange(count) % 2
    x[y == 1, :, :, :3] += 2
    return x, y


def alone(data: Tensor, labels: Tensor, seed: int, recipe: Recipe) -> nn.Module:
    """The slow twin: one plain training loop."""
    torch.manual_seed(seed)
    model = build().double().train()
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    for epoch in range(recipe.epochs):
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * recipe.gamma ** (epoch // recipe.every)
        order = torch.randperm(len(labels), generator=random)
        for start in range(0, len(labels), recipe.batch):
            picked = order[start : start + recipe.batch]
            optimiser.zero_grad()
            F.cross_entropy(model(_augmented(data, picked, random, recipe.pad)), labels[picked]).backward()
            optimiser.step()
    return model


def test_networks_trained_together_are_those_trained_alone():
    x, y = pictures()
    data, seeds = [x, x.flip(3), x], [1, 2, 3]
    parameters, buffers = train_together(build, data, y, seeds, TINY)
    scores = accuracy_together(build, (parameters, buffers), data, y)
    for place, (one, seed) in enumerate(zip(data, seeds, strict=True)):
        twin = alone(one, y, seed, TINY)
        state = {**parameters, **buffers}
        for name, expected in twin.state_dict().items():
            assert torch.allclose(state[name][place].to(expected), expected, atol=1e-9), name
        right = (twin.eval()(one).argmax(1) == y).double().mean()
        assert float(scores[place]) == pytest.approx(float(right))


def test_a_network_does_not_depend_on_its_neighbours():
    x, y = pictures()
    both, _ = train_together(build, [x, x.flip(2)], y, [5, 6], TINY)
    one, _ = train_together(build, [x.flip(2)], y, [6], TINY)
    for name in both:
        assert torch.allclose(both[name][1], one[name][0], atol=1e-10)


def test_removing_what_tells_the_classes_apart_costs_accuracy_and_keeping_it_does_not():
    x, y = pictures(64)
    oracle = torch.zeros(64, 6, 6, dtype=torch.float64)
    oracle[:, :, :3] = 1
    roar, kar = (without_pixels(x, oracle, 0.5, order) for order in ("morf", "lerf"))
    assert not roar[:, :, :, :3].any()
    assert not kar[:, :, :, 3:].any()
    assert without_pixels(x, oracle, 0.0) is x
    data = [x, roar, kar]
    recipe = Recipe(epochs=12, batch=16, lr=1e-2, every=20, pad=0)
    base, removed, kept = accuracy_together(build, train_together(build, data, y, [1, 1, 1], recipe), data, y)
    assert base > 0.85
    assert kept > 0.85
    assert removed < base - 0.2


def test_maps_of_many_pictures_do_not_depend_on_the_batch():
    x, _ = pictures(6)
    torch.manual_seed(0)
    model = build().double().eval().requires_grad_(False)
    method = method_from("saliency")
    target = predicted(model, x)
    whole, parts = (attributed(model, x, target, method, batch=batch) for batch in (6, 4))
    assert whole.shape == (6, 6, 6)
    assert torch.equal(whole, parts)


def test_areas_are_those_of_the_papers_table(shared):
    published = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    for data in ("cifar10", "birdsnap"):
        curves = published[f"critical_paths/ROAR_curve_{data}"]
        for name, area in curves["AUC_recomputed"].items():
            base, *others = (percent / 100 for percent in curves["test_accuracy_pct"][name])
            assert accuracy_area(base, others) == pytest.approx(area, abs=2e-4)


def test_what_does_not_fit_is_refused():
    x, y = pictures()
    with pytest.raises(InputError, match="as many seeds"):
        train_together(build, [x], y, [1, 2], TINY)
    assert TINY.reduced()
    assert not Recipe().reduced()


def test_taking_turns_gives_the_answers_of_the_group():
    x, y = pictures(48)
    data, seeds = [x, x.flip(3)], [4, 5]
    turns, group = (
        accuracies(build, data, y, data, y, seeds, TINY, together=together) for together in (False, True)
    )
    assert turns.tolist() == group.tolist()
    assert len(turns) == 2
