"""Circuits: replacements, scores against them, and what a path carries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import PruneGrad, PrunePGD, contributions
from pruneattr_core.attribution.density import path_density
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.circuits import curve as curves
from pruneattr_core.circuits.curve import CircuitCurve, circuit_curve, joined, unchanged
from pruneattr_core.circuits.replacement import (
    activations_of,
    mean_of,
    replaced_logits,
    zero,
)
from pruneattr_core.circuits.scores import patching
from pruneattr_core.errors import InputError
from pruneattr_core.heads import NOT_IT, Head, declare
from pruneattr_core.pruning import Replacement, pruned_logits
from pruneattr_core.values import masks_at

NAMES = ("residual", "reused", "concatenating", "in_place")


def masks_of(model: nn.Module, inputs: Tensor, sparsity: float) -> tuple[Tensor, ...]:
    return next(iter(masks_at(contributions(model, inputs).layers, [sparsity])))


@pytest.mark.parametrize("name", NAMES)
def test_replacing_by_zero_is_mode_zero(name: str) -> None:
    model, inputs = networks.network(name), networks.inputs(3)
    masks = masks_of(model, inputs, 0.6)
    before = networks.state(model)
    assert torch.equal(
        replaced_logits(model, inputs, masks, zero(model, inputs)), pruned_logits(model, inputs, masks)
    )
    silent = Replacement("mean", tuple(torch.zeros_like(layer) for layer in zero(model, inputs).layers))
    assert torch.equal(replaced_logits(model, inputs, masks, silent), pruned_logits(model, inputs, masks))
    assert networks.state(model) == before


#: What runs a path, from (model, inputs, target, mode).
RUNNERS = {
    "prunegrad": lambda m, x, t, mode: PruneGrad(m).attribute(x, t, sparsity=0.6, mode=mode),
    "sweep": lambda m, x, t, mode: PruneGrad(m).sweep(x, t, [0.3, 0.6], mode=mode).maps[1],
    "by change": lambda m, x, t, mode: PruneGrad(m).attribute(x, t, output_change=0.2, mode=mode),
    "prunepgd": lambda m, x, t, mode: PrunePGD(m).attribute(x, t, sparsity=0.6, steps=3, mode=mode),
    "mid": lambda m, x, t, mode: prunegrad_mid(m, x, t, sparsity=0.6, mode=mode),
    "density": lambda m, x, t, mode: path_density(m, x, t, sparsity=0.6, mode=mode),
}


@pytest.mark.parametrize("name", ["residual", "in_place"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_whatever_runs_a_path_takes_a_replacement_for_its_mode(name: str, runner: str) -> None:
    """Zero and a picture's own values are the papers' modes; a batch equals its single pictures."""
    model, inputs = networks.network(name), networks.inputs(3)
    target, run = model(inputs).argmax(1), RUNNERS[runner]
    wanted = run(model, inputs, target, "zero")
    torch.testing.assert_close(run(model, inputs, target, zero(model, inputs)), wanted, rtol=1e-9, atol=1e-12)
    if runner != "prunepgd":  # there the path's own values are those of x + delta, and these are constants
        own, frozen = activations_of(model, inputs), run(model, inputs, target, "freeze")
        torch.testing.assert_close(run(model, inputs, target, own), frozen, rtol=1e-9, atol=1e-12)
    base = activations_of(model, inputs.roll(1, 0))
    other = run(model, inputs, target, base)
    alone = run(model, inputs[1:2], target[1:2], base[1:2])
    torch.testing.assert_close(other[1:2], alone, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(other, wanted)


def test_levels_that_run_as_one_batch_keep_each_pictures_replacement() -> None:
    """In float32, where pictures and levels share a pass."""
    model, inputs = networks.network("residual", torch.float32), networks.inputs(3).float()
    target, base = model(inputs).argmax(1), activations_of(model, inputs.roll(1, 0))
    maps = PruneGrad(model).sweep(inputs, target, [0.3, 0.6, 0.8], mode=base).maps
    for k in range(3):
        at = slice(k, k + 1)
        alone = PruneGrad(model).sweep(inputs[at], target[at], [0.6], mode=base[at]).maps[0]
        torch.testing.assert_close(maps[1, at], alone, rtol=1e-3, atol=1e-5)


def test_the_replaced_gradient_is_that_of_the_replaced_network() -> None:
    """Against autograd through hooks of an independent implementation."""
    model, inputs = networks.network("residual"), networks.inputs(2)
    target, base = model(inputs).argmax(1), mean_of(model, [networks.inputs(3, seed=9)])
    masks = masks_of(model, inputs, 0.6)
    leaf = inputs.clone().requires_grad_()
    with slow.patched(lambda i, a: torch.where(masks[i], a, base.layers[i])):
        model(leaf).gather(1, target[:, None]).sum().backward()
    found = PruneGrad(model).attribute(inputs, target, sparsity=0.6, mode=base)
    torch.testing.assert_close(found, leaf.grad, rtol=1e-10, atol=1e-13)
    with pytest.raises(InputError, match="or a replacement"):
        PruneGrad(model).attribute(inputs, target, sparsity=0.6, mode="mean")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_replaced_by_itself_is_the_original(name: str) -> None:
    model, inputs = networks.network(name), networks.inputs(3)
    own = activations_of(model, inputs)
    for sparsity in (0.0, 0.5, 1.0):
        assert torch.equal(
            replaced_logits(model, inputs, masks_of(model, inputs, sparsity), own), model(inputs)
        )


def test_another_pictures_values_give_its_answer_when_nothing_is_kept() -> None:
    model, inputs = networks.network("residual"), networks.inputs(3)
    other = inputs.roll(1, 0)
    nothing = tuple(torch.zeros_like(mask) for mask in masks_of(model, inputs, 0.5))
    torch.testing.assert_close(
        replaced_logits(model, inputs, nothing, activations_of(model, other)), model(other)
    )


@pytest.mark.parametrize("unit", ["neuron", "channel"])
def test_the_mean_is_streamed(unit: str) -> None:
    """Against the mean of all activations at once, from batches of different sizes."""
    model, inputs = networks.network("reused"), networks.inputs(5)
    found = mean_of(model, [inputs[:1], inputs[1:4], inputs[4:]], unit)  # type: ignore[arg-type]
    for layer, whole in zip(found.layers, activations_of(model, inputs).layers, strict=True):
        slow = whole.mean(0, keepdim=True)
        slow = slow.mean((2, 3), keepdim=True) if unit == "channel" else slow
        torch.testing.assert_close(layer, slow)


def test_patching_is_what_hooks_compute() -> None:
    """Attribution patching written independently: forward hooks, (corrupted - clean) * gradient, negated."""
    model, inputs = networks.network("plain"), networks.inputs(3)
    other = inputs.flip(0)
    target = model(inputs).argmax(1)
    kept: dict[str, list[Tensor]] = {"clean": [], "other": []}
    where = "other"

    def keep(_: nn.Module, __: object, out: Tensor) -> None:
        if where == "clean":
            out.retain_grad()
        kept[where].append(out)

    handles = [module.register_forward_hook(keep) for module in model if isinstance(module, nn.ReLU)]
    with torch.no_grad():
        model(other)
    where = "clean"
    model(inputs.clone().requires_grad_()).gather(1, target[:, None]).sum().backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    slow = [-(b - a) * a.grad for a, b in zip(kept["clean"], kept["other"], strict=True)]
    fast = patching(model, inputs, None, activations_of(model, other))
    for one, two in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, two.detach(), rtol=1e-10, atol=1e-12)
    at_zero = patching(model, inputs, None, zero(model, inputs))
    for one, two in zip(at_zero, contributions(model, inputs).layers, strict=True):
        assert torch.equal(one.abs(), two)


def test_the_integral_from_the_replacement_is_complete() -> None:
    """sum_j c_j = f(x) - f(layer := its replacement), per layer and image."""
    model, inputs = networks.network("residual"), networks.inputs(2)
    target, base = model(inputs).argmax(1), activations_of(model, networks.inputs(2, seed=5))
    scores = patching(model, inputs, None, base, steps=400)
    whole = [torch.ones_like(layer, dtype=torch.bool) for layer in scores]
    for call, layer in enumerate(scores):
        masks = [~mask if k == call else mask for k, mask in enumerate(whole)]
        without = replaced_logits(model, inputs, masks, base)
        change = (model(inputs) - without).gather(1, target[:, None]).squeeze(1)
        torch.testing.assert_close(layer.flatten(1).sum(1), change, rtol=0.02, atol=1e-3)


def test_the_integral_is_captums_of_each_layer() -> None:
    """Captum interpolates the layer between its values for two pictures, at midpoints."""
    model, inputs = networks.network("plain"), networks.inputs(2)
    other, target = networks.inputs(2, seed=5), model(inputs).argmax(1)
    found = patching(model, inputs, target, activations_of(model, other), steps=7)
    layers = [module for module in model if isinstance(module, nn.ReLU)]
    for scores, layer in zip(found, layers, strict=True):
        slow = LayerIntegratedGradients(model, layer).attribute(
            inputs, other, target, n_steps=7, method="riemann_middle"
        )
        torch.testing.assert_close(scores, slow.detach(), rtol=1e-6, atol=1e-9)  # its places are float32


def test_eight_threads_agree_to_the_bit() -> None:
    model, inputs = networks.network("residual"), networks.inputs(8)
    base, masks = mean_of(model, [inputs]), masks_of(model, inputs, 0.7)

    def one(k: int) -> Tensor:
        return replaced_logits(model, inputs[k : k + 1], [mask[k : k + 1] for mask in masks], base)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(one, range(8)))
    assert all(torch.equal(answer, one(k)) for k, answer in enumerate(together))


def test_a_planted_circuit_is_found_at_its_size() -> None:
    """Of 40 channels one alone feeds the answer; a path of that size carries all of it, the rest nothing."""
    first, last = nn.Linear(6, 40), nn.Linear(40, 2, bias=False)
    with torch.no_grad():
        first.bias.add_(2)
        last.weight.zero_()
        last.weight[1, 17] = 1.0
    model = nn.Sequential(first, nn.ReLU(), last).double().eval()
    inputs = torch.rand(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.ones(3, dtype=torch.long)
    base = mean_of(
        model, [torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))]
    )
    scores = [layer.abs() for layer in patching(model, inputs, target, base)]
    curve = circuit_curve(model, inputs, target, scores, base, sizes=(1 / 40, 0.5, 1.0))
    np.testing.assert_allclose(curve.faithfulness(), 1)
    np.testing.assert_allclose(curve.faithfulness("rest"), 0, atol=1e-12)
    np.testing.assert_allclose(curve.cmd(), 1 / 80)  # the trapezoid from nothing kept to the first size
    np.testing.assert_allclose(curve.cpr(), 1 - 1 / 80)
    np.testing.assert_allclose(
        curve.cpr("rest"), 1 / 80, atol=1e-12
    )  # without no path it is the whole network
    np.testing.assert_allclose(curve.minimality(), [[1] * 3, [0] * 3, [0] * 3], atol=1e-12)
    np.testing.assert_array_equal(curve.smallest(), [1 / 40] * 3)


def test_a_curve_equals_single_sets_and_single_images() -> None:
    model, inputs = networks.network("concatenating"), networks.inputs(3)
    target = model(inputs).argmax(1)
    scores, base = contributions(model, inputs).layers, mean_of(model, [networks.inputs(4, seed=3)])
    curve = circuit_curve(
        model, inputs, target, scores, base, sizes=(0.1, 0.4, 1.0), others={"next": scores[::1]}
    )
    for k, masks in enumerate(masks_at(scores, [0.9, 0.6, 0.0], "exact")):
        logits = replaced_logits(model, inputs, masks, base)
        np.testing.assert_allclose(
            curve.response["path"][k], logits.gather(1, target[:, None])[:, 0], rtol=1e-12
        )
        np.testing.assert_array_equal(curve.kept["path"][k], logits.argmax(1) == target)
    np.testing.assert_array_equal(curve.response["next"], curve.response["path"])
    alone = circuit_curve(
        model, inputs[1:2], target[1:2], [s[1:2] for s in scores], base, sizes=(0.1, 0.4, 1.0)
    )
    np.testing.assert_array_equal(alone.response["random"][:, 0], curve.response["random"][:, 1])


@pytest.mark.parametrize("head", ["sigmoid", "values"])
def test_whether_the_answer_is_kept_goes_by_the_head(head: Head) -> None:
    """The largest of several yes or no says nothing of one of them, and one output is always the largest."""
    model, inputs = networks.network("concatenating"), networks.inputs(3)
    declare(model, head)
    scores, base = contributions(model, inputs, 1).layers, zero(model, inputs)
    curve = circuit_curve(model, inputs, 1, scores, base, sizes=(0.02, 0.1, 1.0))
    outputs = np.stack([curve.response["path"][k] for k in range(3)])
    if head == "values":
        np.testing.assert_array_equal(curve.answers["path"], 1)
        assert curve.kept["path"].all()
    else:
        np.testing.assert_array_equal(curve.answers["path"], np.where(outputs > 0, 1, NOT_IT))
        np.testing.assert_array_equal(curve.kept["path"], (outputs > 0) == (curve.full > 0))
        assert not curve.kept["path"].all() or not curve.kept["rest"].all()


def test_a_curve_in_two_parts_is_the_curve_in_one() -> None:
    model, inputs = networks.network("concatenating"), networks.inputs(3)
    scores = contributions(model, inputs)
    base, others = mean_of(model, [networks.inputs(4, seed=3)]), {"next": scores.layers[::1]}

    def at(*sizes: float) -> CircuitCurve:
        return circuit_curve(model, inputs, scores.target, scores.layers, base, sizes, others)

    whole, parts = at(0.1, 0.2, 0.4, 1.0), joined(at(0.2, 1.0), at(0.1, 0.4))
    assert (parts.sizes, parts.replacement) == (whole.sizes, whole.replacement)
    assert list(parts.response) == list(whole.response)
    for kind, response in whole.response.items():
        np.testing.assert_allclose(parts.response[kind], response, rtol=1e-12)
        np.testing.assert_array_equal(parts.answers[kind], whole.answers[kind])
        np.testing.assert_array_equal(parts.kept[kind], whole.kept[kind])
    np.testing.assert_array_equal(parts.empty, whole.empty)


def test_what_alters_nothing_needs_no_pass() -> None:
    model, inputs = networks.network("residual"), networks.inputs(3)
    scores = contributions(model, inputs)

    def under(base: Replacement) -> CircuitCurve:
        return circuit_curve(model, inputs, scores.target, scores.layers, base, (0.1, 0.4, 1.0))

    measured, told = (
        under(activations_of(model, inputs, "freeze")),
        unchanged(under(zero(model, inputs)), "freeze"),
    )
    assert (told.replacement, told.sizes) == (measured.replacement, measured.sizes)
    np.testing.assert_allclose([told.full, told.empty], [measured.full, measured.empty], rtol=1e-12)
    for kind, response in measured.response.items():
        np.testing.assert_allclose(told.response[kind], response, rtol=1e-12)
        np.testing.assert_array_equal(told.answers[kind], measured.answers[kind])
        np.testing.assert_array_equal(told.kept[kind], measured.kept[kind])


def test_the_sets_of_a_curve_are_made_as_passes_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of all sizes at once were half a gigabyte of a photograph on a large network."""
    model, inputs = networks.network("concatenating"), networks.inputs(1)
    scores = contributions(model, inputs)
    living: WeakSet[Tensor] = WeakSet()
    most = []

    def noted(*arguments: Any) -> Iterator[tuple[Tensor, ...]]:
        for masks in masks_at(*arguments):
            living.add(masks[0])
            yield masks
            del masks

    def answered(*arguments: Any) -> Tensor:
        most.append(len(living))
        return replaced_logits(*arguments)

    monkeypatch.setattr(curves, "masks_at", noted)
    monkeypatch.setattr(curves, "replaced_logits", answered)
    monkeypatch.setattr(curves, "forward_chunks", lambda count, like: (slice(k, k + 1) for k in range(count)))
    circuit_curve(model, inputs, scores.target, scores.layers, zero(model, inputs))
    assert len(most) == 12 * 3 + 2
    assert max(most) <= 2


