"""Muon: an optimiser for convolutions, by the singular directions of their gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def orthogonalise(matrix: Tensor, steps: int = 4) -> Tensor:
    """U V^T of a matrix U S V^T, roughly: all singular values end in about [0.6, 1.2].

    Newton-Schulz iteration with the quintic of Jordan et al., *Muon*, 2024.

    Args:
        matrix: (n, m).
        steps: iterations.
    """
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for convolutions followed by BatchNorm (Jordan et al., 2024).

    Each filter bank is held at Frobenius norm sqrt(out channels): BatchNorm makes its scale meaningless.
    On the CIFAR-10 network two epochs of this equal four of plain SGD.

    Args:
        params: weights (out, in, kh, kw).
        lr: size of a step relative to the weights.
        momentum: of the Nesterov average.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients that are there."""
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["average"] = torch.zeros_like(p)
                average = state["average"].mul_(group["momentum"]).add_(p.grad)
                update = orthogonalise(p.grad.add(average, alpha=group["momentum"]).flatten(1))
                p.mul_(len(p) ** 0.5 / p.norm())
                tall = max(1.0, len(p) / p[0].numel()) ** 0.5
                p.add_(update.view(p.shape), alpha=-group["lr"] * tall)
