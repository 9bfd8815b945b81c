"""What rule-based methods take besides layers: moves, casts, scaling; weights that come from the input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import networks
from pruneattr_core import explain
from pruneattr_core.errors import ModelError

Move = Callable[[Tensor], Tensor]
BACK = torch.arange(7, -1, -1)
#: Between a ReLU and a mean over all places none of these changes anything but the order of the values.
MOVES: dict[str, Move] = {
    "flip": lambda y: y.flip(3),
    "fliplr": lambda y: torch.fliplr(y.transpose(1, 3)).transpose(1, 3),
    "rot90": lambda y: torch.rot90(y, 1, (2, 3)),
    "tensor_split": lambda y: torch.cat(torch.tensor_split(y, 2, 2), 2),
    "hsplit": lambda y: torch.concatenate(torch.hsplit(y.transpose(1, 2), 2), 1).transpose(1, 2),
    "index_select": lambda y: y.index_select(2, BACK),
    "select": lambda y: torch.stack([y.select(1, i) for i in range(y.shape[1])], 1),
    "repeat_interleave": lambda y: y.repeat_interleave(2, 2),
    "tile": lambda y: y.tile((1, 1, 2, 2)),
    "expand_as": lambda y: y.expand_as(y),
    "casts": lambda y: y.float().type(torch.float64).type_as(y).cpu().double(),
}
#: What is linear, but no mere move.
SUMS: dict[str, Move] = {
    "sum": lambda y: y.sum((2, 3), keepdim=True),
    "sub": lambda y: 0.3 - (y - 0.5),
    "neg": lambda y: -y,
    "scaled": lambda y: 3 * (y / 2.0) * 0.25,
}


class Moving(nn.Module):
    """conv, ReLU, a move, mean, linear; inputs are normalised inside by buffers."""

    mean: Tensor

    def __init__(self, move: Move, inside: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6])[:, None, None])
        self.move, self.inside = move, inside

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.mean.sqrt() if self.inside else x
        return self.linear(self.move(F.relu(self.body(x))).mean((2, 3)))


@pytest.mark.parametrize("method", ["deeplift", "lrp", "rap", "excitation_backprop"])
@pytest.mark.parametrize("name", MOVES)
def test_moves_change_nothing(method: str, name: str) -> None:
    x = networks.inputs(2)
    with_it, without = (Moving(move).double().eval() for move in (MOVES[name], lambda y: y))
    one, other = (explain(net, x, 1, method).values for net in (with_it, without))
    tolerance = 1e-6 if name == "casts" else 1e-12
    torch.testing.assert_close(one, other, rtol=tolerance, atol=1e-9)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", SUMS)
def test_deeplift_sums_to_the_difference_of_the_logits(name: str, inside: bool) -> None:
    net, x = Moving(SUMS[name], inside).double().eval(), networks.inputs(2)
    found = explain(net, x, 1, "deeplift").values
    with torch.no_grad():
        difference = (net(x) - net(torch.zeros_like(x)))[:, 1]
    torch.testing.assert_close(found.sum((1, 2, 3)), difference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SUMS)
def test_relevance_has_no_rule_for_sums(name: str) -> None:
    net = Moving(SUMS[name]).double().eval()
    for method in ("lrp", "rap"):
        with pytest.raises(ModelError, match=r"no rule for .*(sum|sub|neg|mul|div)"):
            explain(net, networks.inputs(1), 1, method)


class Written(nn.Module):
    """A layer whose weights, or shift, the network makes of the picture; `how` says of which and how."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.makes, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 6 * 6), nn.Linear(6, 4)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.body(x))
        made = self.makes(y.mean((2, 3)))[0]
        if self.how == "by number":
            made = (made > 0).to(y.dtype)  # no derivative, and yet of the picture
        if self.how == "written into":
            slot = torch.zeros(36, dtype=x.dtype)
            slot[None][0].add_(made)  # by a view
            made = slot
        weight = made.view(6, 6)
        if self.how == "linear":
            return self.linear(F.relu(F.linear(y.mean((2, 3)), weight)))
        if self.how == "batch_norm":
            still = torch.zeros(6, dtype=x.dtype), torch.ones(6, dtype=x.dtype)
            return self.linear(F.relu(F.batch_norm(y, *still, weight[0], weight[1])).mean((2, 3)))
        if self.how == "bias":
            return self.linear(F.relu(F.conv2d(y, self.own(y), weight[0])).mean((2, 3)))
        return self.linear(F.relu(F.conv2d(y, weight[..., None, None])).mean((2, 3)))

    def own(self, y: Tensor) -> Tensor:
        return self.makes.weight[:6, :, None, None]


