"""A rectifier that is computed and gated in one is, to the last bit, the two one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import pruning, tape
from pruneattr_core.activations import activation_of
from pruneattr_core.errors import InputError
from pruneattr_core.pruning import zero_gate

ACTS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "relu6": F.relu6,
    "relu6 as hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "hardtanh": F.hardtanh,
    "hardtanh from -6 to 0": lambda x: F.hardtanh(x, -6.0, 0.0),
    "clamp": lambda x: x.clamp(0, 6),
    "leaky": F.leaky_relu,
    "gelu": F.gelu,
}
ONCE = ("relu", "relu in place", "torch.relu", "relu6", "relu6 as hardtanh")


class Net(nn.Module):
    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(4 * self.first(x)).mean((2, 3)))


def network(act: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return Net(act).eval().to(dtype)


def apart(masks: list[Tensor]) -> tape.Gate:
    """The gate as it is where an activation is computed before."""
    gate = zero_gate(masks)
    return lambda index, activation: gate(index, activation)


def passed(net: nn.Module, x: Tensor, gate: tape.Gate) -> tuple[Tensor, ...]:
    leaf = x.clone().requires_grad_()
    record = tape.run(net, leaf.clone(), gate)
    objective = record.logits.square().sum()
    (gradient,) = torch.autograd.grad(objective, leaf, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), leaf)
    return record.logits.detach(), record.activations[0].detach(), gradient.detach(), second


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_both_ways_give_the_same_bits(act: str, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[Tensor] = []
    apply = pruning._GatedRectifier.apply
    monkeypatch.setattr(
        pruning._GatedRectifier, "apply", lambda *given: joined.append(given[0]) or apply(*given)
    )
    net = network(ACTS[act])
    x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=order)
    masks = [torch.rand(2, 8, 9, 9, generator=torch.Generator().manual_seed(2)) > 0.4]
    if order is torch.channels_last:
        masks = [mask.contiguous(memory_format=order) for mask in masks]
    expected = passed(net, x, apart(masks))
    assert not joined
    found = passed(net, x, zero_gate(masks))
    assert len(joined) == (act in ONCE)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("act", [F.relu, F.relu6])
def test_the_way_back_is_the_rectifiers_at_its_bounds_and_for_what_is_no_number(
    act: Callable[[Tensor], Tensor],
) -> None:
    values = [-1.0, -0.0, 0.0, 1e-30, 3.0, 6.0, 7.0, torch.inf, -torch.inf, torch.nan]
    before = torch.tensor([values, values]).requires_grad_()
    mask = torch.tensor([[True] * 10, [False] * 7 + [True] * 3])  # times 0 neither inf nor NaN is 0
    gate = zero_gate([mask])
    assert isinstance(gate, tape.Joined)
    found = activation_of(act, (before,), {})
    assert found is not None
    compute = gate.joined(0, found)
    assert compute is not None
    results = []
    for gated in (compute(), apart([mask])(0, act(before))):
        slope = torch.full_like(gated, -2.0)
        slope[0, 4] = torch.nan  # of a neuron that stays
        (gradient,) = torch.autograd.grad(gated, before, slope)
        results.append((gated.detach(), gradient))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_a_mask_of_another_shape_is_refused() -> None:
    net = network(F.relu)
    with pytest.raises(InputError, match="The path does not fit: activation call 1"):
        tape.run(net, torch.randn(1, 3, 9, 9), zero_gate([torch.ones(1, 8, 5, 5, dtype=torch.bool)]))
    with pytest.raises(InputError, match="The path does not fit: activation call 1"):
        tape.run(net, torch.randn(1, 3, 9, 9), zero_gate([]))
