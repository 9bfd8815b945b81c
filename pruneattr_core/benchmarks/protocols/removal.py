"""Pixel perturbation (SCP table 2): LeRF and MoRF of the original network.

The text does not say whether pixels are ordered by the signed value of a map or by its magnitude; the
released code sorts the stored map as it is. `order_by` makes that a choice, because figures hang on it.
"""

from __future__ import annotations

import numpy as np

from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS, TIES, removal_curve
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import (
    PREDICTED,
    RELEASED_COLLAPSE,
    Benchmark,
    Cell,
    Choices,
    pictures,
)
from pruneattr_core.benchmarks.sources import Opened

#: What the pixels of a map (H, W) are sorted by.
ORDERED_BY = ("value", "magnitude")


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return ("lerf", "morf"), LERF_FRACTIONS


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    maps = maps_of(opened.model, inputs, target, plan.methods[method], plan.protocol["collapse"])
    if plan.protocol["order_by"] == "magnitude":
        maps = maps.abs()
    values = np.empty((len(plan.measures), len(plan.x), len(inputs)))
    for image in range(len(inputs)):
        seed = 100_003 * plan.data["seed"] + part.start + image  # of the picture, wherever its cell begins
        for place, order in enumerate(plan.measures):
            one = slice(image, image + 1)
            curve = removal_curve(
                opened.model, inputs[one], maps[one], target[one], fractions=LERF_FRACTIONS, order=order,
                fill=plan.protocol["fill"], ties=plan.protocol["ties"], seed=seed,
            )  # fmt: skip
            values[place, :, image] = curve.change[:, 0].cpu().numpy()
    return values


PIXELS = Benchmark(
    title="Pixel perturbation",
    source="SCP table 2",
    x_title="Fraction of pixels removed",
    better="lower",
    choices={"fill": "mean", "ties": "raster", "collapse": RELEASED_COLLAPSE, "order_by": "value"},
    allowed={
        "fill": tuple(FILLS),
        "ties": tuple(TIES),
        "collapse": ("signed_max", "abs_sum", "sum"),
        "order_by": ORDERED_BY,
    },
    fixed={
        "change": "|p0 - p| / p0 of the softmax probability",
        "target": PREDICTED,
        "order": "lerf: ascending; morf: descending",
        "amount": "floor(fraction * pixels), all channels of a pixel",
        "network": "the original one, never pruned",
    },
    layout=_layout,
    cell=_cell,
)
