"""Pixel perturbation (SCP table 2): LeRF and MoRF of the original network.

The text does not say whether pixels are ordered by the signed value of a map or by its magnitude; the
released code sorts the stored map as it is. `order_by` makes that a choice, because figures hang on it.
"""

from __future__ import annotations

import numpy as np

from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS, ORDERS, TIES, removal_curve
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import (
    PREDICTED,
    RELEASED_COLLAPSE,
    Benchmark,
    Cell,
    Choices,
    pictures,
    without,
)
from pruneattr_core.benchmarks.sources import Opened

#: What the pixels of a map (H, W) are sorted by.
ORDERED_BY = ("value", "magnitude")


#: Nearly every pixel goes: the published curves end where ten of a hundred are gone.
WHOLE_FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if protocol.get("range") == "whole":
        return ("lerf", "morf", "lerf_minus_morf"), WHOLE_FRACTIONS
    return ("lerf", "morf"), LERF_FRACTIONS


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    maps = maps_of(opened.model, inputs, target, plan.methods[method], plan.protocol["collapse"])
    if plan.protocol["order_by"] == "magnitude":
        maps = maps.abs()
    values = np.empty((len(plan.measures), len(plan.x), len(inputs)))
    for image in range(len(inputs)):
        seed = 100_003 * plan.data["seed"] + part.start + image  # of the picture, wherever its cell begins
        share = {}
        for place, order in enumerate(ORDERS):
            one = slice(image, image + 1)
            curve = removal_curve(
                opened.model, inputs[one], maps[one], target[one], fractions=[float(x) for x in plan.x],
                order=order, fill=plan.protocol["fill"], ties=plan.protocol["ties"], seed=seed,
            )  # fmt: skip
            values[place, :, image] = curve.change[:, 0].cpu().numpy()
            share[order] = (curve.probability / curve.original)[:, 0].cpu().numpy()
        if "lerf_minus_morf" in plan.measures:
            values[-1, :, image] = share["lerf"] - share["morf"]
    return values


PIXELS = Benchmark(
    title="Pixel perturbation",
    source="SCP table 2",
    x_title="Fraction of pixels removed",
    better="lower",
    numbers=True,
    choices={
        "fill": "mean",
        "ties": "raster",
        "collapse": RELEASED_COLLAPSE,
        "order_by": "value",
        "range": "published",
    },
    allowed={
        "range": ("published", "whole"),
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
    settle=lambda choices, seed: without(choices, range="published"),
)
