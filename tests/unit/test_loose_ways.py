"""Values that reach an answer without their gradient: in no map, so the census and the page say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import census, load_model
from pruneattr_core.analysis.census import loose_words
from pruneattr_core.results.sweeps import answer

Way = Callable[[Tensor, Tensor], Tensor]


class Net(nn.Module):
    """A convolution with a ReLU, something made of it and of the input, and a linear layer."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.way = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3), way
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.conv(x))
        return self.head(h.mean((2, 3))) + self.way(x[:, :, 0, 0], h)


def norm_of(h: Tensor) -> Tensor:
    return h.flatten(1).norm(dim=1, keepdim=True)


LOOSE: dict[str, Way] = {
    "detach": lambda x, _: x.detach(),
    "round": lambda x, _: torch.round(3 * x),
    "sign": lambda x, _: x.sign(),
    "data": lambda x, _: x.data * 2,
}
WHOLE: dict[str, Way] = {
    "nothing": lambda x, _: 0 * x,
    "not in the answer": lambda x, h: x + 0 * len(h.detach()),
    "a constant": lambda x, _: x + torch.ones_like(x).detach(),
}
X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", LOOSE)
def test_a_way_without_a_gradient_is_named(way: str, dtype: torch.dtype) -> None:
    net = Net(LOOSE[way]).to(dtype)
    found = census(net, X.to(dtype))
    assert found.loose == (f"Net ({way})",)
    assert found.words()[-1] == loose_words(found.loose) != ""
    if dtype == torch.float32:
        assert f"Net ({way})" in answer(net, X[:1], "").unseen


def test_a_detached_norm_is_named() -> None:
    def normed(_: Tensor, h: Tensor) -> Tensor:
        return (h.flatten(1) / norm_of(h).detach())[:, :3]

    assert census(Net(normed), X).loose == ("Net (detach)",)


def softmax(x: Tensor, away: Tensor) -> Tensor:
    raised = (x - away).exp()
    return raised / raised.sum(1, keepdim=True)


EFFECT: dict[str, tuple[bool, Way]] = {
    "a softmax's shift": (False, lambda x, _: softmax(x, x.amax(1, keepdim=True).detach())),
    "its scale": (True, lambda x, _: softmax(x / norm_of(x).detach(), x[:, :1])),
    "a scale that is normalised away": (
        False,
        lambda x, h: F.normalize(h.mean((2, 3)) * norm_of(x).detach())[:, :3],
    ),
    "a straight way through": (True, lambda x, _: x + (x.tanh() - x).detach()),
    "worked on in place": (True, lambda x, _: x.detach().mul_(2)),
}


@pytest.mark.parametrize("way", EFFECT)
def test_a_value_is_named_only_if_the_answer_has_something_by_it(way: str) -> None:
    named, made = EFFECT[way]
    for dtype in (torch.float32, torch.float64):
        assert census(Net(made).to(dtype), X.to(dtype)).loose == (("Net (detach)",) if named else ())


@pytest.mark.parametrize("way", WHOLE)
def test_nothing_is_said_where_every_way_has_its_gradient(way: str) -> None:
    net = Net(WHOLE[way])
    assert census(net, X).loose == ()
    assert answer(net, X[:1], "").unseen == ""


@pytest.mark.parametrize("look", [lambda x: x.detach().mean(), lambda x: x.data.max()])
def test_what_is_only_looked_at_is_not_in_the_answer(look: Callable[[Tensor], Tensor]) -> None:
    """It lies in the memory of the input, which all that follows comes from."""
    inner = Net(WHOLE["nothing"])

    class Looking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            look(x)
            return inner(x)

    assert census(Looking().eval(), X).loose == ()


def test_what_is_written_by_a_detached_way_stays_as_it_is() -> None:
    class Clamped(Net):
        def forward(self, x: Tensor) -> Tensor:
            h = self.conv(x)
            h.data.clamp_(min=0.1)
            return self.head(F.relu(h).mean((2, 3)))

    net = Clamped(WHOLE["nothing"])
    assert len(census(net, X).dead) == len(X)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "resnet8-cifar10", "scenes-net"])
def test_real_networks_have_none(name: str) -> None:
    side = {"efficientnet-lite0": 224, "resnet8-cifar10": 32}.get(name, 128)
    assert census(load_model(name), torch.randn(1, 3, side, side)).loose == ()
