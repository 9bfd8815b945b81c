"""The sanity check (PG2 fig. 3, SCP fig. 7): maps of a network that loses its weights, last layer first.

The papers differ in the spread of the new weights: PG2 prints a standard deviation of 0.01 (variant "text"),
SCP C.1 a variance of 0.01, i.e. 0.1, as the released code does ("released"). Steps, normalisation and SSIM
window are the released code's; the texts name none.
"""

from __future__ import annotations

import numpy as np
import torch

from pruneattr_core.benchmarks import sanity, similarity
from pruneattr_core.benchmarks.maps import maps_of
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

#: What is asked of two maps.
LIKENESS = ("spearman", "spearman_abs", "ssim")


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [unit.name for unit in sanity.units(opened.model)]
    return LIKENESS, ("original", *reversed(names))


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    values = np.full((len(LIKENESS), len(plan.x), len(inputs)), np.nan)
    first: torch.Tensor | None = None
    for step, (_, network) in enumerate(sanity.cascade(opened.model, plan.protocol["sd"], plan.data["seed"])):
        maps = maps_of(network, inputs, target, plan.methods[method], plan.protocol["collapse"]).cpu()
        first = maps if first is None else first
        for image in range(len(inputs)):
            if bool(torch.isfinite(maps[image]).all()):
                for place, measure in enumerate(LIKENESS):
                    values[place, step, image] = similarity.MEASURES[measure](first[image], maps[image])
    return values


SANITY = Benchmark(
    title="Sanity check",
    source="PG2 fig. 3, SCP fig. 7",
    x_title="Randomised up to this layer, last to first",
    better="lower",
    choices={"variant": "text", "collapse": RELEASED_COLLAPSE},
    allowed={"variant": tuple(sanity.VARIANTS), "collapse": ("signed_max", "abs_sum", "sum")},
    fixed={
        "weights": "weights, biases and those of normalisations become N(0, sd); running statistics stay",
        "layers": "a residual block is one step; a normalisation goes with the layer before it",
        "target": PREDICTED,
        "normalisation": "maps divided by their largest magnitude",
        "ssim": "window 5, range 2",
    },
    settle=lambda choices, seed: {
        **choices,
        "sd": sanity.VARIANTS[choices["variant"]],
        "weights_seed": seed,
    },
    layout=_layout,
    cell=_cell,
)
