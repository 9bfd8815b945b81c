"""Controls that ROAR needs: maps blurred, so that neighbours go together (`bench roar --method`).

Removing a whole patch hides more from a network that learns anew than removing as many pixels here and there.
A coarse map has that for nothing. What a method's map knows is how far it lies below a blurred map of noise.
Each function is a method as `--method perf/roar_controls.py:NAME` takes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from pruneattr_core.attribution import explain

#: Standard deviation in pixels, of pictures of 32 x 32, and the side of its kernel.
SIGMA, SIDE = 2.0, 13


def blurred_random(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Noise, blurred; (B, 1, H, W)."""
    return _blurred(model, inputs, target, "random")


def blurred_gradient(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """The gradient's magnitudes, blurred; (B, 1, H, W)."""
    return _blurred(model, inputs, target, "saliency")


def blurred_prunegrad(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """PruneGrad's magnitudes at its default dial, blurred; (B, 1, H, W)."""
    return _blurred(model, inputs, target, "prunegrad")


def _blurred(model: nn.Module, inputs: Tensor, target: Tensor, method: str) -> Tensor:
    values = explain(model, inputs, target, method).values
    magnitudes: Tensor = gaussian_blur(values.abs().amax(1, keepdim=True), [SIDE, SIDE], [SIGMA, SIGMA])
    return magnitudes.to(torch.float32)