@pytest.mark.parametrize("how", ["conv2d", "by number", "written into", "linear", "batch_norm", "bias"])
@pytest.mark.parametrize("method", ["deeplift", "lrp", "rap", "excitation_backprop"])
def test_weights_that_come_from_the_picture_are_a_product(method: str, how: str) -> None:
    """Both are activations: no rule shares out such a product, and DeepLift's sum would be wrong."""
    name = how if how in ("linear", "batch_norm") else "conv2d"
    with pytest.raises(ModelError, match=f"no rule for .*{name} by the input"):
        explain(Written(how).double().eval(), networks.inputs(1), 1, method)


def test_weights_made_of_parameters_are_weights() -> None:
    net = Moving(lambda y: y).double().eval()
    nn.utils.parametrizations.weight_norm(net.body)
    x = networks.inputs(1)
    with torch.no_grad():
        difference = (net(x) - net(torch.zeros_like(x)))[:, 1]
    torch.testing.assert_close(explain(net, x, 1, "deeplift").values.sum((1, 2, 3)), difference)
    with pytest.raises(ModelError, match="no rule for _weight_norm"):
        explain(net, x, 1, "lrp")


class Asking(nn.Module):
    """Asks for types and shapes, of its input and of its weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.body(x.type(self.body.weight.type())))
        h = F.conv2d(h, self.body.weight.mean().expand_as(h[:, :1, :1, :1]).to(h).expand(6, 6, 1, 1))
        return self.linear(h.mean((2, 3)))


def test_what_only_asks_for_a_type_is_no_move() -> None:
    net, x = Asking().double().eval(), networks.inputs(1)
    with torch.no_grad():
        difference = (net(x) - net(torch.zeros_like(x)))[:, 1]
    torch.testing.assert_close(explain(net, x, 1, "deeplift").values.sum((1, 2, 3)), difference)
    for method in ("gradcam", "guided_backprop", "prunegrad", "saliency"):
        assert bool(explain(net, x, 1, method).values.isfinite().all())


@pytest.mark.parametrize(
    "rounding",
    [
        lambda y: y.int().double(),
        lambda y: y.type(torch.long).type_as(y),
        lambda y: y.to(torch.int).to(y.dtype),
    ],
)
def test_rounding_is_no_cast(rounding: Move) -> None:
    with pytest.raises(ModelError, match=r"no rule for (rounding|int)"):
        explain(Moving(rounding).double().eval(), networks.inputs(1), 1, "deeplift")


def _filled(y: Tensor) -> Tensor:
    slot = torch.zeros(len(y), 1, 1, 1, dtype=y.dtype)  # nothing of the picture, yet
    slot += y.mean((1, 2, 3), keepdim=True)
    return y * slot


def test_a_product_with_what_hangs_on_the_picture_is_no_scaling() -> None:
    for move in (
        lambda y: y * (y.mean((1, 2, 3), True) > 0),
        lambda y: y / y.sum((1, 2, 3), True),
        lambda y: 2 / (y + 1),
        lambda y: y * y,
        lambda y: y + (y > 0.3).float(),
        lambda y: y + (y > 0.3),
        lambda y: torch.cat([y, y > 0.3], 1)[:, 3:9],
        lambda y: y - 0.5 * y.detach(),
        lambda y: y - 0.5 * y.data,
        lambda y: torch.div(y, 0.1, rounding_mode="floor"),
        _filled,
    ):
        for method in ("deeplift", "lrp", "rap"):
            with pytest.raises(ModelError, match="no rule for"):
                explain(Moving(move).double().eval(), networks.inputs(1), 1, method)
