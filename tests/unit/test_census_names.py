"""What bends values is counted as an activation, or the census names it, however it is spelled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bending import Bent
from pruneattr_core import PruneGrad, census

#: Spelling -> what the census names; None where it is counted, "" where it is neither.
SPELLED: dict[str, tuple[Callable[[Tensor], Tensor], str | None]] = {
    "clamp by a tensor": (lambda a: a.clamp(min=torch.tensor(0.0)), None),
    "clamp by zeros": (lambda a: torch.clamp(a, torch.zeros(4, 1, 1)), None),
    "clamp_min by a tensor": (lambda a: torch.clamp_min(a, torch.tensor(0.0)), None),
    "clamp into nothing": (lambda a: torch.clamp(a, min=0, out=None), None),
    "where": (lambda a: torch.where(a > 0, a, 0), None),
    "product": (lambda a: a * (a > 0), None),
    "two tensors": (lambda a: a.clamp(torch.tensor(0.0), torch.tensor(1.0)), "clamp"),
    "broadcast up": (lambda a: a.clamp(min=torch.zeros(2, *a.shape))[0], "clamp"),
    "maximum": (lambda a: torch.maximum(a, 0.1 * a), "maximum"),
    "minimum": (lambda a: -torch.minimum(-a, torch.zeros(())), "minimum"),
    "maxout": (lambda a: torch.maximum(a[:, :2], a[:, 2:]).repeat(1, 2, 1, 1), "maximum"),
    "threshold": (lambda a: F.threshold(a, 0.1, 0.0), "threshold"),
    "softshrink": (F.softshrink, "softshrink"),
    "hardshrink": (F.hardshrink, "hardshrink"),
    "tanhshrink": (F.tanhshrink, "difference from its own tanh"),
    "with its tanh": (lambda a: a + torch.tanh(a), "sum with its own tanh"),
    "hard tanh": (lambda a: a.clamp(-1, 1), "clamp"),
    "from above": (lambda a: -(-a).clamp(max=0), "clamp"),
    "half of both": (lambda a: (a + a.abs()) / 2, "abs"),
    "log sigmoid": (F.logsigmoid, "log_sigmoid"),
    "sine": (torch.sin, "sin"),
    "float mask": (lambda a: a * (a > 0).float(), "choice by its own sign"),
    "norm": (lambda a: F.normalize(a, dim=1), ""),
    "safety": (lambda a: a.clamp(-65504.0, 65504.0), ""),
    "division": (lambda a: a / a.abs().mean(1, keepdim=True).detach().clamp(min=1e-6), "abs"),
    "sum of two": (lambda a: a + torch.tanh(a.mean((2, 3), keepdim=True)), ""),
}


@pytest.mark.parametrize("name", SPELLED)
def test_it_is_counted_or_named(name: str) -> None:
    act, said = SPELLED[name]
    net, x = Bent(lambda _, a: act(a)), torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    found = census(net, x)
    assert [one.what for one in found.unseen] == ([said] if said else [])
    assert len(found.calls) == 1 + (said is None)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    for mode in ("zero", "freeze"):
        assert torch.allclose(PruneGrad(net).attribute(x, 1, sparsity=0.0, mode=mode), expected, atol=1e-6)
        assert PruneGrad(net).attribute(x, 1, sparsity=0.7, mode=mode).isfinite().all()
