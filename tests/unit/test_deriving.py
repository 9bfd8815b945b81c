"""Networks that take a derivative in their own pass: energies whose force is the answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn

from pruneattr_core import PruneGrad, PrunePGD, contributions, explain
from pruneattr_core.errors import ModelError

Pass = Callable[["Energy", Tensor], Tensor]


class Energy(nn.Module):
    """An energy of six numbers, and what is made of it."""

    def __init__(self, answer: Pass, act: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.last = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 1)
        self.head, self.answer, self.act = nn.Linear(6, 3), answer, act
        self.eval()

    def of(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.act(self.second(self.act(self.first(x)))))
        return found

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            return self.answer(self, x if x.requires_grad else x.detach().requires_grad_())


def _force(net: Energy, x: Tensor) -> Tensor:
    return torch.autograd.grad(net.of(x).sum(), x, create_graph=True)[0]


def _only_if_used(net: Energy, x: Tensor) -> Tensor:
    """With the graph begun at the first neuron there was none, and the map was of the rest alone."""
    (force,) = torch.autograd.grad(net.of(x).sum(), x, create_graph=True, allow_unused=True)
    return net.head(torch.zeros_like(x) if force is None else force) + net.last(net.act(net.first(x)))


def _by_neurons(net: Energy, x: Tensor) -> Tensor:
    hidden = net.act(net.first(x))
    energy = net.last(net.act(net.second(hidden)))
    (slope,) = torch.autograd.grad(energy.sum(), hidden, create_graph=True)
    return energy + net.second(slope)[:, :3]


def _jacobian(net: Energy, x: Tensor) -> Tensor:
    found: Tensor = torch.autograd.functional.jacobian(lambda z: net.of(z).sum(), x, create_graph=True)
    return net.head(found)


def _forward_mode(net: Energy, x: Tensor) -> Tensor:
    with forward_ad.dual_level():
        energy = net.of(forward_ad.make_dual(x, torch.ones_like(x)))
        return net.head(x * forward_ad.unpack_dual(energy).tangent)


WAYS: dict[str, Pass] = {
    "force": lambda net, x: net.head(_force(net, x)),
    "force where there is one": _only_if_used,
    "by neurons": _by_neurons,
    "jacobian": _jacobian,
    "forward mode": _forward_mode,
}
RANKED: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "zero": lambda net, x: PruneGrad(net).attribute(x, 0),
    "freeze": lambda net, x: PruneGrad(net).attribute(x, 0, mode="freeze"),
    "pgd": lambda net, x: PrunePGD(net).attribute(x, 0),
    "taylor": lambda net, x: contributions(net, x, 0),
    "intgrad": lambda net, x: contributions(net, x, 0, "intgrad"),
}

acts = pytest.mark.parametrize("act", [torch.relu, nn.functional.silu], ids=["relu", "silu"])
#: The first use of forward mode compiles rules with what torch calls out of date.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script")


@pytest.mark.parametrize("ranked", RANKED)
@acts
@pytest.mark.parametrize("way", WAYS)
def test_neurons_before_a_derivative_are_not_ranked(
    way: str, act: Callable[[Tensor], Tensor], ranked: str
) -> None:
    with pytest.raises(ModelError, match=r"takes a derivative on the way to the answer"):
        RANKED[ranked](Energy(WAYS[way], act), torch.randn(2, 6))


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_of_rectifiers_would_change_the_derivative_too(way: str) -> None:
    with pytest.raises(ModelError, match=r"takes a derivative on the way to the answer"):
        explain(Energy(WAYS[way]), torch.randn(2, 6), 0, "guided_backprop")


@acts
@pytest.mark.parametrize("way", WAYS)
def test_the_gradient_of_the_input_is_right_all_the_same(way: str, act: Callable[[Tensor], Tensor]) -> None:
    net, x = Energy(WAYS[way], act), torch.randn(2, 6)
    leaf = x.clone().requires_grad_()
    (exact,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    assert torch.equal(explain(net, x, 0, "saliency").values, exact)


def test_a_derivative_before_the_first_neuron_is_part_of_the_input() -> None:
    def of_a_slope(net: Energy, x: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        return net.head(x) + net.of(slope)

    def plainly(net: Energy, x: Tensor) -> Tensor:
        return net.head(x) + net.of(3 * x**2)

    x = torch.randn(2, 6)
    for mode in ("zero", "freeze"):
        found = [PruneGrad(Energy(one)).attribute(x, 0, mode=mode) for one in (of_a_slope, plainly)]
        torch.testing.assert_close(*found)


@acts
def test_a_derivative_that_nothing_goes_back_through_is_refused(act: Callable[[Tensor], Tensor]) -> None:
    def cut(net: Energy, x: Tensor) -> Tensor:
        return net.head(torch.autograd.grad(net.of(x).sum(), x)[0]) + net.of(x)

    with pytest.raises(ModelError, match=r"give torch\.autograd\.grad create_graph=True"):
        explain(Energy(cut, act), torch.randn(2, 6), 0, "saliency")


def test_a_derivative_without_a_neuron_on_its_way_is_an_operation_like_others() -> None:
    """By neurons, and after them; the same is said without a derivative."""
    hidden = lambda net, x: net.act(net.second(net.act(net.first(x))))  # noqa: E731

    def of_a_slope(net: Energy, x: Tensor) -> Tensor:
        h = hidden(net, x)
        (slope,) = torch.autograd.grad((net.second(h) ** 2).sum(), h, create_graph=True)
        return net.last(slope) + net.last(h)

    def plainly(net: Energy, x: Tensor) -> Tensor:
        h = hidden(net, x)
        return net.last(2 * net.second(h) @ net.second.weight) + net.last(h)

    x = torch.randn(2, 6)
    for mode in ("zero", "freeze"):
        found = [PruneGrad(Energy(one)).attribute(x, 0, mode=mode) for one in (of_a_slope, plainly)]
        torch.testing.assert_close(*found)
