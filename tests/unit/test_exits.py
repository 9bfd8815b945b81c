"""Values that leave PyTorch and come back: refused or told with the module, wherever they go."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, explain
from pruneattr_core.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
Way = Callable[[Tensor], Tensor]
X = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


class Through(nn.Module):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way

    def forward(self, h: Tensor) -> Tensor:
        return self.way(h)


class Net(nn.Module):
    """Two convolutions and a head; `place` sends something through `through`."""

    def __init__(self, place: Callable[[Net, Tensor], Tensor], way: Way) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.side = nn.Conv2d(3, 3, 3, 1, 1), nn.Conv2d(3, 3, 3, 1, 1), nn.Conv2d(3, 3, 1)
        self.relu, self.linear, self.through, self.place = nn.ReLU(), nn.Linear(3, 3), Through(way), place
        self.eval()

    def plain(self, x: Tensor) -> Tensor:
        return self.linear(self.relu(self.two(self.relu(self.one(x)))).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.place(self, x)


def _item_by_item(h: Tensor) -> Tensor:
    return torch.tensor([[[[v.item() for v in r] for r in c] for c in b] for b in h])


WAYS: dict[str, tuple[Way, str]] = {
    "numpy": (lambda h: torch.from_numpy(h.detach().numpy() * 2), "numpy|detach"),
    "an array": (lambda h: torch.as_tensor(np.asarray(h.detach()) * np.float32(2)), "numpy|detach"),
    "a list": (lambda h: torch.tensor(h.tolist()), "a list"),
    "numbers": (_item_by_item, "a number of Python"),
    "DLPack": (lambda h: torch.from_dlpack(h.detach()), "DLPack|detach"),
    "pickle": (lambda h: pickle.loads(pickle.dumps(h.detach())), "its memory|detach"),
    "new_tensor": (lambda h: h.new_tensor(h), "new_tensor"),
    "whole numbers": (lambda h: (10 * h).to(torch.int32).float() / 10, "to"),
    "truth values": (lambda h: (h > 0.1).float(), "gt"),
    "the largest channel": (lambda h: F.one_hot(h.argmax(1), 3).permute(0, 3, 1, 2).float(), "argmax"),
}
PLACES: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "the input": lambda s, x: s.plain(s.through(x)),
    "the middle": lambda s, x: s.linear(s.relu(s.two(s.through(s.relu(s.one(x))))).mean((2, 3))),
    "the end": lambda s, x: s.through(s.plain(x)[:, :, None, None]).flatten(1),
    "beside, with neurons": lambda s, x: s.plain(x) + s.linear(s.relu(s.side(s.through(x))).mean((2, 3))),
    "beside, with a layer": lambda s, x: s.plain(x) + s.side(s.through(x)).mean((2, 3)),
}
#: Of truth values and places: they have no derivative to be told of.
CHOICES = ("truth values", "the largest channel")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_the_module_and_the_kind_of_way_are_named(way: str, place: str) -> None:
    net = Net(PLACES[place], WAYS[way][0])
    for method in ("prunegrad", "saliency"):
        with pytest.raises(ModelError, match=rf"ends at through \(({WAYS[way][1]})\)"):
            explain(net, X, 1, method)


@pytest.mark.parametrize("way", sorted({*WAYS} - {*CHOICES}))
def test_values_on_which_nothing_learned_acts_are_told(way: str) -> None:
    net = Net(lambda s, x: s.plain(x) + s.through(x).mean((2, 3)), WAYS[way][0])
    assert explain(net, X, 1, "saliency").values.isfinite().all()
    assert [one for one in census(net, X).loose if one.startswith("through (")]


def _looked(h: Tensor) -> Tensor:
    """As for a log: out, and nothing back."""
    print(h.detach().mean().item(), h.detach().numpy().max(), h.tolist()[0][0][0][0])
    return h


def _shifted(h: Tensor) -> Tensor:
    return h - h.max().item()


HARMLESS: dict[str, Way] = {
    "looked at": _looked,
    "a check": lambda h: h if bool(h.isfinite().all()) else h / 0,
    "a softmax's shift": lambda h: _shifted(h).exp() / _shifted(h).exp().sum(1, keepdim=True),
    "a mask": lambda h: h * (h > 0.2),
    "a table by numpy": lambda h: h + torch.from_numpy(np.arange(6, dtype=np.float32)) + 0 * h.sum().item(),
    "chosen": lambda h: h.gather(1, h.argmax(1, keepdim=True)).expand_as(h),
    "a count": lambda h: h.sum((2, 3), keepdim=True) / (h > 0).sum((2, 3), keepdim=True).clamp(min=1) + h,
}


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("way", HARMLESS)
def test_what_has_its_gradient_is_right_and_not_told(way: str, batch: int) -> None:
    net, x = Net(PLACES["the middle"], HARMLESS[way]), X[:batch]
    if way == "a softmax's shift":  # over the batch it would be another matter
        x = x[:1]
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    for mode in ("zero", "freeze"):
        found = PruneGrad(net).attribute(x, 1, sparsity=0.0, mode=mode)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert census(net, x).loose == ()


def test_a_response_without_a_gradient_is_named_as_such() -> None:
    net = Net(lambda s, x: s.plain(x + (x.detach() - x.detach())), lambda h: h)
    with pytest.raises(ModelError, match="ends at the response itself"):
        PruneGrad(net).attribute(X, lambda z: z.detach()[:, 1])
