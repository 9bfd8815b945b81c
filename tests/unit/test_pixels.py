"""Pixel removal against the reference, slow twins and what must hold."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import networks
from pruneattr_core.benchmarks.fills import FILLS, NOISE, fill_removed, imputed, imputed_together
from pruneattr_core.benchmarks.pixels import (
    FULL_FRACTIONS,
    LERF_FRACTIONS,
    area,
    insertion_curve,
    removal_curve,
    removal_masks,
    replace_pixels,
)
from pruneattr_core.benchmarks.protocols.removal import WHOLE_FRACTIONS
from pruneattr_core.errors import Cancelled, InputError, TargetError


@pytest.fixture
def stored(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "roar_lerf_remove.npz") as arrays:
        return dict(arrays)


def maps(count: int = 2, seed: int = 0, size: int = 10) -> torch.Tensor:
    return torch.randn(count, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("order", "name"), [("lerf", "bottom"), ("morf", "top")])
def test_removal_equals_the_released_code(stored: dict[str, np.ndarray], order: str, name: str) -> None:
    image, values = torch.from_numpy(stored["image"]), torch.from_numpy(stored["attr_max_channel"])
    masks = removal_masks(values[None], LERF_FRACTIONS, order)[:, 0]
    assert np.array_equal(fill_removed(image, masks), stored[f"lerf_remove_{name}"])


@pytest.mark.parametrize("percent", [10, 30, 50, 70, 90])
def test_roar_pictures_equal_the_released_ones_but_for_the_tied_level(stored, percent: int) -> None:
    image = torch.from_numpy(stored["image"])
    values = (stored["roar_attr_uint8_3ch"] / 255).astype(np.float32).max(0)
    fill = (0.4914, 0.4822, 0.4465)
    ours = replace_pixels(image[None], torch.from_numpy(values)[None], percent / 100, fill)[0].numpy()
    theirs = stored[f"roar_removed_{percent}"]
    gone, expected = (ours != stored["image"]).any(0), (theirs != stored["image"]).any(0)
    assert gone.sum() == expected.sum() == int(percent * 1024 / 100)
    away = values != values[gone].min()
    assert np.array_equal(ours[:, away], theirs[:, away])


def slow_removed(values: np.ndarray, fraction: float, order: str) -> set[int]:
    places = list(range(values.size))
    places.sort(key=lambda i: values.flat[i] if order == "lerf" else -values.flat[i])  # sort is stable
    return set(places[: int(round(fraction * values.size, 6))])


@pytest.mark.parametrize("order", ["lerf", "morf"])
def test_masks_equal_their_slow_twin_with_ties(order: str) -> None:
    tied = maps(3).round()
    fractions = [0.0, 0.07, 0.29, 0.5, 1.0]
    masks = removal_masks(tied, fractions, order)
    assert masks.shape == (5, 3, 10, 10)
    for k, fraction in enumerate(fractions):
        for image in range(3):
            gone = set(np.flatnonzero(masks[k, image].numpy()))
            assert gone == slow_removed(tied[image].numpy(), fraction, order)
    assert (masks[:-1] <= masks[1:]).all()  # nested


def test_random_ties_are_seeded_and_touch_tied_pixels_only() -> None:
    flat = torch.zeros(1, 10, 10)
    flat[0, 4:6] = 1
    a, b = (removal_masks(flat, [0.1, 0.8], ties="random", seed=s) for s in (0, 1))
    assert torch.equal(a, removal_masks(flat, [0.1, 0.8], ties="random", seed=0))
    assert not torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])  # 80 zeros: whatever their order, they are what goes
    assert not a[:, 0, 4:6].any()
    assert removal_masks(flat, [0.1])[0, 0, 0].all()  # raster: the first row


@pytest.mark.parametrize("order", ["lerf", "morf"])
@pytest.mark.parametrize("name", ["plain", "in_place"])
def test_the_curve_equals_its_slow_twin(name: str, order: str) -> None:
    net, x, values = networks.network(name), networks.inputs(2), maps()
    curve = removal_curve(net, x, values, [1, 4], order=order)
    for image, target in enumerate((1, 4)):
        before = net(x[image : image + 1].clone()).softmax(1)[0, target].item()
        assert curve.original[image].item() == pytest.approx(before, rel=1e-12)
        for k, fraction in enumerate(LERF_FRACTIONS):
            picture = x[image].clone()
            for place in slow_removed(values[image].numpy(), fraction, order):
                picture[:, place // 10, place % 10] = 0
            after = net(picture[None]).softmax(1)[0, target].item()
            assert curve.probability[k, image].item() == pytest.approx(after, rel=1e-12)
            assert curve.change[k, image].item() == pytest.approx(
                abs(before - after) / before, rel=1e-9, abs=1e-12
            )
        y = [0.0, *curve.change[:, image].tolist()]
        slow_area = sum(0.01 * (a + b) / 2 for a, b in itertools.pairwise(y))
        assert curve.curve_auc[image].item() == pytest.approx(slow_area, rel=1e-9)


@pytest.mark.parametrize("shares", [LERF_FRACTIONS, FULL_FRACTIONS, WHOLE_FRACTIONS])
def test_curves_go_by_rising_shares(shares: tuple[float, ...]) -> None:
    assert list(shares) == sorted({*shares})
    assert 0 <= shares[0] < shares[-1] <= 1


def test_the_area_is_that_of_the_published_curve() -> None:
    gradients = [0.216, 0.285, 0.327, 0.361, 0.390, 0.428, 0.450, 0.477, 0.510, 0.540]  # SCP, CIFAR-10
    values = torch.tensor(gradients, dtype=torch.float64)[:, None]
    found = area(LERF_FRACTIONS, values, torch.zeros(1, dtype=torch.float64))
    assert found.item() == pytest.approx(0.0371, abs=5e-5)


def test_deletion_and_insertion_are_one_curve_read_from_both_ends() -> None:
    net, x, values = networks.network("residual"), networks.inputs(2), maps()
    shown = insertion_curve(net, x, values, fill="mean")
    gone = removal_curve(net, x, values, fractions=FULL_FRACTIONS)
    assert torch.equal(shown.probability.flip(0), gone.probability)
    assert torch.allclose(shown.probability[-1], gone.original)
    deleted = removal_curve(net, x, -values, fractions=FULL_FRACTIONS, order="morf")
    assert torch.equal(deleted.probability, gone.probability)  # no ties here
    assert torch.equal(gone.target, net(x).argmax(1))


def test_blur_stays_in_its_channel_and_a_map_of_one_value_is_a_map() -> None:
    red = torch.zeros(3, 10, 10, dtype=torch.float64)
    red[0, 4:6, 4:6] = 1
    filled = fill_removed(red, torch.ones(1, 10, 10, dtype=torch.bool), "blur")[0]
    assert filled[0].any()
    assert not filled[1:].any()
    assert removal_masks(torch.zeros(2, 1, 1), [1.0], "lerf").tolist() == [[[[True]], [[True]]]]
    with pytest.raises(InputError, match=r"maps \(B, H, W\), got shape \(2, 0, 4\)"):
        removal_masks(torch.zeros(2, 0, 4), [0.5], "lerf")


@pytest.mark.parametrize("fill", FILLS)
def test_fills_touch_removed_pixels_only(fill: str) -> None:
    image, gone = networks.inputs(1)[0], maps(3) > 0
    gone[2] = True
    filled = fill_removed(image, gone, fill, seed=3)
    assert filled.shape == (3, 3, 10, 10)
    assert filled.dtype == image.dtype
    assert torch.isfinite(filled).all()
    for k in range(3):
        assert torch.equal(filled[k][:, ~gone[k]], image[:, ~gone[k]])
        assert not torch.equal(filled[k][:, gone[k]], image[:, gone[k]])
    assert torch.equal(filled, fill_removed(image, gone, fill, seed=3))
    if fill != "blur":
        assert not filled[2].any()


def test_imputation_equals_its_slow_twin() -> None:
    pixels, gone = networks.inputs(1)[0].numpy(), (maps(1, 3)[0] > -0.3).numpy()
    filled = imputed(pixels, gone)
    for y, x in zip(*np.nonzero(gone), strict=True):
        total, weights = np.zeros(3), 0.0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dy, dx) != (0, 0) and 0 <= y + dy < 10 and 0 <= x + dx < 10:
                    weight = 1 / 6 if dy == 0 or dx == 0 else 1 / 12
                    total += weight * filled[:, y + dy, x + dx]
                    weights += weight
        np.testing.assert_allclose(filled[:, y, x], total / weights, atol=1e-12)


def test_imputation_keeps_a_constant_and_adds_the_noise_it_says() -> None:
    flat, gone = np.full((2, 40, 40), 3.0), np.ones((40, 40), bool)
    gone[::7] = False
    assert imputed(flat, gone) == pytest.approx(3.0)
    noise = (imputed(flat, gone, np.random.default_rng(0)) - flat)[:, gone]
    assert noise.std() == pytest.approx(NOISE, rel=0.05)


def test_kar_keeps_what_roar_replaces() -> None:
    images, values = networks.inputs(4), maps(4)
    before = images.clone()
    roar = replace_pixels(images, values, 0.3, [9.0, 8.0, 7.0])
    kar = replace_pixels(images, values, 0.7, [9.0, 8.0, 7.0], order="lerf")
    assert ((roar == images) != (kar == images)).all()
    assert torch.equal(images, before)


def test_bad_requests_are_refused_in_words() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    with pytest.raises(InputError, match=r"Expected maps \(2, 10, 10\)"):
        removal_curve(net, x, maps(1))
    with pytest.raises(InputError, match="increasing"):
        removal_curve(net, x, maps(), fractions=[0.2, 0.1])
    with pytest.raises(InputError, match="between 0 and 1"):
        removal_masks(maps(), [1.5])
    with pytest.raises(InputError, match="lerf"):
        removal_masks(maps(), [0.5], "best")
    with pytest.raises(InputError, match="NaN"):
        removal_masks(maps() * np.nan, [0.5])
    with pytest.raises(InputError, match="noisy_linear"):
        removal_curve(net, x, maps(), fill="grey")
    with pytest.raises(InputError, match="C values"):
        replace_pixels(x, maps(), 0.5, [0.0])
    with pytest.raises(TargetError):
        removal_curve(net, x, maps(), 5)


def test_progress_counts_to_the_end_and_can_stop() -> None:
    net, x = networks.network("plain", torch.float32), networks.inputs(2, dtype=torch.float32)
    seen: list[tuple[int, int]] = []
    removal_curve(net, x, maps(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)

    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        removal_curve(net, x, maps(), progress=stop)


def test_a_network_that_answers_with_a_dict_has_the_same_curves() -> None:
    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = networks.network("residual")

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.inner(x)}

    wrapped, inputs = Wrapped().eval(), networks.inputs(2)
    values = torch.randn(2, *inputs.shape[2:], generator=torch.Generator().manual_seed(0))
    for curve in (removal_curve, insertion_curve):
        expected = curve(wrapped.inner, inputs, values).probability
        assert torch.equal(curve(wrapped, inputs, values).probability, expected)


def test_imputation_of_many_pictures_at_once_solves_the_same_system():
    rng = np.random.default_rng(5)
    pictures = torch.from_numpy(rng.standard_normal((3, 2, 12, 15)))
    removed = torch.from_numpy(rng.random((3, 12, 15)) < np.array([0.2, 0.9, 2.0])[:, None, None])
    found = imputed_together(pictures, removed)
    for picture, gone, one in zip(pictures.numpy(), removed.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(one, imputed(picture, gone), atol=1e-9)


@pytest.mark.parametrize("order", ["lerf", "morf"])
def test_a_map_of_one_value_scores_as_a_random_map_does(order: str) -> None:
    class Corner(torch.nn.Module):
        """Sees the upper half only."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            half = x[..., : x.shape[-2] // 2, :].mean((1, 2, 3))
            return torch.stack([4 * half, torch.zeros_like(half)], 1)

    net, x, flat = Corner(), torch.ones(1, 3, 40, 40), torch.zeros(1, 40, 40)
    fractions = WHOLE_FRACTIONS

    def score(values: torch.Tensor, **more: object) -> float:
        return float(removal_curve(net, x, values, 0, fractions=fractions, order=order, **more).curve_auc[0])

    generator = torch.Generator().manual_seed(0)
    chance = [score(torch.rand(1, 40, 40, generator=generator)) for _ in range(30)]
    spread = 4 * float(np.std(chance))
    mean = float(np.mean(chance))
    assert all(abs(score(flat + level, seed=seed) - mean) < spread for seed in (0, 1) for level in (0, 2))
    assert abs(score(flat, ties="raster") - mean) > spread  # in one block, which is another thing
    sparse = flat.clone()
    sparse[0, 39, 39] = 1
    assert abs(score(sparse) - mean) < spread
