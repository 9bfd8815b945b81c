"""The order of values in memory and the buffers of a network stay what its author made of them."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.ao import quantization

import networks
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.attribution.protocol import completeness_gap
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.errors import ModelError


class Tutorial(nn.Module):
    """The network of PyTorch's CIFAR tutorial, whose `view` wants its values row by row."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c1, self.c2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.f1, self.f2 = nn.Linear(400, 120), nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.f2(F.relu(self.f1(x.view(-1, 400))))


class Looks(nn.Module):
    """Asks in what order its values lie."""

    def __init__(self, strided: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)
        self.strided = strided

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x).relu()
        if self.strided:
            h = h.as_strided((len(x), 8, 16, 16), (2048, 256, 16, 1))
        elif not h.is_contiguous():
            h = 2 * h
        return self.head(self.b(h).relu().mean((2, 3)))


@pytest.mark.parametrize("net", [Tutorial(), Looks(True), Looks(False)], ids=["view", "strides", "asks"])
def test_a_network_that_minds_the_order_in_memory_is_explained_as_it_is(net: nn.Module) -> None:
    torch.manual_seed(1)
    net, x = net.eval(), torch.randn(2, 3, 32, 32) if isinstance(net, Tutorial) else torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        expected = net(x)
    torch.testing.assert_close(contributions(net, x).logits, expected)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf).max(1).values.sum(), leaf)
    torch.testing.assert_close(PruneGrad(net).attribute(x, sparsity=0.0), gradient)
    for mode in ("zero", "freeze"):
        assert PruneGrad(net).sweep(x, sparsities=[0, 0.5], mode=mode).maps.isfinite().all()
    assert prunegrad_mid(net, x, expected.argmax(1)).shape == (2, 1, *x.shape[2:])
    assert explain(net, x, method="saliency").values.shape == x.shape


class Notes(nn.Module):
    """Writes down what it has seen, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.net = networks.network("plain")
        self.register_buffer("most", torch.zeros((), dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.most.copy_(torch.maximum(self.most, x.detach().abs().max()))
        self.seen = self.seen + 1  # another tensor
        return self.net(x)


def observed() -> nn.Module:
    """A network prepared for quantisation, whose observers note every value they see."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)).eval()
    net.qconfig = quantization.get_default_qconfig("x86")
    return quantization.prepare(net).eval()


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:UserWarning")
@pytest.mark.parametrize("name", ["notes", "observers"])
@pytest.mark.parametrize("run", ["first", "after a pass"])
def test_what_a_network_notes_in_eval_mode_is_put_back(name: str, run: str) -> None:
    net = Notes().eval() if name == "notes" else observed()
    x = networks.inputs(2) if name == "notes" else networks.inputs(2).float()
    if run == "after a pass":
        net(x)
    before = copy.deepcopy(net.state_dict())
    PruneGrad(net).attribute(x)
    PruneGrad(net).sweep(x, sparsities=[0, 0.5], mode="freeze")
    contributions(net, x)
    for method in ("saliency", "integrated_gradients", "guided_backprop"):
        completeness_gap(net, x, explain(net, x, 0, method))
    after = net.state_dict()
    assert before.keys() == after.keys()
    for key, value in before.items():
        if isinstance(value, Tensor):
            assert torch.equal(value, after[key]), key


def test_so_is_it_where_the_network_is_refused_for_what_it_keeps() -> None:
    class Follows(Notes):
        def forward(self, x: Tensor) -> Tensor:
            self.seen.mul_(0.9).add_(0.1 * x.detach().mean())
            return self.net(x) * (1 + self.seen)

    net, x = Follows().eval(), networks.inputs(2)
    for ask in (PruneGrad(net).attribute, lambda x: contributions(net, x), lambda x: explain(net, x, 0)):
        with pytest.raises(ModelError, match="answers otherwise"):
            ask(x)
        assert float(net.seen) == 0
