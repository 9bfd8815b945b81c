"""Localisation: maps against masks (AP section 4), and the grid pointing game where there are none.

The text and AP's released code agree: ROC-AUC and point accuracy over (picture, class) pairs that the network
predicts. Here the class is the predicted one, and a picture counts where that is among its labels.

An empty mask is left out of ROC-AUC and point accuracy, but has 0 of the mass in the shipped runs, and a full
one all of it; the choice "masks" leaves both out there, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pruneattr_core.benchmarks import localisation
from pruneattr_core.benchmarks.control import MEASURES, control_of, has_control
from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import (
    PREDICTED,
    Benchmark,
    Cell,
    Choices,
    chosen_pictures,
    pictures,
    told,
    without,
)
from pruneattr_core.benchmarks.sources import Opened, chosen_order

#: Rows and columns of the grid pointing game.
GRID = 2
MASKED = ("roc_auc", "point_accuracy", "mass_inside")


_MEASURED = {
    "roc_auc": localisation.roc_auc,
    "point_accuracy": localisation.point_accuracy,
    "mass_inside": localisation.counted_mass,
}


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    height, width = opened.card.size
    more = MEASURES if protocol.get("control") == "wrong_class" else ()
    if protocol.get("game") == "none":
        return (*MASKED, *more), ("all",)
    try:
        with torch.no_grad():
            opened.model(torch.zeros(1, 3, GRID * height, GRID * width, device=opened.device))
        grid: tuple[str, ...] = ("grid_share",)
    except (RuntimeError, AssertionError, ValueError):  # networks of one input size cannot see a grid
        grid = ()
    return (*MASKED, *grid, *more), ("all",)


def _unvalued(
    opened: Opened, indices: Sequence[int], methods: Sequence[Mapping[str, Any]], measures: Sequence[str]
) -> dict[str, str]:
    answers = opened.predictions(tuple(indices))
    known = [opened.labels(i) for i in indices]
    right = [i for i, answer, one in zip(indices, answers, known, strict=True) if not one or answer in one]
    if not right:
        return dict.fromkeys(
            measures, f"{opened.card.title} names none of these pictures rightly, and only such count"
        )
    why: dict[str, str] = {}
    if not any(mask is not None and 0 < mask.mean() < 1 for mask in map(opened.mask, right)):
        why |= dict.fromkeys(MASKED, "none of the pictures that count has a mask")
    if "grid_share" in measures and len(set(answers)) < GRID * GRID:
        why["grid_share"] = (
            f"the grid pointing game takes pictures of {GRID * GRID} classes, and these are called "
            f"{len(set(answers))}"
        )
    if MEASURES[0] in measures and not any(map(has_control, methods)):
        why |= dict.fromkeys(MEASURES, "none of the methods has a sparsity")
    return why


def _subjects(opened: Opened, protocol: Choices, n: int, seed: int) -> dict[str, Any]:
    """Pictures as everywhere; "one" takes at most one of the pictures whose names begin alike."""
    if protocol.get("frames", "all") == "all":
        return chosen_pictures(opened, protocol, n, seed)
    order = chosen_order(opened.data, seed)
    first: dict[str, int] = {}
    for index in order:
        first.setdefault(opened.data[index].name.rpartition("_")[0], index)
    indices = sorted(list(first.values())[:n])
    return told(opened, indices)


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    indices = plan.data["indices"][part]
    inputs, target = pictures(opened, plan, part)
    values = np.full((len(plan.measures), 1, len(inputs)), np.nan)
    known = [opened.labels(i) for i in indices]
    right = [not labels or int(target[k]) in labels for k, labels in enumerate(known)]
    how, chosen = plan.protocol["collapse"], plan.methods[method]
    with_mask = [name for name in plan.measures if name in MASKED]
    if with_mask:
        usable = {"mass_inside": localisation.mass_inside} if plan.protocol.get("masks") == "usable" else {}
        measured = {**_MEASURED, **usable}
        maps = maps_of(opened.model, inputs, target, chosen, how).cpu()
        for k, index in enumerate(indices):
            mask = opened.mask(index)
            for place, measure in enumerate(with_mask):
                if right[k] and mask is not None and bool(torch.isfinite(maps[k]).all()):
                    values[place, 0, k] = measured[measure](maps[k], mask)
    if "grid_share" in plan.measures:
        for k in range(len(indices)):
            if right[k]:
                values[plan.measures.index("grid_share"), 0, k] = _grid_share(
                    opened, plan, chosen, part.start + k
                )
    if MEASURES[0] in plan.measures:
        values[-len(MEASURES) :, 0] = np.where(
            right, control_of(opened.model, inputs, target, chosen), np.nan
        )
    return values


def _grid_share(opened: Opened, plan: Plan, method: Mapping[str, Any], number: int) -> float:
    """The picture among the next ones of other predicted classes; its cell turns with its number."""
    classes = opened.predictions(tuple(plan.data["indices"]))
    partners, seen = [number], {classes[number]}
    for step in range(1, plan.n):
        other = (number + step) % plan.n
        if classes[other] not in seen and len(partners) < GRID * GRID:
            partners.append(other)
            seen.add(classes[other])
    if len(partners) < GRID * GRID:
        return localisation.UNDEFINED
    cell = number % (GRID * GRID)
    order = partners[1 : cell + 1] + partners[:1] + partners[cell + 1 :]
    images = opened.inputs([plan.data["indices"][i] for i in order])
    picture = localisation.compose_grid(images, GRID)[None]
    target = torch.tensor([classes[number]], device=images.device)
    values = maps_of(opened.model, picture, target, method, plan.protocol["collapse"])[0].cpu()
    if not bool(torch.isfinite(values).all()):
        return localisation.UNDEFINED
    return localisation.grid_share(values, GRID, GRID, cell)


LOCALISATION = Benchmark(
    title="Localisation",
    source="AP section 4; grid pointing game: Böhle et al. 2021",
    x_title="",
    better="higher",
    choices={"collapse": "abs_sum", "frames": "all", "game": "grid", "control": "none", "masks": "all"},
    allowed={
        "collapse": ("signed_max", "abs_sum", "sum"),
        "frames": ("all", "one"),
        "game": ("grid", "none"),
        "control": ("none", "wrong_class"),
        "masks": ("all", "usable"),
    },
    fixed={
        "target": PREDICTED,
        "counted": "pictures whose predicted class is among their labels; all where labels are unknown",
        "mask": "resized and cropped as the picture, kept above one half; empty and full ones left out",
        "grid": "2x2: the picture and the next three of other predicted classes; cell: number modulo 4",
    },
    layout=_layout,
    unvalued=_unvalued,
    cell=_cell,
    subjects=_subjects,
    settle=lambda choices, seed: without(choices, frames="all", game="grid", control="none", masks="all"),
)
