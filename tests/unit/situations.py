"""Situations in which users of such tools got stuck, from issue trackers, and what must happen in them.

`repository#number` names the thread. A situation is right (maps equal slow gradients) or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHAPE = (2, 6, 6)


@dataclass(frozen=True)
class Situation:
    """One thread.

    Attributes:
        source: where it was reported.
        build: the network, float32 unless it says otherwise.
        says: pattern of the sentence that refuses it; None where it must be right.
        given: makes the inputs of standard normal noise (2, 2, 6, 6).
        target: what is explained.
        under: the caller's context.
        read: outputs -> (B,) the response, for the slow gradient.
        call: another way to ask than `PruneGrad.attribute`.
    """

    source: str
    build: Callable[[], nn.Module]
    says: str | None = None
    given: Callable[[Tensor], Any] = lambda x: x
    target: Any = 1
    under: Callable[[], Any] = nullcontext
    read: Callable[[Any], Tensor] = lambda z: z[:, 1]
    call: Callable[[nn.Module, Any], Any] | None = None


class Body(nn.Module):
    """Two convolutions and a head; subclasses change one thing."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(2, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.relu, self.linear = nn.ReLU(), nn.Linear(4, outputs)

    def features(self, x: Tensor) -> Tensor:
        return self.relu(self.two(self.relu(self.one(x))))

    def forward(self, x: Tensor) -> Any:
        return self.linear(self.features(x).mean((2, 3)))


def body(forward: Callable[[Any, Tensor], Any], outputs: int = 3, **parts: nn.Module) -> nn.Module:
    """A `Body` with another forward and more parts."""
    made = type("Network", (Body,), {"forward": forward})(outputs)
    for name, part in parts.items():
        made.add_module(name, part)
    return made


def changed(change: Callable[[Body], Any], forward: Callable[[Any, Tensor], Any] = Body.forward) -> nn.Module:
    """A `Body` in eval mode to which something was done."""
    made = body(forward).eval()
    change(made)  # type: ignore[arg-type]
    return made


def built(situation: Situation) -> nn.Module:
    """The network of a situation; in eval mode unless it was put in training mode on purpose."""
    torch.manual_seed(3)
    network = situation.build()
    return network if getattr(network, "as_is", False) else network.eval()


def training(network: nn.Module) -> nn.Module:
    """The network in training mode, to stay there."""
    network.train().as_is = True
    return network


def as_is(network: nn.Module) -> nn.Module:
    """The network in the mode that it has."""
    network.as_is = True
    return network


def head(z: Callable[[Any, Tensor], Any]) -> nn.Module:
    """A `Body` whose outputs go through `z`."""
    return body(lambda self, x: z(self, Body.forward(self, x)))


@contextmanager
def nested(*contexts: Callable[[], Any]) -> Iterator[None]:
    """Several contexts of a caller, one in the other."""
    if not contexts:
        yield
        return
    with contexts[0](), nested(*contexts[1:]):
        yield


def noisy(self: Any, x: Tensor) -> Tensor:
    """A forward that adds noise to its features in every mode."""
    h = self.features(x)
    return self.linear((h + 0.1 * torch.randn_like(h)).mean((2, 3)))


def reuse(self: Any, x: Tensor) -> Tensor:
    """A forward with in-place and functional rectifiers and an in-place sum."""
    h = F.relu(self.one(x), inplace=True)
    h = h + F.relu_(self.two(h))
    h += 1
    return self.linear(torch.relu(h).mean((2, 3)))
