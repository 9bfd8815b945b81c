"""What the same question has said over many pictures: a shipped run of the same network, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.run import Run, read_run, statistics
from pruneattr_core.benchmarks.summary import areas
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.removal.curve import SIGNED, RemovalKey
from pruneattr_core.ui.shipped import shipped

_BETTER = {"lerf": "lower", "morf": "higher"}


def over_many(asked: Sequence[RemovalKey]) -> str:
    """Mean areas of the methods on the screen in the run that asked most pictures the same; "" without one.

    The same are weights, order and fill, and that pixels count by magnitude; methods are as they come.
    """
    runs = shipped(ASSETS / "runs" / "bench", HEADER, read_run)
    name = max(
        (one for one in runs if _asks_the_same(runs[one], asked[0])),
        key=lambda one: runs[one].plan.n,
        default="",
    )
    if not name:
        return ""
    run, order = runs[name], asked[0].order
    titles = [METHODS[one.map.method].title for one in asked]
    found = []
    for title in (title for title in titles if title in run.plan.labels):
        mean = statistics(areas(run, title, order)[None])[0]
        found.append(f"{title} {float(mean[0]):.3f}")
    if len(found) < 2:
        return ""
    of_run = f"{run.plan.data['title']}, run {name} on page Benchmarks"
    area = f"mean area of the change up to {float(run.plan.x[-1]):.0%} removed, {_BETTER[order]} is better"
    return (
        f"One picture can turn out either way. Over {run.plan.n} pictures ({of_run}; by magnitude, {area}; "
        f"methods as they are by themselves): {', '.join(found)}."
    )


def _asks_the_same(run: Run, one: RemovalKey) -> bool:
    plan = run.plan
    return (
        plan.benchmark == "pixels"
        and plan.model["weights_sha256"] == one.map.subject.weights
        and one.order in plan.measures
        and plan.protocol["fill"] == one.fill
        and plan.protocol["order_by"] == "magnitude"
        and one.rule not in SIGNED
    )
