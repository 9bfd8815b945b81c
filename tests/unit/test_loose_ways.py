"""Values that reach an answer without their gradient: in no map, so the census and the page say so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, contributions, explain, load_model
from pruneattr_core.analysis.census import loose_words
from pruneattr_core.circuits.replacement import mean_of
from pruneattr_core.circuits.scores import patching
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.errors import ModelError
from pruneattr_core.paths.dgr import dgr_gates
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


def _under(mode: Callable[[], AbstractContextManager[None]], made: Callable[[], Tensor]) -> Tensor:
    with mode():
        return made()


def _rows(h: Tensor) -> Tensor:
    return h.flatten(2).mT


BESIDE: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "a layer on detached neurons": lambda net, h: net.other(h.detach()),
    "a layer that is detached": lambda net, h: net.other(h).detach(),
    "no_grad": lambda net, h: _under(torch.no_grad, lambda: net.other(h)),
    "inference_mode": lambda net, h: _under(torch.inference_mode, lambda: net.other(h)).clone(),
    "a view": lambda net, h: net.other(_under(torch.no_grad, lambda: h[:, :4])),
    "a transposed view": lambda net, h: net.other(_under(torch.no_grad, lambda: h.mT)),
    "views": lambda net, h: net.other(torch.cat(_under(torch.no_grad, lambda: h.chunk(2, 1)), 1)),
    "a layer on a view": lambda net, h: _under(torch.no_grad, lambda: net.other(h[:, :4])),
    "one of two results": lambda net, h: net.other(_under(torch.no_grad, lambda: h.sort(2)[0])),
    "a recurrent layer": lambda net, h: _under(torch.no_grad, lambda: net.memory(_rows(h))[0].mT.view_as(h)),
    "one on detached neurons": lambda net, h: net.memory(_rows(h.detach()))[0].mT.reshape(h.shape),
    "one that is detached": lambda net, h: net.memory(_rows(h))[0].detach().mT.reshape(h.shape),
    "attention": lambda net, h: net.attention(*[_rows(h.detach())] * 3)[0].mT.reshape(h.shape),
    "rows times a transposed weight": lambda net, h: (_rows(h.detach()) @ net.turn.mT).mT.reshape(h.shape),
    "a sum over channels": lambda net, h: torch.einsum("nchw,cd->ndhw", h.detach(), net.turn[:, :4]),
    "one by tensordot": lambda net, h: torch.tensordot(_rows(h.detach()), net.turn, 1).mT.reshape(h.shape),
    "a norm of roots": lambda net, h: net.scale(_rows(h.detach())).mT.reshape(h.shape),
    "a product of pairs": lambda net, h: net.pairs(_rows(h), _rows(h)).detach().mT.reshape(h.shape),
}


class Beside(Net):
    """Neurons act by a way that has a gradient, and by another."""

    def __init__(self, way: str) -> None:
        super().__init__(WHOLE["nothing"])
        self.other, self.beside = nn.Conv2d(4, 4, 3, padding=1), BESIDE[way]
        self.memory = nn.LSTM(4, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.pairs, self.turn, self.scale = nn.Bilinear(4, 4, 4), nn.Parameter(torch.eye(4)), nn.RMSNorm(4)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.conv(x))
        return self.head(F.relu(h + self.beside(self, h)).mean((2, 3)))


RANKED: dict[str, Callable[[nn.Module], object]] = {
    "taylor": lambda net: contributions(net, X, 1),
    "intgrad": lambda net: contributions(net, X, 1, "intgrad"),
    "preview": lambda net: contributions(net, X, 1, "intgrad_preview"),
    "channels": lambda net: unit_contributions(net, X, 1, method="intgrad"),
    "gates": lambda net: dgr_gates(net, X, iterations=1),
    "patching": lambda net: patching(net, X, 1, mean_of(net, [X])),
}


PARTLY = r"on part of the network only.*(detach|no_grad|inference)"


@pytest.mark.parametrize("ranking", RANKED)
@pytest.mark.parametrize("way", list(BESIDE)[:4])
def test_neurons_that_act_by_a_learned_way_without_a_gradient_are_not_ranked(way: str, ranking: str) -> None:
    """Their other way has one: alone it says less of them than they do."""
    with pytest.raises(ModelError, match=PARTLY):
        RANKED[ranking](Beside(way))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("way", BESIDE)
def test_no_map_is_given_of_the_other_way_alone(way: str, frozen: bool) -> None:
    net = Beside(way).requires_grad_(not frozen)
    for ask in (
        lambda: contributions(net, X, 1),
        lambda: PruneGrad(net).attribute(X, 1, mode="freeze"),
        lambda: explain(net, X, 1, "saliency"),
    ):
        with pytest.raises(ModelError, match=PARTLY):
            ask()


def test_a_weight_that_is_computed_is_learned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lambda net, h: (_rows(h.detach()) @ (0.1 * net.turn)).mT.reshape(h.shape)  # noqa: E731
    monkeypatch.setitem(BESIDE, "scaled", made)
    with pytest.raises(ModelError, match=PARTLY):
        contributions(Beside("scaled"), X, 1)


@pytest.mark.parametrize(
    "made",
    [
        lambda net, h: (_rows(h.detach()) @ torch.eye(4)).mT.reshape(h.shape),
        lambda net, h: (_rows(h.detach()) @ (_rows(h).mT @ _rows(net.other(h)))).mT.reshape(h.shape),
    ],
    ids=["a constant", "what comes from the input"],
)
def test_a_product_with_what_is_not_learned_is_none(
    made: Callable[[Net, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BESIDE, "made", made)
    assert contributions(Beside("made"), X, 1).neurons > 0


def test_a_view_that_is_only_looked_at_is_not_in_the_answer() -> None:
    class Looking(Net):
        def forward(self, x: Tensor) -> Tensor:
            h = F.relu(self.conv(x))
            with torch.no_grad():
                self.seen = h[:, 0].amax((1, 2)), h.sort(2)[0].shape
            return self.head(F.relu(h + 1).mean((2, 3)))

    net = Looking(WHOLE["nothing"])
    assert census(net, X).loose == ()
    assert PruneGrad(net).attribute(X, 1).any()
