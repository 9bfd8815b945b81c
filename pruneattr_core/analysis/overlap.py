"""Do paths agree? Jaccard |A and B| / |A or B| between methods, images, classes, sparsities, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.likeness import jaccard
from pruneattr_core.one_of import is_one_of

#: Ones that float32 counts exactly.
_EXACT = 1 << 23


def overlap_matrix(paths: Mapping[str, Path]) -> Tensor:
    """Network-wide Jaccard of every pair (SCP fig. 2): (M, M, B) float64, symmetric, ones on the diagonal.

    Args:
        paths: name -> path of the same inputs: of M methods, or of M models of one architecture.

    Raises:
        InputError: no paths, or paths over different networks or batches.
    """
    if not paths:
        raise InputError("Expected at least one path to compare.")
    listed = list(paths.values())
    matrix = torch.ones(len(listed), len(listed), len(listed[0]), dtype=torch.float64)
    for i, one in enumerate(listed):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = one.jaccard(listed[j]).cpu()
    return matrix


def layer_overlap(paths: Mapping[str, Path], reference: str) -> dict[str, Tensor]:
    """Jaccard per layer of every other path with the one called `reference` (SCP fig. 8 to 10).

    Returns:
        Name -> (calls, B) float64.

    Raises:
        InputError: no path of that name.
    """
    if not is_one_of(reference, paths):
        raise InputError(f"Expected reference in {sorted(paths)}, got {reference!r}.")
    others = {name: path for name, path in paths.items() if name != reference}
    return {name: path.jaccard(paths[reference], per_layer=True).cpu() for name, path in others.items()}


def chance_overlap(kept: float, other: float | None = None) -> float:
    """Expected Jaccard of independent random paths that keep fractions p and q: p q / (p + q - p q).

    For q = p that is p / (2 - p); of the ratio of expectations, exact in the limit of many neurons.
    """
    other = kept if other is None else other
    union = kept + other - kept * other
    return kept * other / union if union else 1.0


def image_overlap(path: Path) -> Tensor:
    """Jaccard between the paths of all images of a batch: (B, B) float64."""
    batch = len(path)
    both = torch.zeros(batch, batch, dtype=torch.float64)
    for layer in path.layers:
        for part in layer.flatten(1).split(_EXACT, 1):
            ones = part.float()
            both += (ones @ ones.T).double().cpu()
    own = both.diagonal()
    return jaccard(both, own[:, None] + own - both)


def class_overlap(path: Path, labels: Sequence[int]) -> tuple[Interval, Interval]:
    """Mean Jaccard between images of one class and between images of different classes.

    Intervals are over images (each contributes its mean over partners), since pairs are not independent.

    Args:
        path: of B images.
        labels: B classes.

    Returns:
        Within, between.

    Raises:
        InputError: another number of labels, or no pair of one of the two kinds.
    """
    if len(labels) != len(path):
        raise InputError(f"Expected {len(path)} labels, one per image, got {len(labels)}.")
    within, between = between_classes(image_overlap(path), labels)
    if within is None or between is None:
        raise InputError("Expected images of at least two classes, and two images of one of them.")
    return within, between


def between_classes(matrix: Tensor, labels: Sequence[int]) -> tuple[Interval | None, Interval | None]:
    """`class_overlap` from the overlaps of all pairs, (B, B); None for a kind without a pair."""
    of = torch.as_tensor(list(labels))
    same = of.unsqueeze(0) == of.unsqueeze(1)
    within = same & ~torch.eye(len(of), dtype=torch.bool)
    means = [_row_means(matrix, pairs) for pairs in (within, ~same)]
    own, other = (mean_interval(found) if found else None for found in means)
    return own, other


def _row_means(matrix: Tensor, pairs: Tensor) -> list[float]:
    count = pairs.sum(1)
    means = (matrix * pairs).sum(1) / count.clamp(min=1)
    return [float(value) for value in means[count > 0]]


def nesting(paths: Sequence[Path]) -> Tensor:
    """How far sparser paths lie inside denser ones.

    Args:
        paths: K paths of one method and the same B inputs, in order of rising sparsity.

    Returns:
        (K - 1, B) float64: the share of path k + 1 that belongs to path k; 1 where they nest.
    """
    shares = []
    for dense, sparse in pairwise(paths):
        kept = sparse.kept.sum(0)
        shared = (dense & sparse).kept.sum(0)
        shares.append(torch.where(kept == 0, 1.0, shared.double() / kept.clamp(min=1)).cpu())
    return (
        torch.stack(shares) if shares else torch.empty(0, len(paths[0]) if paths else 0, dtype=torch.float64)
    )
