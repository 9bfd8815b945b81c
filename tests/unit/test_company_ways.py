"""Networks whose way hangs on the whole batch, and such with the batch in another dimension inside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, contributions, explain
from pruneattr_core.errors import InputError, ModelError


class Net(nn.Module):
    """conv, `way` of the rectified maps, mean, linear; `before` is done with the input."""

    def __init__(self, before: Callable[[Tensor], Tensor], way: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
        self.before, self.way = before, way
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.way(F.relu(self.conv(self.before(x)))).mean((2, 3)))


def _same(x: Tensor) -> Tensor:
    return x


WHOLE: dict[str, Net] = {
    "sign of the mean": Net(lambda x: x if x.mean() > 0 else -x, _same),
    "a mean far away": Net(lambda x: x / 2 if x.mean() > 3 else x, _same),
    "largest": Net(lambda x: x if float(x.detach().max()) < 9 else x.clamp(max=0.3), _same),
    "smallest": Net(lambda x: x if x.min().item() >= 0 else 2 * x, _same),
    "another activation": Net(_same, lambda h: h if h.mean() < 2 else F.gelu(h - 1)),
    "one more": Net(_same, lambda h: h if h.sum() > 300 else F.relu(h - 0.1)),
    "through numpy": Net(lambda x: x * (1 + (x.detach().numpy().mean() > 2)), _same),
    "through a list": Net(lambda x: x if max(x.flatten().tolist()) < 5 else 2 * x, _same),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_way_that_hangs_on_the_whole_batch_is_refused_in_company_and_right_alone(name: str) -> None:
    net, x = WHOLE[name], torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    asks: dict[str, Callable[[Tensor], object]] = {
        "attribute": lambda x: PruneGrad(net).attribute(x, 0),
        "sweep": lambda x: PruneGrad(net).sweep(x[:1], 0, [0.5, 0.9]),
        "contributions": lambda x: contributions(net, x, 0),
        "saliency": lambda x: explain(net, x, 0, "saliency"),
        "steps": lambda x: explain(net, x[:1], 0, "integrated_gradients"),
    }
    for ask in asks.values():
        with pytest.raises(ModelError, match="another input is in the batch"):
            ask(x)
    leaf = x[:1].clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(PruneGrad(net).attribute(leaf.detach(), 1, sparsity=0.0), expected, atol=1e-6)
    assert torch.allclose(explain(net, leaf.detach(), 1, "saliency").values, expected, atol=1e-6)


def test_in_double_precision_every_input_is_alone() -> None:
    net = Net(lambda x: x if x.mean() > 0.5 else -x, _same).double()
    x = torch.stack([torch.full((3, 9, 9), value, dtype=torch.float64) for value in (0.2, 0.9)])
    whole = PruneGrad(net).attribute(x, 1)
    assert torch.equal(whole, torch.cat([PruneGrad(net).attribute(one, 1) for one in x.split(1)]))


def test_one_that_mixes_without_asking_is_refused_alone_too() -> None:
    net = Net(_same, lambda h: h - h.mean())
    with pytest.raises(ModelError, match="another input is in the batch"):
        PruneGrad(net).attribute(torch.rand(1, 3, 9, 9), 0)


def test_what_no_company_of_ours_shows_is_seen_in_the_batch_itself() -> None:
    net = Net(lambda x: x if 0.4 < float(x.detach()[-1, 0, 0, 0]) < 0.41 else 2 * x, _same)
    x = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    x[1, 0, 0, 0] = 0.405
    PruneGrad(net).attribute(x[:1], 0)
    with pytest.raises(ModelError, match="another input is in the batch"):
        PruneGrad(net).attribute(x, 0)


HONEST: dict[str, Net] = {
    "assert": Net(_same, lambda h: h if bool((h >= 0).all()) else h.new_zeros(())),
    "each row": Net(lambda x: torch.stack([one if one.mean() > 0 else -one for one in x]), _same),
    "refuses others": Net(lambda x: x[: _positive(x)], _same),
    "a norm of each": Net(lambda x: x / x.flatten(1).std(1).view(-1, 1, 1, 1), _same),
    "asks for nothing that counts": Net(lambda x: x * (1 + 0 * x.mean().item()), _same),
}


def _positive(x: Tensor) -> int:
    if x.min() < 0:
        raise ValueError("pictures are not negative")
    return len(x)


@pytest.mark.parametrize("name", HONEST)
def test_one_that_looks_at_each_input_alone_is_served(name: str) -> None:
    net, x = HONEST[name].double(), torch.rand(3, 3, 9, 9, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(PruneGrad(net).attribute(x, 1, sparsity=0.0), expected, rtol=1e-4, atol=1e-6)


class Sequences(nn.Module):
    """Features of a picture as a sequence (T, B, F), as PyTorch's transformers take it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 5)
        self.layer = nn.TransformerEncoderLayer(6, 2, 12, 0.0)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layer(F.relu(self.conv(x)).flatten(2).permute(2, 0, 1)).mean(0))


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_activations_with_the_batch_in_their_second_dimension_are_passed_over(mode: str) -> None:
    net, x = Sequences(), torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(PruneGrad(net).attribute(x, 1, sparsity=0.0, mode=mode), expected, atol=1e-6)
    whole = PruneGrad(net).attribute(x, 1, sparsity=0.7, mode=mode)
    alone = torch.cat([PruneGrad(net).attribute(one, 1, sparsity=0.7, mode=mode) for one in x.split(1)])
    assert torch.allclose(whole, alone, atol=1e-6)
    assert census(net, x).words()[1] == "1 more do not have the batch as their first dimension."
    assert explain(net, x, 1, "gradcam").values.shape == (3, 1, 6, 6)


class RowByRow(Sequences):
    """Calls its activations once for every input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.cat([F.relu(self.conv(one)) for one in x.split(1)]).mean((2, 3)))


def test_activations_that_hang_on_the_number_of_inputs_are_not_blamed_on_values() -> None:
    net, x = RowByRow(), torch.rand(2, 3, 6, 6)
    assert PruneGrad(net).attribute(x[:1], 1).isfinite().all()
    for ask in (PruneGrad(net).attribute, lambda x: contributions(net, x)):
        with pytest.raises(InputError, match="calls other activations, or of other shapes"):
            ask(x)
