"""Calibration (PG2 fig. 2a): how much the answer changes as more neurons go.

Text and released code: PG2 averages the change over a validation set, as here. The tie rule is the
released code's (every score at or below the percentile goes), so dead neurons leave at the first step.
"""

from __future__ import annotations

import torch

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.paths.calibrate import PRUNING_STEPS, output_curve
from pruneattr_core.scoring import METHODS, contributions


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return ("output_change", "kept_prediction"), PRUNING_STEPS


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs = opened.inputs(plan.data["indices"][part])
    scores = contributions(opened.model, inputs, method=plan.methods[method]["id"])
    curve = output_curve(opened.model, inputs, scores, PRUNING_STEPS)
    kept = ~curve.changed
    return torch.stack([curve.output_change.double(), kept.double()]).cpu().numpy()


CALIBRATION = Benchmark(
    title="Calibration",
    source="PG2 fig. 2a",
    x_title="Sparsity (fraction of neurons removed)",
    better="",
    choices={},
    fixed={
        "change": "|p_pruned - p| / p of the softmax probability",
        "target": PREDICTED,
        "mode": "zero",
        "ties": "drop: every score at or below the percentile goes",
        "ranking": "all layers in one list",
    },
    layout=_layout,
    cell=_cell,
    rows={name: f"Contribution {name}" for name in METHODS},
)
