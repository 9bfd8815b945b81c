"""A backward pass that fails in code of the network: one sentence, as where its forward does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.errors import Cancelled, ModelError, PruneAttrError
from situations import Body, body


def _own(way_back: Callable[[Tensor], Any]) -> Callable[[], nn.Module]:
    """A network with a function of its own, whose derivative is `way_back`."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *above: Tensor) -> Any:
            return way_back(above[0])

    return lambda: body(lambda s, x: s.linear(Own.apply(s.features(x)).mean((2, 3))))


def _raising(*_: object) -> Any:
    raise KeyError("scale")


def _hooked() -> nn.Module:
    net = Body()
    net.two.register_full_backward_hook(_raising)
    return net


def _freed() -> nn.Module:
    """Its weights are there for a pass only, as where several machines share them."""
    net = Body()
    weights = {name: one.detach().clone() for name, one in net.two.named_parameters()}

    def given(*_: object) -> None:
        for name, one in net.two.named_parameters():
            one.data = weights[name].clone()

    def taken(*_: object) -> None:
        for one in net.two.parameters():
            one.data = torch.empty(0)

    net.two.register_forward_pre_hook(given)
    net.two.register_forward_hook(taken)
    taken()
    return net


FAILING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "its function raises": (_own(_raising), "backward pass fails with KeyError: 'scale'"),
    "its function gives another shape": (
        _own(lambda above: above[:, :1]),
        "RuntimeError: .*shape",
    ),
    "its function leaves": (_own(lambda above: sys.exit(3)), r"ended the program \(SystemExit 3\)"),
    "its hook raises": (_hooked, "backward pass fails with KeyError: 'scale'"),
    "its weights are freed": (_freed, "backward pass fails with RuntimeError"),
}
X = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "method", ["prunegrad", "saliency", "integrated_gradients", "guided_backprop", "lrp"]
)
@pytest.mark.parametrize("name", FAILING)
def test_it_is_told_in_a_sentence(name: str, method: str) -> None:
    build, says = FAILING[name]
    net = build().eval()
    before = networks.state(net) if name != "its weights are freed" else []
    with pytest.raises(PruneAttrError) as told:
        explain(net, X, 1, method)
    if "does not fit" not in str(told.value):  # LRP has no rule for functions of others
        told.match(says)
    assert not before or networks.state(net) == before


def test_so_is_it_where_neurons_are_ranked() -> None:
    for scored in (contributions, lambda net, x: PruneGrad(net).sweep(x, 1)):
        with pytest.raises(ModelError, match="cannot be differentiated: its backward pass fails"):
            scored(_hooked().eval(), X)


def test_an_error_that_is_raised_again_is_told_again() -> None:
    """One object, made once: it holds where it was raised before, which was beneath us."""
    kept = KeyError("scale")

    def raising(*_: object) -> Any:
        raise kept

    net = _own(raising)().eval()
    for _ in range(3):
        with pytest.raises(ModelError, match="backward pass fails with KeyError: 'scale'"):
            PruneGrad(net).attribute(X, 1)


def test_what_progress_raises_on_the_way_back_again_comes_out_again() -> None:
    kept = KeyError("mine")

    def stop(done: float) -> None:
        raise kept

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            explain(Body().eval(), X, 1, "integrated_gradients", progress=stop)


def test_a_caller_who_stops_is_obeyed() -> None:
    def stop(done: float) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        explain(Body().eval(), X, 1, "integrated_gradients", progress=stop)