def test_a_curve_says_how_far_it_is() -> None:
    model, inputs = networks.network("residual"), networks.inputs(3)
    scores, told = contributions(model, inputs).layers, []
    base = mean_of(model, [inputs])
    circuit_curve(
        model, inputs, model(inputs).argmax(1), scores, base, progress=lambda *now: told.append(now)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_does_not_fit_is_said() -> None:
    model, inputs = networks.network("plain"), networks.inputs(2)
    scores, target = contributions(model, inputs).layers, torch.zeros(2, dtype=torch.long)
    for sizes in ((), (0.0, 1.0), (0.5, 0.5), (0.5, 1.5)):
        with pytest.raises(InputError, match="increasing sizes"):
            circuit_curve(model, inputs, target, scores, zero(model, inputs), sizes=sizes)
    with pytest.raises(InputError, match="at least one reference"):
        mean_of(model, [])
    with pytest.raises(InputError, match="do not fit"):
        replaced_logits(model, inputs, [scores[0] > 0] * 2, zero(model, inputs))
    with pytest.raises(InputError, match="steps >= 1"):
        patching(model, inputs, None, zero(model, inputs), steps=0)


def test_a_share_of_what_rounding_makes_is_no_share() -> None:
    full, empty = np.array([1.9545797, 2.0]), np.array([1.9545799, 1.0])
    response = {"path": np.array([[1.9545794, 1.5]])}
    found = CircuitCurve("zero", (0.5,), full, empty, response, {}, {}).faithfulness()
    np.testing.assert_array_equal(found, [[np.nan, 0.5]])


def test_the_smallest_path_is_the_one_from_which_on_the_answer_stays() -> None:
    kept = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1]], dtype=bool)
    response = {"path": np.array([[0.0, 2, 1, 2], [1, 2, 1, 2], [2, 4, 0, 2]])}
    curve = CircuitCurve("zero", (0.1, 0.3, 0.5), np.full(4, 2.0), np.zeros(4), response, {}, {"path": kept})
    np.testing.assert_array_equal(curve.smallest(), [0.5, 0.3, np.nan, 0.1])
    np.testing.assert_array_equal(curve.minimality(), [[0, 1, 0.5, 1], [0.5, 0, 0, 0], [0.5, 1, 0.5, 0]])
