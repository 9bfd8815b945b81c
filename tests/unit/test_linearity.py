"""Local linearity: the ball against one gradient per neuron, and what happens at its edge."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import Path, contributions
from pruneattr_core.analysis.linearity import affine_error, linear_radius
from pruneattr_core.errors import InputError, ModelError

NAMES = ("plain", "residual", "concatenating", "reused")


def path_of(net: nn.Module, x: Tensor, sparsity: float = 0.8) -> Path:
    return contributions(net, x).path(sparsity)


def slow_radius(net: nn.Module, x: Tensor, path: Path) -> float:
    """Min |z| / ||grad z||, neuron by neuron, from the pre-activations of the frozen network."""
    best = float("inf")
    leaf = x.clone().requires_grad_()
    before: list[Tensor] = []
    original = torch.relu

    def freeze(i: int, a: Tensor) -> Tensor:
        return torch.where(path.layers[i], a, a.detach())

    def spy(z: Tensor) -> Tensor:
        before.append(z)
        return original(z)

    torch.relu = spy  # slow.patched computes every rectifier through it
    try:
        with slow.patched(freeze):
            net(leaf)
    finally:
        torch.relu = original
    for z, mask in zip(before, path.layers, strict=True):
        for j in mask.flatten().nonzero().flatten().tolist():
            if z.requires_grad:
                (g,) = torch.autograd.grad(z.flatten()[j], leaf, retain_graph=True)
                if float(g.norm()) > 0:
                    best = min(best, abs(float(z.detach().flatten()[j])) / float(g.norm()))
    return best


@pytest.mark.parametrize("name", ["residual", "concatenating"])
def test_equals_one_gradient_per_neuron(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    path = path_of(net, x, 0.95)
    found = linear_radius(net, x, path)
    assert float(found.value) == pytest.approx(slow_radius(net, x, path), rel=1e-10)
    assert float(found.risk) == 0
    assert int(found.checked) == int(found.neurons)


@pytest.mark.parametrize("name", NAMES)
def test_affine_inside_and_not_outside(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    path = path_of(net, x)
    radius = linear_radius(net, x, path, passes=400)
    error = affine_error(net, x, path, radius.value, factors=(0.5, 0.999, 30.0))
    assert float(error.error[:2].max()) < 1e-12
    assert float(error.error[2]) > 1e-6
    edge = affine_error(net, x, path, radius.value, None, (0.999, 1.5), 1, normal=radius.normal)
    assert float(edge.error[0]) < 1e-12 < 1e-10 < float(edge.error[1])  # along the normal it ends at the edge


def test_a_neuron_switches_exactly_at_the_edge() -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    path = path_of(net, x)
    found = linear_radius(net, x, path)
    call = int(found.call)

    def pattern(factor: float) -> list[bool]:
        """Signs on the path of the frozen network, `factor` radii along the normal."""
        seen: list[Tensor] = []
        constants: list[Tensor] = []
        with slow.patched(lambda i, a: (constants.append(a), a)[1]), torch.no_grad():
            net(x)

        def freeze(i: int, a: Tensor) -> Tensor:
            seen.append(a > 0)
            return torch.where(path.layers[i], a, constants[i])

        with slow.patched(freeze), torch.no_grad():
            net(x + factor * float(found.value) * found.normal)
        return (seen[call] & path.layers[call]).flatten().tolist()

    assert float(found.normal.norm()) == pytest.approx(1)
    assert pattern(0.999) == pattern(0.0)
    assert pattern(1.001) != pattern(0.0)


@pytest.mark.parametrize("name", NAMES)
def test_estimate_is_an_upper_bound_and_finds_the_truth(name: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    path = path_of(net, x, 0.7)
    exact = linear_radius(net, x, path, passes=1000)
    probed = linear_radius(net, x, path, passes=100, probes=96)
    assert bool((probed.value >= exact.value * (1 - 1e-9)).all())
    assert bool((probed.checked <= 100).all())
    trusted = probed.risk < 1e-3
    torch.testing.assert_close(probed.value[trusted], exact.value[trusted])
    assert bool(trusted.any())


@pytest.mark.parametrize("name", NAMES)
def test_the_fast_radius_is_close_and_checks_few(name: str) -> None:
    """Over several pictures: never below the exact one, at most 5 % above, from probes in float32."""
    net, x = networks.network(name), networks.inputs(6)
    path, before = path_of(net, x, 0.6), networks.state(net)
    exact = linear_radius(net, x, path)
    fast = linear_radius(net, x, path, probes=24, risk=1e-3)
    assert bool((fast.value >= exact.value * (1 - 1e-12)).all())
    assert bool((fast.value <= exact.value / 0.95).all())
    assert bool((fast.risk <= 1e-3).all())
    assert int(fast.checked.sum()) < int(fast.neurons.sum()) / 2
    assert fast.value.dtype == torch.float64
    assert networks.state(net) == before
    with pytest.raises(InputError, match="risk between 0 and 1"):
        linear_radius(net, x, path, risk=0.0)


def test_smooth_networks_and_other_batches_are_refused() -> None:
    net, x = networks.network("gelu"), networks.inputs(1)
    with pytest.raises(ModelError, match="piecewise-linear"):
        linear_radius(net, x, path_of(net, x))
    net = networks.network("plain")
    with pytest.raises(InputError, match="path of"):
        linear_radius(net, networks.inputs(2), path_of(net, x))
    with pytest.raises(InputError, match="finite radius"):
        affine_error(net, x, path_of(net, x), torch.tensor([torch.inf]))


def test_an_empty_path_never_switches() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    found = linear_radius(net, x, path_of(net, x, 1.0))
    assert float(found.value) == float("inf")
    assert int(found.call) == -1
