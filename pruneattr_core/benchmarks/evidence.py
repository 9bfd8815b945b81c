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
        points = (f"{row['method']} {_reached(row['at 15%'])}" for row in summary(run))
        return "15 % change at sparsity: " + ", ".join(points)
    said = [f"{name} {protocol[name]}" for name in ("variant", "fill", *_ORDER) if name in protocol]
    if protocol.get("ties") == "random":  # of pixels; row by row is usual in the shipped runs, and unsaid
        said.append("ties random")
    return ", ".join([*said, *protocol.get("reduction", ())])


def _reached(point: float | None) -> str:
    return "not reached" if point is None else f"{point:.3f}"


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
        paper = "" if known is None or not _plain(method["label"]) else f"{known:.3f}"
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


def retraining_table(runs: Mapping[str, Run], published: Mapping[str, float]) -> list[str]:
    """Test accuracy and its area of all retraining runs, mean ± standard deviation over the networks.

    The last but one column is the area less that of the random map with the same seeds, and its 95 %
    interval over the seeds; ROAR is better when it is below 0, KAR when it is above.

    Args:
        runs: name -> run, of any benchmark.
        published: method id -> area of ROAR in the paper.
    """
    lines = []
    for name, run in runs.items():
        if run.plan.benchmark != "roar":
            continue
        heads = [f"{float(x):.0%} removed" for x in run.plan.x]
        heads += ["area", "area less random's", "published area, the paper's setting"]
        lines += [
            "",
            f"| {name}, n = {run.plan.n} | " + " | ".join(heads) + " |",
            "|---|" + "---|" * len(heads),
        ]
        random = next((one["label"] for one in run.plan.methods if one["id"] == "random"), None)
        for measure in run.plan.measures:
            for method in run.plan.methods:
                label = method["label"]
                found = areas(run, label, measure)
                cells = [_spread(point) for point in (*run.of(label, measure), found)]
                other = found if random is None else areas(run, random, measure)
                cells.append("" if random in (None, label) else _interval(found - other))
                paper = published.get(method["id"]) if measure == "roar" and _plain(label) else None
                cells.append("" if paper is None else f"{paper:.3f}")
                lines.append(f"| {label}, {measure} | " + " | ".join(cells) + " |")
    return lines


def _spread(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def _plain(label: str) -> bool:
    """Whether a method runs with the paper's options, which its label then does not name."""
    return "(" not in label.replace("(saliency)", "")


def _areas(orders: Mapping[str, Run], method: str, order: str) -> NDArray[Any] | None:
    run = orders.get(order)
    return None if run is None or method not in run.plan.labels else areas(run, method, "lerf")


def _interval(values: NDArray[np.float64]) -> str:
    if len(values) < 2:
        return f"{values.mean():.4f}"
    found = mean_interval(values)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"
