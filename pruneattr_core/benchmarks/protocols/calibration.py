"""Calibration (PG2 fig. 2a): how much the answer changes as more neurons go.

PG2 averages the change of the response (eq. 1) over a validation set, as here; the authors' released code
takes the softmax probability's, which is kept beside it. The tie rule is the released code's (every score at
or below the percentile goes), so dead neurons leave at the first step.
"""

from __future__ import annotations

import torch

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.paths.calibrate import PRUNING_STEPS, output_curve
from pruneattr_core.scoring import METHODS, contributions


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return ("output_change", "probability_change", "kept_prediction"), PRUNING_STEPS


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs = opened.inputs(plan.data["indices"][part])
    scores = contributions(opened.model, inputs, method=plan.methods[method]["id"])
    curve = output_curve(opened.model, inputs, scores, PRUNING_STEPS)
    found = {
        "output_change": curve.output_change.double(),
        "probability_change": curve.probability_change.double(),
        "kept_prediction": (~curve.changed).double(),
    }
    if "output_change" not in plan.protocol:  # runs of before there were both measured the probability's
        found["output_change"] = found["probability_change"]
    return torch.stack([found[name] for name in plan.measures]).cpu().numpy()


CALIBRATION = Benchmark(
    title="Calibration",
    source="PG2 fig. 2a",
    x_title="Sparsity (fraction of neurons removed)",
    better="",
    needs=("output_change",),
    numbers=True,
    choices={},
    fixed={
        "output_change": "|f_pruned - f| / |f| of the response, the predicted class's logit",
        "probability_change": "|p_pruned - p| / p of the probability",
        "neurons": "activations that something learned follows: class scores are not counted",
        "target": PREDICTED,
        "mode": "zero",
        "ties": "drop: every score at or below the percentile goes",
        "ranking": "all layers in one list",
    },
    layout=_layout,
    cell=_cell,
    # A preview is never published.
    rows={name: f"Contribution {name}" for name in METHODS if name != "intgrad_preview"},
)
