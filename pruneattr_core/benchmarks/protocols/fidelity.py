"""F-Fidelity (Zheng et al. 2024); see `surrogate`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn

from pruneattr_core.benchmarks import surrogate
from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices, pictures
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.heads import Head, head_of, outputs_in

#: Fid+: lost without what the map marks; Fid-: lost without the rest; their difference.
_MEASURES = ("fid_plus", "fid_minus", "f_fidelity")
#: Sizes of an explanation, the share removed, and random choices a size, as in the paper.
SIZES, ALPHA, DRAWS = (0.1, 0.3, 0.5, 0.7, 0.9), 0.5, 50
_HOW = surrogate.Surrogate()


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    _ = opened.training  # refused at once where there is nothing to learn from
    return _MEASURES, ("all",)


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = pictures(opened, plan, part)
    values = np.full((len(_MEASURES), 1, len(inputs)), np.nan)
    with torch.no_grad():
        head = head_of(opened.model, outputs_in(opened.model(inputs), len(inputs)))
    network = _taught(opened, plan.protocol["steps"], plan.data["seed"], head)
    maps = maps_of(opened.model, inputs, target, plan.methods[method], plan.protocol["collapse"])
    for k in range(len(inputs)):
        if bool(torch.isfinite(maps[k]).all()):
            one = slice(k, k + 1)
            seed = 100_003 * plan.data["seed"] + part.start + k  # of the picture, wherever its cell begins
            plus, minus = surrogate.fidelity(
                network, inputs[one], target[one], maps[k], SIZES, ALPHA, _HOW.beta, DRAWS, seed, head
            )
            values[:, 0, k] = plus, minus, plus - minus
    return values


@lru_cache(maxsize=1)
def _taught(opened: Opened, steps: int, seed: int, head: Head) -> nn.Module:
    """The surrogate, once a process: a pure function of the plan."""
    data, card = opened.training, opened.card

    def batch(numbers: Any) -> torch.Tensor:
        return torch.cat([card.preprocess(data[k].image) for k in numbers]).to(opened.device)

    how = surrogate.Surrogate(steps=steps)
    return surrogate.fine_tuned(opened.model, batch, len(data), how, seed, head)


FIDELITY = Benchmark(
    title="F-Fidelity",
    source="Zheng et al. 2024, F-Fidelity, arXiv 2410.02970",
    x_title="",
    better="",
    choices={"collapse": "abs_sum", "steps": _HOW.steps},
    allowed={"collapse": ("signed_max", "abs_sum", "sum")},
    fixed={
        "target": PREDICTED,
        "surrogate": (
            f"a copy learns the network's own answers to its training pictures, up to {_HOW.beta:.0%} of the "
            f"pixels the mean colour; batches of {_HOW.batch}, SGD from {_HOW.rate}"
        ),
        "removed": f"{ALPHA:.0%} of the explanation or of the rest, at most {_HOW.beta:.0%} of the picture",
        "sizes": ", ".join(f"{size:.0%}" for size in SIZES),
        "draws": DRAWS,
        "lost": "the probability of the target, as the surrogate has it",
    },
    layout=_layout,
    cell=_cell,
)
