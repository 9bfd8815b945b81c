"""Slow, direct twins of the fast code; they import nothing from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CALLS = [
    (F, "relu"),
    (F, "relu6"),
    (F, "hardtanh"),
    (F, "gelu"),
    (F, "silu"),
    (torch, "relu_"),
    (Tensor, "relu"),
]


@contextmanager
def patched(change: Callable[[int, Tensor], Tensor]):
    """Replace every activation function globally; good enough for one thread in a test."""
    count = 0
    originals = [(home, name, getattr(home, name)) for home, name in _CALLS]

    def wrap(original):
        def activation(x, *args, **kwargs):
            nonlocal count
            own = original.__name__ in ("relu", "relu_")
            result = change(count, F_relu(x) if own else original(x.clone(), *args, **kwargs))
            count += 1
            return result

        return activation

    F_relu = torch.relu
    try:
        for home, name, original in originals:
            setattr(home, name, wrap(original))
        yield
    finally:
        for home, name, original in originals:
            setattr(home, name, original)


def taylor(net: nn.Module, x: Tensor, target: int) -> list[np.ndarray]:
    """|a * df/da| of one input, by adding a zero leaf to every activation."""
    kept: list[tuple[Tensor, Tensor]] = []

    def add_leaf(_: int, a: Tensor) -> Tensor:
        leaf = torch.zeros_like(a, requires_grad=True)
        kept.append((a.detach().clone(), leaf))
        return a + leaf

    with patched(add_leaf):
        net(x)[0, target].backward()
    net.zero_grad()
    return [(a * leaf.grad).abs()[0].numpy() for a, leaf in kept]


def masks(scores: list[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Removed iff score <= numpy's percentile; nothing at sparsity 0."""
    flat = np.concatenate([s.ravel() for s in scores])
    threshold = np.percentile(flat, 100 * sparsity) if sparsity else -1.0
    return [s > threshold for s in scores]


def prunegrad(net: nn.Module, x: Tensor, target: int, kept: list[np.ndarray], mode: str) -> np.ndarray:
    """Input gradient of the pruned network for one input."""

    def prune(i: int, a: Tensor) -> Tensor:
        mask = torch.from_numpy(kept[i])[None]
        if mode == "zero":
            return torch.where(mask, a, torch.zeros_like(a))
        return torch.where(mask, a, a.detach())

    leaf = x.clone().requires_grad_()
    with patched(prune):
        logit = net(leaf)[0, target]
    if not logit.requires_grad:
        return np.zeros_like(x[0].numpy())
    (gradient,) = torch.autograd.grad(logit, leaf, allow_unused=True)
    return np.zeros_like(x[0].numpy()) if gradient is None else gradient[0].numpy()
