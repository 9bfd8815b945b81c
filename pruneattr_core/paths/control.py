"""Random paths: what any method must differ from."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.checks import check_inputs
from pruneattr_core.critical_path import Path
from pruneattr_core.runtime import own_modes
from pruneattr_core.selection import masks_at


@own_modes()
def random_paths(
    model: nn.Module,
    inputs: Tensor,
    sparsities: Sequence[float],
    seed: int = 0,
    class_scores: bool = False,
) -> list[Path]:
    """Keep round((1 - sparsity) * N) neurons drawn uniformly from all N, independently per image.

    The generator is seeded with `seed` and the image's bytes, so images differ while a batch equals its
    single images. Paths of one seed nest in sparsity; two of different seeds that keep a fraction p overlap
    by about p / (2 - p).

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        sparsities: fractions to remove, in [0, 1].
        seed: of the generator.
        class_scores: whether class scores count as neurons, see `contributions`.

    Raises:
        InputError: a sparsity out of range or inputs the model cannot take.
    """
    inputs = check_inputs(model, inputs)
    with torch.no_grad():
        record = tape.run(model, inputs.clone(), class_scores=class_scores)
    drawn = []
    for image in inputs:
        generator = np.random.default_rng([seed, zlib.crc32(image.cpu().contiguous().numpy().tobytes())])
        drawn.append([generator.random(tuple(a.shape[1:]), np.float32) for a in record.activations])
    scores = [torch.from_numpy(np.stack(layer)).to(inputs.device) for layer in zip(*drawn, strict=True)]
    return [
        Path(record.names, masks, {"method": "random", "sparsity": float(sparsity), "seed": seed})
        for sparsity, masks in zip(sparsities, masks_at(scores, sparsities, "exact"), strict=True)
    ]
