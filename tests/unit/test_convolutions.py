"""Copies of convolution weights: the same answers, never an old one, and nothing kept of what is gone."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import PruneGrad, convolutions, tape
from pruneattr_core.selection import order_statistics


class Net(nn.Module):
    """Two convolutions with BatchNorm; `read` lets something else read the first one's output as well."""

    def __init__(self, read: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read = read
        self.first, self.norm = nn.Conv2d(3, 8, 3, bias=True), nn.BatchNorm2d(8)
        self.second, self.last = nn.Conv2d(8, 8, 3, groups=2, bias=False), nn.BatchNorm2d(8, affine=False)
        self.head = nn.Linear(8, 5)
        for norm in (self.norm, self.last):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        b = self.norm(a).relu_()
        b = b + a if self.read else b
        return self.head(self.last(self.second(b)).relu().mean((2, 3)))


def fast(net: nn.Module, x: Tensor) -> Tensor:
    return tape.run(net, x.contiguous(memory_format=torch.channels_last)).logits


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("read", "folds"), [(False, {0, 1}), (True, {1})])
def test_a_batch_norm_goes_into_the_copy_where_nothing_else_reads_the_convolution(
    x: Tensor, read: bool, folds: set[int]
) -> None:
    net, before = Net(read), {name: value.clone() for name, value in Net(read).state_dict().items()}
    torch.testing.assert_close(fast(net, x), net(x), rtol=1e-5, atol=1e-5)
    assert set(tape.roles_of(net, x)[0].folds) == folds
    single = PruneGrad(net).attribute(x, 1, sparsity=0.3)
    double = PruneGrad(Net(read).double()).attribute(x.double(), 1, sparsity=0.3)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("name", ["first.weight", "first.bias", "norm.weight", "norm.running_var"])
def test_no_change_of_a_parameter_is_missed(x: Tensor, name: str) -> None:
    net = Net()
    fast(net, x)
    net.state_dict()[name].data.view(-1)[3] += 1  # no version counts this
    torch.testing.assert_close(fast(net, x), net(x), rtol=1e-5, atol=1e-5)
    net.norm = nn.BatchNorm2d(8).eval()  # other tensors at the same place
    torch.testing.assert_close(fast(net, x), net(x), rtol=1e-5, atol=1e-5)


def test_copies_go_with_the_network_and_stay_within_their_budget(
    x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()
    convolutions._copies.clear()
    net = Net()
    fast(net, x)
    assert len(convolutions._copies) == 2
    monkeypatch.setattr(convolutions, "BUDGET", 1)
    other = Net()
    torch.testing.assert_close(fast(other, x), net(x), rtol=1e-5, atol=1e-5)
    assert not convolutions._copies
    monkeypatch.undo()
    fast(net, x)
    del net, other
    gc.collect()
    assert not convolutions._copies


@pytest.mark.parametrize("kind", ["continuous", "tied", "zero"])
def test_a_sample_finds_the_same_ranks_as_sorting(kind: str) -> None:
    torch.manual_seed(0)
    layers = [
        torch.randn(1, 16, 96, 96).contiguous(memory_format=torch.channels_last),
        9 * torch.randn(1, 200_000),
    ]
    layers = [layer.relu() if kind == "continuous" else (layer.relu() * 2).round() for layer in layers]
    layers = [torch.zeros_like(layer) for layer in layers] if kind == "zero" else layers
    every = torch.cat([layer.flatten() for layer in layers]).sort().values
    for share in (0.0, 0.3, 0.9, 0.9999, 1.0):
        rank = int(share * (len(every) - 1))
        assert float(order_statistics(layers, torch.tensor([[rank]]))) == float(every[rank])
