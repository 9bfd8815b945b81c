"""RectGrad: pass a gradient only where activation times gradient is large (Kim et al. 2019)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of

Criterion = Literal["signed", "absolute"]


def rectgrad(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    percentile: float = 0.98,
    criterion: Criterion = "signed",
) -> Tensor:
    """Input gradient that every ReLU passes only where a * g exceeds the percentile of its layer.

    g_i := g_i * 1(a_i * g_i > tau), tau the percentile of a * g over one input's activation call, as
    numpy's linear interpolation gives it. Exactly the authors' released code (PathwayGrad), which leaves
    out the paper's multiplication by the input.

    Args:
        model: network in eval mode whose activations are ReLU.
        inputs: checked batch (B, ...).
        target: (B,) int64.
        percentile: q, as a fraction in [0, 1].
        criterion: "signed" compares a * g, "absolute" a * |g|.

    Returns:
        Signed, of the shape of the inputs.
    """
    if not is_one_of(criterion, ("signed", "absolute")):
        raise InputError(f'Expected criterion "signed" or "absolute", got {criterion!r}.')

    def gate(index: int, activation: Tensor) -> Tensor:
        value = activation.detach()

        def rectify(gradient: Tensor) -> Tensor:
            score = value * (gradient.abs() if criterion == "absolute" else gradient)
            threshold = _percentile(score.flatten(1), percentile)
            return gradient * (score > threshold.view(-1, *[1] * (score.ndim - 1)))

        if activation.requires_grad:
            activation.register_hook(rectify)
        return activation

    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        logits = tape.run(model, leaf.clone(), gate, class_scores=True).logits
        (gradient,) = torch.autograd.grad(logits.gather(1, target.unsqueeze(1)).sum(), leaf)
    return gradient


def _percentile(rows: Tensor, q: float) -> Tensor:
    """(B,) percentile of (B, n) with linear interpolation; `torch.quantile` stops at 16 million values."""
    last = rows.shape[1] - 1
    below = int(q * last)
    low = rows.kthvalue(below + 1, dim=1).values
    high = rows.kthvalue(min(below + 1, last) + 1, dim=1).values
    return low + (high - low) * (q * last - below)
