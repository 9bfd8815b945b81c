"""The random-logit test (Sixt et al. 2020): how alike are the maps of the answer and of another class?"""

from __future__ import annotations

import numpy as np
import torch

from pruneattr_core.benchmarks import similarity
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
from pruneattr_core.benchmarks.protocols.randomisation import LIKENESS
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.errors import InputError


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if len(opened.card.classes) < 2:
        raise InputError(f"{opened.card.title} has one class: there is no other to ask about.")
    return LIKENESS, ("all",)


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    values = np.full((len(LIKENESS), 1, len(inputs)), np.nan)
    classes = len(opened.card.classes)
    steps = [
        int(np.random.default_rng((plan.data["seed"], 13, part.start + k)).integers(1, classes))
        for k in range(len(inputs))
    ]
    other = (target + torch.tensor(steps, device=target.device)) % classes
    how, chosen = plan.protocol["collapse"], plan.methods[method]
    one = maps_of(opened.model, inputs, target, chosen, how).cpu()
    two = maps_of(opened.model, inputs, other, chosen, how).cpu()
    for k in range(len(inputs)):
        if bool(torch.isfinite(one[k]).all() and torch.isfinite(two[k]).all()):
            for place, measure in enumerate(LIKENESS):
                values[place, 0, k] = similarity.MEASURES[measure](one[k], two[k])
    return values


LOGITS = Benchmark(
    title="Random-logit test",
    source="Sixt et al. 2020, When Explanations Lie, ICML",
    x_title="",
    better="lower",
    choices={"collapse": RELEASED_COLLAPSE},
    allowed={"collapse": ("signed_max", "abs_sum", "sum")},
    fixed={
        "target": PREDICTED,
        "other": "any other class, drawn for each picture",
        "normalisation": "maps divided by their largest magnitude",
        "ssim": "window 5, range 2",
    },
    layout=_layout,
    cell=_cell,
)
