"""A network of two convolutions with a bend of any kind between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bent(nn.Module):
    """Seed 0, in eval mode; (B, 3, H, W) -> (B, 6).

    Args:
        act: (this network, what the first convolution gave) -> what the second is given.
    """

    def __init__(self, act: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.linear, self.act = nn.Linear(4, 6), act
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.relu(self.two(self.act(self, self.one(x)))).mean((2, 3)))
