"""Every method of the table on one network in several spellings, and on such that have no gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import ModelError
from pruneattr_core.scoring import contributions


class Spelled(nn.Module):
    """conv, BatchNorm, ReLU, pool, sum with positions, mean, linear; `forward` is given."""

    def __init__(self, way: Callable[[Spelled, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.linear = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5)
        nn.init.normal_(self.norm.running_mean)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        self.places = nn.Parameter(torch.rand(1, 4, 5, 5))
        self.way = way
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


def by_place(net: Spelled, x: Tensor) -> Tensor:
    y = F.max_pool2d(F.relu(net.norm(net.conv(x))), 2)
    return net.linear((y + y.flip(3)).mean((2, 3)))


def by_name(net: Spelled, x: Tensor) -> Tensor:
    norm = net.norm
    y = F.conv2d(bias=net.conv.bias, weight=net.conv.weight, input=x)
    y = F.batch_norm(
        input=y, running_var=norm.running_var, running_mean=norm.running_mean,
        bias=norm.bias, weight=norm.weight, eps=norm.eps,
    )  # fmt: skip
    y = F.max_pool2d(input=F.relu(input=y), kernel_size=2)
    y = torch.mean(input=torch.add(input=y, other=torch.flip(input=y, dims=(3,))), dim=(2, 3))
    return F.linear(input=y, weight=net.linear.weight, bias=net.linear.bias)


@pytest.mark.parametrize("method", METHODS)
def test_arguments_by_name_are_arguments(method: str) -> None:
    x = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    one, other = (explain(Spelled(way), x, [1, 3], method=method).values for way in (by_place, by_name))
    assert one.abs().max() > 0
    assert torch.equal(one, other)


def in_place(net: Spelled, x: Tensor) -> Tensor:
    y = F.relu(net.conv(x))
    return net.linear(y.add_(y * y).mean((2, 3)))


def without_derivative(net: Spelled, x: Tensor) -> Tensor:
    return net.linear(torch.igamma(F.relu(net.conv(x)) + 1, torch.ones((), dtype=x.dtype)).mean((2, 3)))


#: These never ask for a gradient.
FORWARD = {"occlusion", "random", "edges"}


@pytest.mark.parametrize("way", [in_place, without_derivative])
@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_a_gradient_is_refused_in_a_sentence(
    method: str, way: Callable[[Spelled, Tensor], Tensor]
) -> None:
    x = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    if method in FORWARD:
        assert explain(Spelled(way), x, 1, method=method).values.isfinite().all()
        return
    with pytest.raises(ModelError):
        explain(Spelled(way), x, 1, method=method)


@pytest.mark.parametrize("way", [in_place, without_derivative])
@pytest.mark.parametrize("contribution", ["taylor", "intgrad"])
def test_so_is_it_where_neurons_are_scored(
    way: Callable[[Spelled, Tensor], Tensor], contribution: str
) -> None:
    with pytest.raises(ModelError, match="cannot be differentiated"):
        contributions(Spelled(way), torch.rand(1, 3, 12, 12, dtype=torch.float64), 1, contribution)


@pytest.mark.parametrize("method", ["deeplift", "lrp", "rap", "excitation_backprop", "lrp_alpha1_beta0"])
def test_positions_are_added_to_every_picture_of_a_batch(method: str) -> None:
    def placed(net: Spelled, x: Tensor) -> Tensor:
        y = F.max_pool2d(F.relu(net.norm(net.conv(x))), 2) + net.places
        return net.linear(y.mean((2, 3)))

    x = torch.rand(3, 3, 12, 12, dtype=torch.float64)
    whole = explain(Spelled(placed), x, 2, method=method).values
    for k in range(3):
        alone = explain(Spelled(placed), x[k : k + 1], 2, method=method).values[0]
        assert (whole[k] - alone).abs().max() <= 1e-12 * alone.abs().max()


def statement(net: Spelled, x: Tensor) -> Tensor:
    y = net.norm(net.conv(x))
    F.relu_(y)
    return net.linear(y.mean((2, 3)))


def of_a_slice(net: Spelled, x: Tensor) -> Tensor:
    y = net.norm(net.conv(x))
    y[:, :2].relu_()
    y[:, 2:].relu_()
    return net.linear(y.mean((2, 3)))


def expression(net: Spelled, x: Tensor) -> Tensor:
    return net.linear(F.relu(net.norm(net.conv(x))).mean((2, 3)))


def split(net: Spelled, x: Tensor) -> Tensor:
    y = net.norm(net.conv(x))
    return net.linear(torch.cat([F.relu(y[:, :2]), F.relu(y[:, 2:])], 1).mean((2, 3)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("way", "same"), [(statement, expression), (of_a_slice, split)])
def test_a_rectifier_whose_argument_goes_on_is_a_rectifier(
    method: str, way: Callable[[Spelled, Tensor], Tensor], same: Callable[[Spelled, Tensor], Tensor]
) -> None:
    x = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    try:
        found = explain(Spelled(way), x, 1, method=method).values
    except ModelError:  # some have no rule for it, and say so
        assert (
            method in {"lrp", "lrp_alpha1_beta0", "excitation_backprop", "rap", "deeplift"} or same is split
        )
        return
    wanted = explain(Spelled(same), x, 1, method=method).values
    assert (found - wanted).abs().max() <= 1e-12 * wanted.abs().max()
