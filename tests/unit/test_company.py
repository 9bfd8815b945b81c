"""An answer is its input's own: not chance's, not the rest of the batch's; nor is what a response says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import InputError, ModelError


class Net(nn.Module):
    """conv, `change` of the rectified maps, mean, linear; the input is normalised first where asked."""

    def __init__(self, change: Callable[[Tensor], Tensor], normalised: bool = False, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
        self.first = nn.InstanceNorm2d(3) if normalised else nn.Identity()
        self.change = change
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.change(F.relu(self.conv(self.first(x)))).mean((2, 3)))


COMPANY: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda y: F.relu(y - 0.5 * y.mean(0, keepdim=True)),
    "maximum": lambda y: y / (1 + y.amax(0, keepdim=True)),
    "neighbour": lambda y: y + y.roll(1, 0),
    "place": lambda y: y * (1 + torch.arange(len(y), dtype=y.dtype).view(-1, 1, 1, 1) / 10),
    "first": lambda y: torch.cat([2 * y[:1], y[1:]]),
    "order": lambda y: y.sort(0).values,
    "of three": lambda y: y if len(y) < 3 else y - y.mean(0),
}


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COMPANY)
def test_an_answer_that_depends_on_the_batch_is_refused(
    name: str, dtype: torch.dtype, normalised: bool
) -> None:
    network = Net(COMPANY[name], normalised).to(dtype)
    with pytest.raises(ModelError, match="another input is in the batch"):
        PruneGrad(network).attribute(torch.rand(1, 3, 9, 9, dtype=dtype), 0)


GRADED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "mixes": (lambda y: y - 0.1 * y.mean(0) if torch.is_grad_enabled() else 0.9 * y, "another input is in"),
    "mixes what has one": (lambda y: y - 0.1 * (y.mean(0) if y.requires_grad else y), "another input is in"),
    "another answer": (lambda y: y * (1.2 if y.requires_grad else 1.0), "while gradients are computed"),
    "mixes a little": (lambda y: y - 0.03 * y.mean(0), "another input is in"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", GRADED)
def test_what_an_answer_is_only_while_gradients_are_on_is_seen(name: str, dtype: torch.dtype) -> None:
    change, said = GRADED[name]
    network, x = Net(change).to(dtype), torch.rand(1, 3, 9, 9, dtype=dtype)
    for ask in (lambda: PruneGrad(network).attribute(x, 0), lambda: explain(network, x, 0, "saliency")):
        with pytest.raises(ModelError, match=said):
            ask()
    assert all(one.grad is None for one in network.parameters())


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 2e-3), (torch.float64, 1e-5)])
def test_a_little_company_is_seen_as_far_as_a_precision_allows(dtype: torch.dtype, share: float) -> None:
    x = torch.rand(1, 3, 9, 9, dtype=dtype)
    for seed in range(4):
        network = Net(lambda y: y - share * y.mean(0), seed=seed).to(dtype)
        with pytest.raises(ModelError, match="another input is in the batch"):
            PruneGrad(network).attribute(x, 0)


@pytest.mark.parametrize("inside", [torch.float32, torch.bfloat16])
def test_rounding_in_parts_of_a_network_is_no_company(inside: torch.dtype) -> None:
    """A kernel may sum in another order for several inputs than for one."""

    def rounded(y: Tensor) -> Tensor:
        return (y * (1 + torch.finfo(inside).eps * (len(y) > 1))).to(inside).to(y.dtype)

    network = Net(rounded).double()
    assert PruneGrad(network).attribute(torch.rand(1, 3, 9, 9).double(), 0).isfinite().all()


def test_a_norm_of_each_input_alone_is_none_of_it() -> None:
    x = torch.rand(3, 3, 9, 9)
    network = Net(lambda y: F.layer_norm(y, y.shape[1:]), normalised=True)
    whole = PruneGrad(network).attribute(x, 0)
    assert torch.allclose(whole[1], PruneGrad(network).attribute(x[1:2], 0)[0], rtol=1e-4, atol=1e-7)


CHANCE: dict[str, Callable[[Tensor], Tensor]] = {
    "of two": lambda y: y * torch.randint(1, 3, (1,)),
    "drop path": lambda y: y * (torch.rand(len(y), 1, 1, 1) > 0.1),
    "one for all": lambda y: y * (1 + (torch.rand(()) > 0.5).float()),
    "native": lambda y: torch.native_dropout(y, 0.1, True)[0],
}


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_seen_also_where_two_passes_agree_by_luck(name: str) -> None:
    x = torch.rand(1, 3, 9, 9)
    for seed in range(8):
        network = Net(CHANCE[name], seed=seed)
        torch.manual_seed(seed)
        with pytest.raises(ModelError, match="draws random numbers in eval mode"):
            PruneGrad(network).attribute(x, 0)


def test_chance_without_effect_is_none() -> None:
    network = Net(lambda y: y + 0 * torch.rand_like(y))
    assert PruneGrad(network).attribute(torch.rand(1, 3, 9, 9), 0).isfinite().all()


def test_a_response_may_work_in_place() -> None:
    network, x = Net(lambda y: y), torch.rand(2, 3, 9, 9)
    one = PruneGrad(network).sweep(x, lambda o: o[:, 0].mul_(2), sparsities=[0, 0.5])
    other = PruneGrad(network).sweep(x, lambda o: 2 * o[:, 0], sparsities=[0, 0.5])
    assert torch.equal(one.logit, other.logit)
    assert torch.equal(one.probability, other.probability)
    assert torch.equal(one.maps, other.maps)


BAD: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "mixes rows": (lambda o: o[:, 0] - o[:, 0].mean(), "another number when others are in the batch"),
    "a class for every row": (lambda o: o[range(2), [1, 3]], "fails on outputs .*IndexError"),
    "index": (lambda o: o[:, 9], "fails on outputs .*IndexError"),
    "not finite": (lambda o: (o[:, 0] - 100).sqrt(), "NaN or infinite"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_response_that_cannot_be_read_is_refused_by_its_name(name: str) -> None:
    network, (response, said) = Net(lambda y: y), BAD[name]
    with pytest.raises(InputError, match=said):
        PruneGrad(network).sweep(torch.rand(2, 3, 9, 9), response, sparsities=[0, 0.5])


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("random", "edges")])
def test_no_method_gives_a_map_of_a_response_that_is_not_finite(method: str) -> None:
    with pytest.raises((InputError, ModelError)):
        explain(Net(lambda y: y), torch.rand(1, 3, 9, 9), BAD["not finite"][0], method=method)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("random", "edges")])
def test_no_method_gives_a_map_of_a_network_with_nan_in_it(method: str) -> None:
    network = Net(lambda y: y)
    with torch.no_grad():
        network.conv.weight[0] = torch.nan
    with pytest.raises((InputError, ModelError)):
        explain(network, torch.rand(1, 3, 9, 9), 1, method=method)


def test_what_cannot_be_run_with_gradients_on_is_seen_to_mix_all_the_same() -> None:
    class Out(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self.conv(x))
            out = torch.empty_like(h)
            torch.add(h, h.mean(0, keepdim=True), out=out)
            return self.head(out.mean((2, 3)))

    with pytest.raises(ModelError, match="another input is in the batch"):
        explain(Out().eval(), torch.randn(1, 3, 8, 8), method="occlusion")


def test_a_network_that_normalises_its_input_in_place_is_served() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            before = x.detach().clone()[:, :, 0, 0]
            return self.net(x.sub_(0.5).div_(0.25)) + before

    net, x = InPlace().eval().double(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    whole = explain(net, x, method="saliency").values
    assert torch.equal(whole[:1], explain(net, x[:1], method="saliency").values)
    assert census(net, x).loose == ("InPlace (detach)",)
