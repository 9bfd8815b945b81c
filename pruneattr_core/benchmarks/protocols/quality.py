"""What reviewers ask of maps now: sparse, faithful to noise, stable, right about parts; see `quality`.

Parts need pictures that can be drawn again without one of their shapes: those of the shape scenes. There the
importance of every shape is known exactly, by asking the network about the scene without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pruneattr_core.benchmarks import localisation, quality
from pruneattr_core.benchmarks.maps import collapsed, values_of
from pruneattr_core.benchmarks.pixels import TIES
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices, pictures, without
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.datasets.shape_scenes import ShapeScenes

_ALWAYS = ("gini", "entropy", "infidelity", "max_sensitivity", "sensitivity_n")
_MASKS = ("mass_inside", "rank_accuracy")
_PARTS = ("parts_rank",)


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    parts = _PARTS if isinstance(opened.data, ShapeScenes) else ()
    return (*_ALWAYS, *_MASKS, *parts), ("all",)


def _unvalued(
    opened: Opened, indices: Sequence[int], methods: Sequence[Mapping[str, Any]], measures: Sequence[str]
) -> dict[str, str]:
    if any(mask is not None and 0 < mask.mean() < 1 for mask in map(opened.mask, indices)):
        return {}
    return dict.fromkeys(_MASKS, "none of the pictures has a mask")


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    chosen, how = plan.methods[method], plan.protocol["collapse"]
    model, cell = opened.model, np.full((len(plan.measures), 1, len(inputs)), np.nan)
    for k, index in enumerate(plan.data["indices"][part]):
        x, asked = inputs[k : k + 1], target[k : k + 1]
        values = values_of(model, x, asked, chosen)
        if not bool(torch.isfinite(values).all()):
            continue
        one = collapsed(values, how)[0].cpu()
        seed = 100_003 * plan.data["seed"] + part.start + k  # of the picture, wherever its cell begins

        def again(batch: torch.Tensor, asked: torch.Tensor = asked) -> torch.Tensor:
            return values_of(model, batch, asked.expand(len(batch)), chosen)

        found = {
            "gini": quality.gini(one),
            "entropy": quality.entropy(one),
            "infidelity": quality.infidelity(model, x, asked, values, seed),
            "max_sensitivity": quality.max_sensitivity(again, x, seed),
            "sensitivity_n": quality.sensitivity_n(model, x, asked, collapsed(values, "sum")[0], seed),
        }
        mask = opened.mask(index)
        if mask is not None:
            found["mass_inside"] = localisation.mass_inside(one, mask)
            found["rank_accuracy"] = quality.rank_accuracy(one, mask, plan.protocol.get("ties", "raster"))
        if isinstance(opened.data, ShapeScenes):
            found["parts_rank"] = _parts_rank(opened, opened.data, index, x, asked, one)
        cell[:, 0, k] = [found.get(measure, np.nan) for measure in plan.measures]
    return cell


def _parts_rank(
    opened: Opened, data: ShapeScenes, index: int, x: torch.Tensor, target: torch.Tensor, one: torch.Tensor
) -> float:
    parts = data.parts(index)
    redrawn = [opened.card.preprocess(data.without(index, part)) for part in range(len(parts))]
    with torch.no_grad():
        responses = opened.model(torch.cat([x, *(picture.to(x.device) for picture in redrawn)]))[:, target[0]]
    return quality.parts_rank(one, parts, (responses[0] - responses[1:]).cpu())


QUALITY = Benchmark(
    title="What reviewers ask",
    source=(
        "Yeh et al. 2019 (infidelity, max-sensitivity), Ancona et al. 2018 (sensitivity-n), Chalasani et al. "
        "2020 (Gini), Bhatt et al. 2020 (entropy), Arras et al. 2022 (rank accuracy)"
    ),
    x_title="",
    better="",
    choices={"collapse": "abs_sum", "ties": "raster"},
    allowed={"collapse": ("signed_max", "abs_sum", "sum"), "ties": tuple(TIES)},
    settle=lambda choices, seed: without(choices, ties="raster"),
    fixed={
        "target": PREDICTED,
        "response": "the class score before the head",
        "infidelity": f"noise of {quality.INFIDELITY_SD}, {quality.INFIDELITY_DRAWS} draws; 1 for a zero map",
        "max-sensitivity": f"{quality.SENSITIVITY_DRAWS} neighbours within {quality.SENSITIVITY_RADIUS}",
        "sensitivity-n": (
            f"{quality.SENSITIVITY_SUBSETS} sets of {quality.SENSITIVITY_N:.0%} of the pixels become the "
            "mean colour; the map summed over channels with its signs"
        ),
        "parts": "each solid's exact importance: the response less that of the scene drawn without it",
    },
    layout=_layout,
    unvalued=_unvalued,
    cell=_cell,
)
