"""Measures that are interrupted, or whose network fails in any of its passes, leave everything as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import explain
from pruneattr_core.benchmarks import pixels, quality, surrogate
from pruneattr_core.chance import moved, random_state
from pruneattr_core.errors import PruneAttrError

X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
VALUES = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
MAP, ONE = VALUES.sum(1), torch.tensor([1])


class Ends(nn.Module):
    """Draws random numbers that it does not use, counts its passes, and fails in one of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
        )
        self.linear = nn.Linear(64, 5)
        self.register_buffer("passes", torch.zeros(()))
        self.made, self.last, self.error = 0, 0, BaseException()

    def forward(self, x: Tensor) -> Tensor:
        self.made += 1
        self.passes += 1
        torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002 -- as networks do
        if self.made == self.last:
            raise self.error
        return self.linear(self.net(x))  # type: ignore[no-any-return]


def _map(net: nn.Module, method: str) -> Callable[[Tensor], Tensor]:
    return lambda x: explain(net, x, ONE.expand(len(x)), method).values


def _taught(net: nn.Module) -> nn.Module:
    how = surrogate.Surrogate(steps=2, batch=2)
    return surrogate.fine_tuned(net, lambda numbers: X.repeat(len(numbers), 1, 1, 1), 2, how, 0)


MEASURES: dict[str, Callable[[nn.Module], Any]] = {
    "infidelity": lambda net: quality.infidelity(net, X, ONE, VALUES, 0),
    "max-sensitivity": lambda net: quality.max_sensitivity(_map(net, "guided_backprop"), X, 0),
    "sensitivity-n": lambda net: quality.sensitivity_n(net, X, ONE, MAP[0], 0),
    "removal": lambda net: pixels.removal_curve(net, X, MAP, 1, order="morf", fill="noisy_linear"),
    "insertion": lambda net: pixels.insertion_curve(net, X, MAP, 1),
    "a copy is taught": _taught,
    "fidelity": lambda net: surrogate.fidelity(net, X, ONE, MAP[0], [0.2], 0.5, 0.1, 3, 0),
}
ERRORS = (ValueError("of its own"), SystemExit(3), MemoryError())


def _kept(net: nn.Module) -> list[tuple[Any, ...]]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [(m.training, *(len(getattr(m, one)) for one in hooks)) for m in net.modules()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", MEASURES)
def test_a_pass_that_fails_leaves_no_trace_and_is_told(name: str, error: BaseException) -> None:
    whole = Ends().eval()
    MEASURES[name](whole)
    for last in range(1, whole.made + 1):
        net = Ends().eval()
        net.last, net.error = last, error
        weights = {key: one.clone() for key, one in net.state_dict().items()}
        before, since = _kept(net), random_state()
        with suppress(PruneAttrError, MemoryError):  # some passes may fail, as those of several inputs
            MEASURES[name](net)
        assert not moved(since), last
        assert _kept(net) == before
        assert all(torch.equal(weights[key], one) for key, one in net.state_dict().items()), last
        assert torch.is_grad_enabled()


def test_a_measure_that_is_stopped_by_a_person_leaves_no_trace() -> None:
    net, since = Ends().eval(), random_state()

    def stop(done: int, total: int) -> None:
        if done > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixels.removal_curve(net, X, MAP, 1, progress=stop, fractions=[k / 20 for k in range(20)])
    assert not moved(since)
    assert not net.passes
