"""The maps a reviewer compares: one network, some pictures, one class each, at all levels of the slider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.benchmarks.localisation import mass_inside, point_accuracy
from pruneattr_core.brief import brief
from pruneattr_core.compression.measures import METHODS_OF_REVIEW, map_of
from pruneattr_core.heads import head_of, outputs_in, yes
from pruneattr_core.likeness import cosine, l2_distance
from pruneattr_core.same import same

#: Sparsities of the slider that moves all columns; the same for every network.
LEVELS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99)
#: The level that single maps and triage use.
START_LEVEL = LEVELS.index(0.9)
#: The method with a sparsity.
PRUNING = "prunegrad"

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Seen:
    """What one network makes of one picture.

    Attributes:
        maps: float32 (K, H, W); one a level for `PRUNING`, else K is 1.
        predicted: bool (classes,).
        logit: of the class explained.
    """

    maps: Array
    predicted: NDArray[np.bool_]
    logit: float

    __repr__ = brief
    __eq__ = same

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.maps.nbytes + self.predicted.nbytes)


def levels_of(method: str) -> tuple[float, ...]:
    """Sparsities at which a method's maps are drawn; (0,) for one without a sparsity."""
    return LEVELS if method == PRUNING else (0.0,)


def answers(model: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (B, classes), without a graph."""
    with torch.inference_mode():
        return outputs_in(model(inputs), len(inputs)).float().cpu()


def look(
    model: nn.Module,
    inputs: Tensor,
    targets: Sequence[int],
    method: str,
    multi_label: bool,
    levels: Sequence[float] = LEVELS,
) -> list[Seen]:
    """Maps and answers of a batch (B, C, H, W), one class each.

    Args:
        model: in eval mode, on the device of `inputs`.
        inputs: normalised.
        targets: B classes.
        method: key of `attribution.METHODS`.
        multi_label: whether pictures may show several classes. How a network's outputs are read is what is
            declared or seen of it; this tells the two ways of reading plain logits apart.
        levels: sparsities, for `PRUNING` alone.

    Raises:
        PruneAttrError: the method does not fit the network, or a target does not exist.
    """
    logits = answers(model, inputs)
    head = head_of(model, logits)
    answered = yes(logits, "sigmoid" if head == "softmax" and multi_label else head)
    wanted = torch.tensor(list(targets))
    if method == PRUNING:
        found = PruneGrad(model).sweep(inputs, wanted, levels).maps
        maps = torch.stack([collapse(level, METHODS_OF_REVIEW[PRUNING]) for level in found], 1)
    else:
        maps = map_of(model, inputs, wanted, method)[:, None]
    arrays = maps.detach().float().cpu().contiguous().numpy()
    return [
        Seen(arrays[k].copy(), answered[k].numpy(), float(logits[k, target]))
        for k, target in enumerate(targets)
    ]


def choose_target(logits: Tensor, labels: Sequence[int], wanted: int | None = None) -> int:
    """The class that a row explains.

    Args:
        logits: (classes,) of the teacher.
        labels: of the picture.
        wanted: a class chosen by the reader, taken where the picture shows it.

    Returns:
        `wanted` if it is a label; else the label with the teacher's largest logit; without labels the class
        with the largest logit.
    """
    if wanted is not None and wanted in labels:
        return wanted
    if labels:
        return max(labels, key=lambda label: float(logits[label]))
    return int(logits.argmax())


@dataclass(frozen=True)
class Numbers:
    """The numbers of one cell, per level; None where they do not exist.

    Attributes:
        cosine: with the teacher's map at the same level, in [-1, 1].
        l2: distance of the two maps of norm 1, in [0, 2].
        point: whether the maximum lies in the mask.
        mass: share of the positive mass inside it.
        peak: (x, y) of the maximum, the first of several.
        flat: whether the map is constant, so that its maximum means nothing.
    """

    cosine: tuple[float | None, ...] | None
    l2: tuple[float | None, ...] | None
    point: tuple[float, ...] | None
    mass: tuple[float | None, ...] | None
    peak: tuple[tuple[int, int], ...]
    flat: tuple[bool, ...]


def numbers_of(maps: Array, teacher: Array | None, mask: NDArray[np.bool_] | None) -> Numbers:
    """All numbers of one cell.

    Args:
        maps: (K, H, W).
        teacher: the teacher's (K, H, W); None in the teacher's own column.
        mask: (H, W) of the class explained, if known; an empty or full one counts as unknown.
    """
    clean = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
    peaks = [np.unravel_index(int(one.argmax()), one.shape) for one in clean]
    pairs = (
        None
        if teacher is None
        else [
            (cosine(other, one), l2_distance(other, one)) for one, other in zip(clean, teacher, strict=True)
        ]
    )
    known = mask is not None and bool(mask.any()) and not mask.all()
    return Numbers(
        cosine=None if pairs is None else tuple(_number(pair[0]) for pair in pairs),
        l2=None if pairs is None else tuple(_number(pair[1]) for pair in pairs),
        point=tuple(point_accuracy(one, mask) for one in clean) if known and mask is not None else None,
        mass=tuple(_number(mass_inside(one, mask)) for one in clean) if known and mask is not None else None,
        peak=tuple((int(x), int(y)) for y, x in peaks),
        flat=tuple(bool(one.max() == one.min()) for one in clean),
    )


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None
