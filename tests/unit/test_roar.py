"""ROAR's parts: removal, trainings of two kinds against a slow one, areas of the papers' curves."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruneattr_core.benchmarks.maps import method_from
from pruneattr_core.benchmarks.roar import (
    accuracies,
    accuracy_area,
    attributed,
    predicted,
    without_pixels,
)
from pruneattr_core.benchmarks.training import Recipe, Recorded, epoch_of, train_alone

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


def slow(data: Tensor, labels: Tensor, seed: int, recipe: Recipe) -> nn.Module:
    """The slow twin: every picture is padded, cropped and mirrored by itself."""
    torch.manual_seed(seed)
    model = build().double().train()
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    for epoch in range(recipe.epochs):
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * recipe.gamma ** (epoch // recipe.every)
        for picked, top, left, mirrored in epoch_of(len(labels), recipe, random):
            crops = []
            for number, y, x, flip in zip(picked, top, left, mirrored, strict=True):
                crop = F.pad(data[number], (recipe.pad,) * 4)[:, y : y + 6, x : x + 6]
                crops.append(crop.flip(2) if flip else crop)
            optimiser.zero_grad()
            F.cross_entropy(model(torch.stack(crops)), labels[picked]).backward()
            optimiser.step()
    return model


def test_both_ways_of_training_learn_what_a_slow_one_does():
    x, y = pictures(27)  # three whole batches and three pictures
    recorded = Recorded(build, x, y, TINY)
    for data, seed in ((x, 1), (x.flip(3), 2), (x, 1)):  # what was learnt before leaves nothing behind
        twin = slow(data, y, seed, TINY).state_dict()
        for network in (train_alone(build, data, y, seed, TINY), recorded.learn(data, seed)):
            assert not network.training
            for name, found in network.state_dict().items():
                assert torch.allclose(found.to(twin[name]), twin[name], atol=1e-8), name


def test_an_epoch_has_every_picture_once_and_all_crops():
    recipe = Recipe(batch=100, pad=2)
    batches = list(epoch_of(250, recipe, torch.Generator().manual_seed(0)))
    assert [len(batch[0]) for batch in batches] == [100, 100, 50]
    picked, top, left, mirrored = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert picked.sort().values.tolist() == list(range(250))
    assert set(top.tolist()) == set(left.tolist()) == set(range(5))
    assert 0.3 < mirrored.double().mean() < 0.7


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
    base, removed, kept = accuracies(lambda: build().double(), data, y, data, y, [1, 1, 1], recipe)
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


def test_the_area_under_a_line_is_that_of_its_trapezoid():
    assert accuracy_area(1.0, [0.5, 0.0], [0.25, 0.5]) == pytest.approx(0.25)
    assert accuracy_area(0.8, [0.8], [0.9]) == pytest.approx(0.72)


def test_areas_are_those_of_the_papers_table(shared):
    published = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    for data in ("cifar10", "birdsnap"):
        curves = published[f"critical_paths/ROAR_curve_{data}"]
        for name, area in curves["AUC_recomputed"].items():
            base, *others = (percent / 100 for percent in curves["test_accuracy_pct"][name])
            assert accuracy_area(base, others) == pytest.approx(area, abs=2e-4)
