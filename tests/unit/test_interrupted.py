"""Ctrl-C at any line of ours but those that put things back: all is as it was, and goes on."""

from __future__ import annotations

import random
import sys
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core import PruneGrad, explain
from pruneattr_core.chance import moved, random_state
from situations import Body

X = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(1))
_SHOTS = 24


class Pressed(KeyboardInterrupt):
    """As by a person: one that code raises itself is told as that."""


class Counts(Body):
    """Writes to a buffer at every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.linear(self.norm(self.features(x)).mean((2, 3)))


class Lines:
    """Lines of the package that a call runs through; at one of them Ctrl-C is pressed."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.count, self.pressed = at, 0, False
        self.last: dict[FrameType, int] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not str(frame.f_globals.get("__name__")).startswith("pruneattr_core."):
            return None
        if event != "line":
            return self
        self.count += 1
        # Python looks for signals between calls, and never between the end of a `with` and its `__exit__`,
        # for which it comes back to the first line.
        forward, self.last[frame] = frame.f_lineno > self.last.get(frame, 0), frame.f_lineno
        if forward and 0 < self.at <= self.count and not self.pressed and not _putting_back(frame):
            self.pressed = True
            self.last.clear()
            raise Pressed
        return self

    def through(self, net: nn.Module, method: str) -> int:
        """How many there were for a network that is new to the package."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            explain(net, X, 1, method) if method != "sweep" else PruneGrad(net).sweep(X, 1, [0, 0.8])
        finally:
            sys.settrace(before)
        return self.count


def _putting_back(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name in ("__exit__", "put_back", "left_alone", "_as_it_was"):
            return True
        frame = frame.f_back
    return False


def _written(net: nn.Module) -> list[object]:
    """`networks.state` without how often a buffer was written."""
    return [one[:4] if isinstance(one, tuple) and one[0] == "count" else one for one in networks.state(net)]


@pytest.mark.parametrize("method", ["prunegrad", "sweep", "saliency", "gradcam", "noise_tunnel"])
def test_nothing_is_left_behind(method: str) -> None:
    torch.manual_seed(3)
    expected = explain(Counts().eval(), X, 1).values
    torch.manual_seed(3)
    total = Lines().through(Counts().eval(), method)
    places = random.Random(total)
    for _ in range(_SHOTS):
        torch.manual_seed(3)
        net = Counts().eval()
        before, since, at = _written(net), random_state(), places.randrange(1, total)
        with pytest.raises(Pressed):
            Lines(at).through(net, method)
        assert _written(net) == before, at
        assert not moved(since), at
        assert torch.is_grad_enabled()
    assert torch.equal(explain(net, X, 1).values, expected)
