"""What any map has to beat: chance, and the picture without the network."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of


def generator_for(image: Tensor, seed: int) -> torch.Generator:
    """A CPU generator that depends on the picture's values and the seed, not on its place in a batch."""
    content = image.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    digest = hashlib.sha256(content + str(seed).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def random_map(model: nn.Module, inputs: Tensor, target: Tensor, seed: int = 0) -> Tensor:
    """Independent N(0, 1) values of the shape of the inputs, fixed by picture and seed."""
    maps = [torch.randn(x.shape, generator=generator_for(x, seed), dtype=torch.float64) for x in inputs]
    return torch.stack(maps).to(inputs)


def edge_detector(
    model: nn.Module, inputs: Tensor, target: Tensor, detector: str = "sobel", sigma: float = 1.0
) -> Tensor:
    """Edges of the picture's channel mean by scikit-image: (B, 1, H, W), >= 0; the network is not asked.

    Args:
        model: not used.
        inputs: (B, C, H, W).
        target: not used.
        detector: "sobel" gives the gradient magnitude, "canny" 0 or 1.
        sigma: width of Canny's Gaussian in pixels, > 0.

    Raises:
        InputError: an unknown detector.
    """
    with one_at_a_time:
        from skimage import feature, filters

    if not is_one_of(detector, ("sobel", "canny")):
        raise InputError(f'Expected detector "sobel" or "canny", got {detector!r}.')
    maps = []
    for image in inputs.detach().double().mean(1).cpu().numpy():
        edges = filters.sobel(image) if detector == "sobel" else feature.canny(image, sigma=sigma)
        maps.append(torch.from_numpy(np.asarray(edges, dtype=np.float64)))
    return torch.stack(maps).unsqueeze(1).to(inputs)
