"""What was found out about a network stands as long as nobody changes what it does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruneattr_core.ways as ways
from pruneattr_core import PruneGrad, census, contributions, explain
from pruneattr_core.arranged import arrangement
from pruneattr_core.errors import PruneAttrError

X = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two convolutions, and between them what a flag says."""

    between: Callable[[Tensor], Tensor] | None = None

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.norm, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()
        self.two, self.head = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(384, 4)
        self.centred, self.flat = False, "flatten"
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.norm(self.one(x)))
        if self.centred:
            h = h - h.mean(0, keepdim=True)
        h = h if self.between is None else self.between(h)
        h = self.relu(self.two(h))
        return self.head(h.view(len(h), -1) if self.flat == "view" else h.flatten(1))


def _flag(net: Net) -> None:
    net.centred = True


def _function(net: Net) -> None:
    net.between = lambda h: h + torch.rand_like(h)


def _statistics(net: Net) -> None:
    net.norm.running_mean = net.norm.running_var = None


def _hook(net: Net) -> None:
    net.one.register_forward_hook(lambda module, given, found: found - found.mean(0, keepdim=True))


def _hook_before(net: Net) -> None:
    net.two.register_forward_pre_hook(lambda module, given: given[0] - given[0].mean(0, keepdim=True))


def _forward(net: Net) -> None:
    net.two.forward = lambda h: F.conv2d(h - h.mean(0), net.two.weight, padding=1)  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [_flag, _function, _statistics, _hook, _hook_before, _forward])
def test_what_makes_a_network_unfit_is_seen_after_a_map_too(change: Callable[[Net], None]) -> None:
    """So is it where somebody prepares it for test-time adaptation, or hooks it, between two calls."""
    asked: dict[str, Callable[[Net], object]] = {
        "prunegrad": lambda net: PruneGrad(net).attribute(X),
        "contributions": lambda net: contributions(net, X, 1),
        "saliency": lambda net: explain(net, X, 1, "saliency"),
        "gradcam": lambda net: explain(net, X, 1, "gradcam"),
        "census": lambda net: census(net, X),
    }
    for name, ask in asked.items():
        net = Net()
        ask(net)
        change(net)
        with pytest.raises(PruneAttrError, match=r"rest of (it|the batch)|random numbers"):
            pytest.fail(f"{name}: {ask(net)}")


def test_a_network_that_is_now_particular_about_memory_is_not_refused() -> None:
    net = Net()
    expected = PruneGrad(net).attribute(X, 1)
    net.flat = "view"
    assert torch.allclose(PruneGrad(net).attribute(X, 1), expected, atol=1e-6)


def test_the_census_says_what_is_unseen_since() -> None:
    net = Net()
    assert census(net, X).unseen == ()
    net.between = lambda h: h * torch.sigmoid(1.702 * h)
    assert census(net, X).unseen


def test_a_class_that_is_patched_is_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    net, before = Net(), Net.forward
    census(net, X)
    monkeypatch.setattr(Net, "forward", lambda self, x: before(self, x - x.mean(0)))
    with pytest.raises(PruneAttrError, match="rest of"):
        census(net, X)


class Counting(Net):
    """Notes at every pass how often it ran and what it was given, as many networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.passes, self.size, self.last = 0, (0, 0), (lambda: None)

    def forward(self, x: Tensor) -> Tensor:
        self.passes, self.size, self.last = self.passes + 1, (x.shape[0], x.shape[2]), lambda: None
        return super().forward(x)


@pytest.mark.parametrize(
    "ask", [lambda net: PruneGrad(net).attribute(X), lambda net: explain(net, X, 1, "lrp")]
)
def test_what_passes_note_themselves_teaches_nothing_anew(
    ask: Callable[[Net], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Counting()
    ask(net)
    monkeypatch.setattr(ways, "learn", lambda *_: pytest.fail("learned again"))
    for _ in range(2):
        ask(net)


def test_a_function_in_the_place_of_one_that_has_gone_is_another() -> None:
    """Python gives the number of what has gone to the next that is made."""
    net = Net()
    net.act = (lambda: lambda x: x.relu())()  # type: ignore[assignment]
    before, number = arrangement(net), id(net.act)
    kept = []
    for _ in range(1000):
        net.act = None  # type: ignore[assignment]
        net.act = (lambda: lambda x: x)()  # type: ignore[assignment]
        if id(net.act) == number:
            break
        kept.append(net.act)
    assert id(net.act) == number
    assert arrangement(net) != before
    assert arrangement(net) == arrangement(net)


class Set(Net):
    """Asks settings that it holds in an object or in a dictionary whether to look at the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.options = SimpleNamespace(mixes=False), {"mixes": False}

    def forward(self, x: Tensor) -> Tensor:
        mixes = self.config.mixes or self.options["mixes"]
        return super().forward(x - x.mean(0) if mixes else x)


@pytest.mark.parametrize(
    "change", [lambda net: setattr(net.config, "mixes", True), lambda net: net.options.update(mixes=True)]
)
def test_settings_that_a_network_holds_are_its_own(change: Callable[[Set], object]) -> None:
    net = Set().eval()
    census(net, X)
    change(net)
    with pytest.raises(PruneAttrError, match="rest of"):
        census(net, X)


def test_a_hook_on_all_modules_is_one_on_the_network() -> None:
    net = Net()
    census(net, X)
    mixing = lambda module, given: (given[0] - given[0].mean(0),) if module is net else None  # noqa: E731
    handle = nn.modules.module.register_module_forward_pre_hook(mixing)
    try:
        with pytest.raises(PruneAttrError, match="rest of"):
            census(net, X)
    finally:
        handle.remove()
    census(net, X)


def test_a_vocabulary_is_not_read_at_every_map() -> None:
    net = Set()
    before = arrangement(net)
    net.options.update({str(word): True for word in range(3000)})
    assert len(str(arrangement(net))) <= len(str(before))
