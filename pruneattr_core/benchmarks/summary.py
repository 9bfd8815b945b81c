"""One line per method of a run: the numbers that tables show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS
from pruneattr_core.benchmarks.run import Run, standard_error, statistics
from pruneattr_core.circuits.curve import cmd, cpr
from pruneattr_core.paths.calibrate import OUTPUT_CHANGES, first_crossing


def areas(run: Run, method: str, measure: str) -> np.ndarray[Any, Any]:
    """Area under every picture's curve: trapezoids, not divided by the width (SCP tables 1 and 2).

    Pixel curves begin at (0, 0), which is no point of theirs, and what the network keeps without a path at 1;
    retraining's at the accuracy on whole pictures.

    Raises:
        ValueError: the points are names.
    """
    x, y = np.array([float(point) for point in run.plan.x]), run.of(method, measure)
    if x[0] > 0:
        start = np.full((1, run.plan.n), float(measure.startswith("rest")))
        x, y = np.array([0.0, *x]), np.concatenate([start, y])
    area: np.ndarray[Any, Any] = np.trapezoid(y, x, axis=0)
    return area


def printed_areas(run: Run, method: str, measure: str) -> np.ndarray[Any, Any]:
    """`areas` as the papers print them: of LeRF, up to the tenth of the pixels that their curves end with."""
    if measure != "lerf":
        return areas(run, method, measure)
    kept = np.array([float(x) <= LERF_FRACTIONS[-1] + 1e-9 for x in run.plan.x])
    x = np.array([0.0, *np.array(run.plan.x, dtype=np.float64)[kept]])
    values = np.concatenate([np.zeros((1, run.plan.n)), run.of(method, measure)[kept]])
    area: np.ndarray[Any, Any] = np.trapezoid(values, x, axis=0)
    return area


def over_steps(run: Run, method: str, measure: str) -> np.ndarray[Any, Any]:
    """Of a sanity check every picture's mean over the randomised steps, nan where none says anything.

    A map that is flat once weights are lost has no rank correlation: such steps are left out.
    """
    steps = run.of(method, measure)[1:]
    known = np.isfinite(steps)
    count = known.sum(0)
    mean: np.ndarray[Any, Any] = np.where(known, steps, 0).sum(0) / np.where(count, count, 1)
    return np.where(count, mean, np.nan)


def shares(run: Run, method: str, measure: str = "faithfulness") -> dict[str, np.ndarray[Any, Any]]:
    """Of a run of circuits every picture's (n,) areas "CPR" and, of its own path, "CMD": `circuits.curve`."""
    sizes, found = [float(point) for point in run.plan.x], run.of(method, measure)
    areas = {"CPR": cpr(sizes, found, float(measure.startswith("rest")))}
    return areas | {"CMD": cmd(sizes, found)} if measure == "faithfulness" else areas


def summary(run: Run) -> list[dict[str, Any]]:
    """Rows {"method", number, ...}; what the numbers are depends on the benchmark.

    calibrate: sparsity at which the mean output change reaches 5, 10, 15, 20, 30 %; pixels, roar and
    circuits: area under each curve, and its standard error, but of faithfulness the medians of CPR and CMD: a
    ratio has outliers where the whole and the empty network answer alike; sanity: mean over pictures of
    `over_steps`; localise: mean over pictures.
    """
    rows = []
    for method in run.plan.labels:
        row: dict[str, Any] = {"method": method}
        if run.plan.benchmark == "calibrate":
            mean = statistics(run.of(method, "output_change"))[0]
            grid = np.array(run.plan.x, dtype=np.float64)
            row |= {f"at {change:.0%}": first_crossing(grid, mean, change) for change in OUTPUT_CHANGES}
        else:
            for measure in run.plan.measures:
                row |= _numbers(run, method, measure)
        rows.append(row)
    return rows


def _numbers(run: Run, method: str, measure: str) -> dict[str, float]:
    if run.plan.benchmark == "circuits" and measure.endswith("faithfulness"):
        return {
            f"{measure} {name}": float(np.nanmedian(a)) for name, a in shares(run, method, measure).items()
        }
    if run.plan.benchmark in ("pixels", "roar", "circuits"):
        mean, deviation, count = statistics(areas(run, method, measure))
        return {f"{measure} AUC": float(mean), f"{measure} ±": float(standard_error(deviation, count))}
    if run.plan.benchmark == "sanity":
        return {measure: float(statistics(over_steps(run, method, measure))[0])}
    mean, deviation, count = statistics(run.of(method, measure))
    return {measure: float(mean[0]), f"{measure} ±": float(standard_error(deviation[0], count[0]))}


def twins(run: Run, labels: Sequence[str]) -> list[list[str]]:
    """Groups of the labels whose values are the same bits at every point, picture and measure."""
    groups: list[list[str]] = []
    for label in labels:
        own = run.values[run.plan.labels.index(label)]
        for group in groups:
            if np.array_equal(own, run.values[run.plan.labels.index(group[0])], equal_nan=True):
                group.append(label)
                break
        else:
            groups.append([label])
    return [group for group in groups if len(group) > 1]
