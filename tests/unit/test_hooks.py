"""A network whose backward hooks change gradients is refused; one whose hooks only look is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import ModelError
from situations import Body, body

X = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def _hooked(set_hook: Callable[[Body], Any]) -> nn.Module:
    torch.manual_seed(3)
    net = Body().eval()
    set_hook(net)
    return net


def _on_value(hook: Callable[[Tensor], Any]) -> nn.Module:
    """A network that sets a hook on its features where they have a gradient."""

    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.features(x)
        if h.requires_grad:
            h.register_hook(hook)
        return self.linear(h.mean((2, 3)))

    torch.manual_seed(3)
    return body(forward).eval()


def _doubled(_: nn.Module, below: tuple[Tensor | None, ...], __: Any) -> Any:
    return tuple(None if one is None else 2 * one for one in below)


def _in_place(gradient: Tensor) -> None:
    gradient.mul_(2)


#: What changes gradients -> where the sentence says it is.
CHANGING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a module's": (
        lambda: _hooked(lambda m: m.two.register_full_backward_hook(lambda _, g, __: (2 * g[0],))),
        "two",
    ),
    "a guided rectifier's": (
        lambda: _hooked(lambda m: m.relu.register_full_backward_hook(lambda _, g, __: (g[0].clamp(min=0),))),
        "relu",
    ),
    "a module's, before": (
        lambda: _hooked(lambda m: m.two.register_full_backward_pre_hook(lambda _, g: (2 * g[0],))),
        "two",
    ),
    "the network's": (
        lambda: _hooked(lambda m: m.register_full_backward_hook(_doubled)),
        "Body",
    ),
    "a value's": (lambda: _on_value(lambda g: 2 * g), "Network"),
    "a value's, in place": (lambda: _on_value(_in_place), "Network"),
    "a value's, for some": (lambda: _on_value(lambda g: g.clamp(-1e-6, 1e-6)), "Network"),
}


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("name", list(CHANGING))
def test_hooks_that_change_gradients_are_refused(name: str) -> None:
    build, where = CHANGING[name]
    net = build()
    before = networks.state(net)
    for ask in (
        lambda: PruneGrad(net).attribute(X, 1),
        lambda: PruneGrad(net).sweep(X, 1, [0, 0.5], mode="freeze"),
        # Neurons are ranked without a gradient of the input, before which this one's hook stands.
        *([] if name == "the network's" else [lambda: contributions(net, X, 1, "intgrad")]),
        *(lambda m=m: explain(net, X, 1, m) for m, one in METHODS.items() if one.backward and one.passes),
    ):
        with pytest.raises(ModelError, match=f"backward hook of {where} changes gradients|has no rule for"):
            ask()
    assert networks.state(net) == before


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_a_hook_of_all_modules_is_refused() -> None:
    handle = nn.modules.module.register_module_full_backward_hook(_doubled)
    try:
        with pytest.raises(ModelError, match="backward hook of all modules changes"):
            PruneGrad(_hooked(lambda m: None)).attribute(X, 1)
    finally:
        handle.remove()


LOOKING: dict[str, Callable[[], nn.Module]] = {
    "a module's": lambda: _hooked(lambda m: m.two.register_full_backward_hook(lambda _, g, __: None)),
    "what it was given": lambda: _hooked(lambda m: m.relu.register_full_backward_hook(lambda _, g, __: g)),
    "before": lambda: _hooked(lambda m: m.two.register_full_backward_pre_hook(lambda _, g: None)),
    "a weight's": lambda: _hooked(lambda m: m.two.weight.register_hook(lambda g: 0 * g)),
    "a value's": lambda: _on_value(lambda g: None),
    "a wide clamp": lambda: _on_value(lambda g: g.clamp(-1e6, 1e6)),
}


@pytest.mark.parametrize("name", list(LOOKING))
def test_hooks_that_only_look_change_nothing(name: str) -> None:
    net, plain = LOOKING[name](), _hooked(lambda m: None)
    for mode in ("zero", "freeze"):
        found, wanted = (PruneGrad(m).sweep(X, 1, [0, 0.5], mode=mode).maps for m in (net, plain))
        torch.testing.assert_close(found, wanted)
