"""Modules that stand for one call of a network where PyTorch has none that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Generic(nn.Module):
    """A module that carries out one function with the arguments of one call."""

    def __init__(
        self, function: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._call = (function, tuple(args), dict(kwargs))

    def forward(self, *tensors: Tensor) -> Tensor:
        """The function of these tensors and the other arguments of the call."""
        function, args, kwargs = self._call
        return function(*tensors, *args[len(tensors) :], **kwargs)


class ClippedReLU(nn.ReLU):
    """min(max(x, 0), ceiling): ReLU6 and hard tanh from 0, to hooks a ReLU like any other."""

    def __init__(self, ceiling: float) -> None:
        super().__init__()
        self.ceiling = ceiling

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return F.hardtanh(x, 0.0, self.ceiling)
