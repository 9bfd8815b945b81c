"""Class scores are read before their rectifier while neurons are ranked.

Where a network rectifies its class scores (SqueezeNet), the gradient of a class is 0 wherever its score is
negative. Neurons that speak against the class there, and for others, would contribute nothing, go first,
and leave nearly any class without rivals. A class score is what is read of the network and no neuron of it,
so its rectifier hides nothing: Taylor contributions are those to the score before it. Where no score is
negative that is the same number; answers of the network and input gradients are untouched.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pruneattr_core.activations import Activation


class _Missing(torch.autograd.Function):
    """Zeros that pass, while an opening is on, just the gradient that the rectifier beside them stops."""

    @staticmethod
    def forward(ctx: Any, before: Tensor, opening: Opening) -> Tensor:
        ctx.save_for_backward(before)
        ctx.opening = opening
        return torch.zeros_like(before)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (before,) = ctx.saved_tensors
        gradient = gradients[0]
        return (gradient * (before <= 0) if ctx.opening.on else torch.zeros_like(gradient)), None


class Opening:
    """Belongs to one graph; inside `with opening:` gradients pass the rectifiers of its class scores."""

    def __init__(self) -> None:
        """Closed."""
        self.on = False

    def __enter__(self) -> Opening:
        """Open."""
        self.on = True
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.on = False

    def around(self, found: Activation, activation: Tensor) -> Tensor:
        """`activation` itself, of a graph that can be opened where it is a ReLU."""
        if found.plain not in (F.relu, torch.relu) or not found.before.requires_grad:
            return activation
        passed: Tensor = _Missing.apply(found.before, self)
        return activation + passed
