"""What stands where a pixel was removed.

Three fills: the channel means (0 in normalised input), a blurred copy of the picture, and the noisy
linear imputation of Rong et al. 2022 (ROAD), after which the shape of what was removed is hard to read off.
SciPy is imported by the two that need it: pages that open with the first would wait half a second for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of

FILLS = {"mean": "Channel mean", "blur": "Blurred picture", "noisy_linear": "Noisy linear (ROAD)"}

#: Standard deviation of the blur as a share of the shorter side (10 pixels at 224).
BLUR = 10 / 224
#: Standard deviation of the noise added to imputed pixels, in normalised units (released code of ROAD).
NOISE = 0.01
#: Weights of the eight neighbours (ROAD section 4): direct ones count twice.
_NEIGHBOURS = [
    (dy, dx, 1 / 6 if 0 in (dy, dx) else 1 / 12) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
]


def fill_removed(image: Tensor, removed: Tensor, fill: str = "mean", seed: int = 0) -> Tensor:
    """Copies of one picture with pixels removed.

    Args:
        image: (C, H, W), normalised.
        removed: bool (K, H, W), True where a pixel goes, in all channels.
        fill: key of `FILLS`.
        seed: of the noise of "noisy_linear"; every copy draws from its own stream.

    Returns:
        (K, C, H, W) on the device of `image`. "noisy_linear" with every pixel removed gives the mean.

    Raises:
        InputError: shapes that do not match, or an unknown fill.
    """
    if (
        image.ndim != 3
        or removed.ndim != 3
        or removed.shape[1:] != image.shape[1:]
        or removed.dtype != torch.bool
    ):
        given = f"{tuple(image.shape)} and {removed.dtype} {tuple(removed.shape)}"
        raise InputError(f"Expected an image (C, H, W) and bool masks (K, H, W), got {given}.")
    if not is_one_of(fill, FILLS):
        raise InputError(f"Expected a fill out of {', '.join(FILLS)}, got {fill!r}.")
    gone = removed.to(image.device).unsqueeze(1)
    if fill == "mean":
        return torch.where(gone, torch.zeros_like(image), image)
    if fill == "noisy_linear" and image.device.type == "cuda":
        noise = [np.random.default_rng([seed, k]) for k in range(len(removed))]
        return _filled_there(image, gone[:, 0], noise)
    pixels = image.detach().cpu().double().numpy()
    if fill == "blur":
        with one_at_a_time:
            from scipy.ndimage import gaussian_filter

        sigma = BLUR * min(image.shape[1:])
        other = torch.from_numpy(gaussian_filter(pixels, (0, sigma, sigma)))[None]
    else:
        masks = removed.cpu().numpy()
        copies = [imputed(pixels, mask, np.random.default_rng([seed, k])) for k, mask in enumerate(masks)]
        other = torch.from_numpy(np.stack(copies))
    return torch.where(gone, other.to(image), image)


def imputed(
    pixels: NDArray[np.float64], removed: NDArray[np.bool_], random: np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Noisy linear imputation (ROAD): each removed pixel is the weighted mean of its neighbours.

    Direct neighbours weigh 1/6, diagonal ones 1/12, renormalised at the border; neighbours that are
    removed as well are unknowns of the same sparse linear system.

    Args:
        pixels: (C, H, W).
        removed: (H, W).
        random: source of the noise, standard deviation `NOISE`; None adds none.

    Returns:
        (C, H, W); zeros where every pixel is removed, since nothing is left to go by.
    """
    with one_at_a_time:
        from scipy.sparse import coo_matrix
        from scipy.sparse.linalg import spsolve

    if removed.all():
        return np.zeros_like(pixels)
    height, width = removed.shape
    rows, columns = np.nonzero(removed)
    count = len(rows)
    number = np.full(removed.shape, -1)
    number[rows, columns] = np.arange(count)
    known, weight_sum = np.zeros((count, len(pixels))), np.zeros(count)
    entries: list[tuple[NDArray[np.int64], NDArray[np.int64], float]] = []
    for dy, dx, weight in _NEIGHBOURS:
        y, x = rows + dy, columns + dx
        here = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        y, x = y[here], x[here]
        weight_sum[here] += weight
        there = number[y, x]
        known[here[there < 0]] += weight * pixels[:, y[there < 0], x[there < 0]].T
        entries.append((here[there >= 0], there[there >= 0], -weight))
    equation = np.concatenate([np.arange(count), *[e[0] for e in entries]])
    unknown = np.concatenate([np.arange(count), *[e[1] for e in entries]])
    weights = np.concatenate([weight_sum, *[np.full(len(e[0]), e[2]) for e in entries]])
    system = coo_matrix((weights, (equation, unknown)), (count, count)).tocsc()
    solution = np.asarray(spsolve(system, known)).reshape(count, len(pixels))
    if random is not None:
        solution = solution + NOISE * random.standard_normal(solution.shape)
    filled = pixels.copy()
    filled[:, rows, columns] = solution.T
    return filled


def imputed_together(pictures: Tensor, removed: Tensor, tolerance: float = 1e-9, most: int = 3000) -> Tensor:
    """`imputed` without noise for many pictures at once, where they are: by conjugate gradients.

    The system is symmetric and positive definite. A picture that is removed wholly becomes zeros.

    Args:
        pictures: (N, C, H, W).
        removed: bool (N, H, W).
        tolerance: the residual, as a share of the largest right-hand side, at which it stops.
        most: iterations at which it stops in any case.

    Returns:
        (N, C, H, W) of the pictures' type.
    """
    channels = pictures.shape[1]
    kernel = torch.zeros(3, 3, dtype=pictures.dtype, device=pictures.device)
    for dy, dx, weight in _NEIGHBOURS:
        kernel[dy + 1, dx + 1] = weight
    weights = kernel.expand(channels, 1, 3, 3).contiguous()

    def near(x: Tensor) -> Tensor:
        return F.conv2d(x, weights, padding=1, groups=channels)

    hole = removed[:, None].to(pictures.dtype)
    known, total = pictures * (1 - hole), near(torch.ones_like(pictures[:1]))
    rest = hole * near(known)
    solution, direction = torch.zeros_like(pictures), rest.clone()
    size, tiny = rest.square().sum((2, 3), keepdim=True), torch.finfo(pictures.dtype).tiny
    enough = tolerance**2 * float(size.max())
    for step in range(most):
        if step % 20 == 0 and float(size.max()) <= enough:
            break
        product = hole * (total * direction - near(direction))
        length = size / (direction * product).sum((2, 3), keepdim=True).clamp(min=tiny)
        solution, rest = solution + length * direction, rest - length * product
        fresh = rest.square().sum((2, 3), keepdim=True)
        direction, size = rest + fresh / size.clamp(min=tiny) * direction, fresh
    return known + solution


def _filled_there(image: Tensor, removed: Tensor, noise: Sequence[np.random.Generator]) -> Tensor:
    """Noisy linear imputation of copies of one picture (C, H, W) on its device, with `imputed`'s noise."""
    copies = image.detach().double().expand(len(removed), *image.shape)
    filled = imputed_together(copies, removed, tolerance=1e-6)  # far below the noise
    for k, (mask, random) in enumerate(zip(removed, noise, strict=True)):
        count = int(mask.sum())
        if 0 < count < mask.numel():
            drawn = torch.from_numpy(random.standard_normal((count, len(image)))).to(filled.device)
            filled[k][:, mask] += NOISE * drawn.T
    return torch.where(removed[:, None], filled.to(image), image)
