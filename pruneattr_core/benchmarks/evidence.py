"""What a folder of runs says, as Markdown: the list of runs, and what the order of pixels does to LeRF.

SCP's table 2 has Gradient four times worse than NeuronMCT (PruneGrad). Which pixels count as least relevant
decides that: those of lowest signed value, or of smallest magnitude. Runs over the same pictures in several
orders are set side by side, with paired differences over the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.summary import areas, summary

#: Choices that make an order of pixels.
_ORDER = ("collapse", "order_by")
_WORDS = {
    ("signed_max", "value"): "signed value",
    ("signed_max", "magnitude"): "magnitude",
    ("abs_sum", "value"): "sum of magnitudes",
}


def listing(runs: Mapping[str, Run]) -> list[str]:
    """One line per run: name, benchmark, network, data, choices, size, and the 15 % point of calibrations."""
    lines = [
        "| run | benchmark | network | data | n | methods | what sets it apart |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, run in runs.items():
        plan = run.plan
        lines.append(
            f"| {name} | {plan.benchmark} | {plan.model['title']} | {plan.data['title']} | {plan.n} | "
            f"{len(plan.methods)} | {_apart(run)} |"
        )
    return lines


def _apart(run: Run) -> str:
    protocol = run.plan.protocol
    if run.plan.benchmark == "calibrate":
        points = (f"{row['method']} {row['at 15%']:.3f}" for row in summary(run))
        return "15 % change at sparsity: " + ", ".join(points)
    said = [f"{name} {protocol[name]}" for name in ("variant", "fill", *_ORDER) if name in protocol]
    return ", ".join([*said, *protocol.get("reduction", ())])


def same_pictures(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Order in words -> run, for pixel runs that differ in nothing but the order; the largest such set."""
    groups: dict[str, dict[str, Run]] = {}
    for run in runs.values():
        if run.plan.benchmark == "pixels" and all(name in run.plan.protocol for name in _ORDER):
            order = tuple(run.plan.protocol[name] for name in _ORDER)
            groups.setdefault(_but_for_the_order(run.plan), {})[_WORDS.get(order, " ".join(order))] = run
    return max(groups.values(), key=lambda group: (len(group), next(iter(group.values())).plan.n), default={})


def _but_for_the_order(plan: Plan) -> str:
    rest = {name: value for name, value in plan.protocol.items() if name not in _ORDER}
    return repr(
        (sorted(rest.items()), plan.model["weights_sha256"], plan.data["sha256"], plan.data["indices"])
    )


def order_table(orders: Mapping[str, Run], published: Mapping[str, float]) -> list[str]:
    """LeRF areas, lower is better, of every method in every order, with 95 % intervals over the pictures.

    Args:
        orders: see `same_pictures`.
        published: method id -> area in the paper.
    """
    first = max(orders.values(), key=lambda run: len(run.plan.methods))
    lines = [
        f"| method, n = {first.plan.n} | " + " | ".join(orders) + " | published |",
        "|---|" + "---|" * (len(orders) + 1),
    ]
    for method in first.plan.methods:
        cells = [
            _interval(areas(run, method["label"], "lerf")) if method["label"] in run.plan.labels else ""
            for run in orders.values()
        ]
        known = published.get(method["id"])
        paper = "" if known is None or "(" in method["label"].replace("(saliency)", "") else f"{known:.3f}"
        lines.append(f"| {method['label']} | " + " | ".join(cells) + f" | {paper} |")
    return lines


def paired_table(orders: Mapping[str, Run], pairs: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Ratio of mean areas and paired difference, with its 95 % interval, of pairs over the same pictures.

    Args:
        orders: see `same_pictures`.
        pairs: (method, order, other method, other order); those that are not there are left out.
    """
    lines = ["| pair | ratio of means | mean paired difference |", "|---|---|---|"]
    for method, order, other, other_order in pairs:
        found = [_areas(orders, method, order), _areas(orders, other, other_order)]
        if found[0] is None or found[1] is None:
            continue
        ratio = found[0].mean() / found[1].mean()
        lines.append(
            f"| {method}, {order} - {other}, {other_order} | {ratio:.2f} | {_interval(found[0] - found[1])} |"
        )
    return lines


def retraining_table(runs: Mapping[str, Run]) -> list[str]:
    """Test accuracy of every repeat at every fraction, of all retraining runs; empty without any."""
    lines = []
    for name, run in runs.items():
        if run.plan.benchmark == "roar":
            heads = [f"{float(x):.0%} removed" for x in run.plan.x]
            lines += ["", f"| {name} | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
            for label in run.plan.labels:
                for measure in run.plan.measures:
                    cells = [", ".join(f"{one:.3f}" for one in point) for point in run.of(label, measure)]
                    lines.append(f"| {label}, {measure} | " + " | ".join(cells) + " |")
    return lines


def _areas(orders: Mapping[str, Run], method: str, order: str) -> NDArray[Any] | None:
    run = orders.get(order)
    return None if run is None or method not in run.plan.labels else areas(run, method, "lerf")


def _interval(values: NDArray[np.float64]) -> str:
    found = mean_interval(values)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"
