"""A caller's random state is his own again after every call, also of a network that seeds or draws."""
# ruff: noqa: NPY002 -- networks draw as their authors wrote them

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import PruneGrad, PrunePGD, calibrate, census, compare, contributions, explain
from pruneattr_core.attribution import METHODS, completeness_gap, explain_func
from pruneattr_core.benchmarks.pixels import removal_curve
from pruneattr_core.errors import ModelError, PruneAttrError


class Net(nn.Module):
    """Two convolutions and a linear layer; `draw` is added on the way."""

    def __init__(self, draw: Callable[[Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.linear = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 5, 3), nn.Linear(5, 6)
        self.draw = draw
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.one(x)) + self.draw(x)
        return self.linear(torch.relu(self.two(h)).mean((2, 3)))


def _seeded(x: Tensor) -> Tensor:
    torch.manual_seed(3)
    return 0.1 * torch.randn(())


def _initialised(x: Tensor) -> Tensor:
    torch.manual_seed(1)
    return nn.init.normal_(torch.empty(1, 4, 1, 1))


def _numpy(x: Tensor) -> float:
    np.random.seed(0)
    return 0.1 * float(np.random.rand())


def _python(x: Tensor) -> float:
    random.seed(0)
    return 0.1 * random.random()


def _unused(x: Tensor) -> int:
    nn.Linear(3, 3)  # draws its weights
    np.random.rand()
    return 0


DRAWS: dict[str, Callable[[Tensor], Any]] = {
    "seeded": _seeded,
    "initialised": _initialised,
    "numpy": _numpy,
    "python": _python,
    "unused": _unused,
    "no effect": lambda x: 0 * torch.ops.aten.randn_like(x[:, :1]),
    "no effect, seen": lambda x: 0 * torch.rand(1),
}
X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def _curve(net: nn.Module) -> Any:
    return removal_curve(net, X, X.mean(1), 1, fractions=(0.1, 0.5)).probability


CALLS: dict[str, Callable[[nn.Module], Any]] = {
    "attribute": lambda net: PruneGrad(net).attribute(X, 1),
    "sweep": lambda net: PruneGrad(net).sweep(X, 1, [0, 0.5], "freeze").maps,
    "prunepgd": lambda net: PrunePGD(net).attribute(X, 1),
    "census": lambda net: census(net, X).dead,
    "contributions": lambda net: contributions(net, X, 1, "intgrad").layers[0],
    "calibrate": lambda net: torch.from_numpy(calibrate(net, [X]).mean),
    "compare": lambda net: compare(net, X[:1], ["saliency", "prunegrad"], 1).table()[0]["area"],
    "explain_func": lambda net: torch.from_numpy(explain_func(net, X, 1)),
    "completeness": lambda net: completeness_gap(net, X, explain(net, X, 1, "integrated_gradients")),
    "curve": _curve,
    **{name: lambda net, name=name: explain(net, X, 1, name).values for name in METHODS},
}


def _state() -> tuple[Any, ...]:
    theirs = np.random.get_state()
    return torch.get_rng_state().tolist(), theirs[1].tolist(), theirs[2:], random.getstate()


def _asked(call: Callable[[nn.Module], Any], net: nn.Module, seed: int) -> Any:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    before = _state()
    try:
        return call(net)
    except PruneAttrError as error:
        return str(error)
    finally:
        assert _state() == before


#: Every method where numbers are drawn in two ways, the other entries in all.
PAIRS = [
    (draws, call) for draws in DRAWS for call in CALLS if call not in METHODS or draws in ("seeded", "numpy")
]


@pytest.mark.parametrize(("draws", "call"), PAIRS)
def test_the_random_state_stays_and_the_same_call_gives_the_same(draws: str, call: str) -> None:
    net = Net(DRAWS[draws])
    net(X)  # which may leave what every pass leaves
    first, second = (_asked(CALLS[call], net, seed) for seed in (7, 9))
    assert torch.equal(first, second) if isinstance(first, Tensor) else first == second
    assert not isinstance(first, str) or (call in METHODS and "has no rule for" in first)


CHANCE: dict[str, Callable[[Tensor], Any]] = {
    "of torch, unseen": lambda x: 1e-3 * torch.ops.aten.randn_like(x[:, :1]),
    "of numpy": lambda x: 1e-3 * float(np.random.rand()),
    "of python": lambda x: 1e-3 * random.random(),
}


@pytest.mark.parametrize("name", CHANCE)
def test_little_noise_that_no_call_shows_is_refused_as_chance(name: str) -> None:
    net, before = Net(CHANCE[name]), _state()
    with pytest.raises(ModelError, match="Net draws random numbers in eval mode"):
        PruneGrad(net).attribute(X, 0)
    assert _state() == before


def test_what_somebody_else_draws_meanwhile_is_not_drawn_again() -> None:
    net = Net(lambda x: 0)
    PruneGrad(net).attribute(X, 0)
    drawn: list[float] = []
    explain(net, X, 0, "prunegrad", progress=lambda share: drawn.append(float(torch.rand(1))))
    assert float(torch.rand(1)) not in drawn
    assert len(set(drawn)) == len(drawn) > 1
