"""Claims about critical paths: SCP figures 1 and 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

from pruneattr_core.analysis.interval import Interval
from pruneattr_core.analysis.study_run import Study
from pruneattr_core.reproduction.claim import Claim, Ours

_TITLES = {
    "intgrad": "NeuronIntGrad",
    "taylor": "NeuronMCT",
    "dgr_init1": "DGR(init=1)",
    "dgr_random": "DGR(init=r)",
    "greedy": "GreedyPruning",
    "random": "a random path",
}
#: Shares of dead neurons, and overlaps, count as alike within this.
_ALIKE = {"dead": 0.1, "overlap": 0.05}


def claims(studies: Mapping[str, Study], published: Mapping[str, Any]) -> Iterator[Claim]:
    """Dead neurons in paths and their overlap, per study.

    Args:
        studies: name -> run of `paths`.
        published: "critical_paths" of assets/published.json.
    """
    for part in ("dead_share", "dead_share_text"):
        table = published[part]
        for method, value in table["values"].items():
            text = f"Share of dead neurons in the path of {_TITLES[method]} at {table['sparsity']:.0%}"
            yield from _rows(
                studies,
                table["source"],
                text,
                value,
                _ALIKE["dead"],
                lambda study, m=method, at=table["sparsity"]: study.dead(m, at),  # type: ignore[misc]
            )
    overlap = published["overlap"]
    order = overlap["restored"]
    for i, j in combinations(range(len(order)), 2):
        text = (
            f"Overlap (Jaccard) of {_TITLES[order[i]]} and {_TITLES[order[j]]} at {overlap['sparsity']:.0%}"
        )
        value = overlap["upper_triangle"][i][j - i]
        where = f"{overlap['source']}, labels restored"
        yield from _rows(
            studies,
            where,
            text,
            value,
            _ALIKE["overlap"],
            lambda study, a=order[i], b=order[j]: study.overlap(a, b, overlap["sparsity"]),  # type: ignore[misc]
        )


def _rows(
    studies: Mapping[str, Study],
    where: str,
    text: str,
    value: float,
    alike: float,
    point_of: Callable[[Study], Interval | None],
) -> Iterator[Claim]:
    known = [
        (name, study, point) for name, study in studies.items() if (point := point_of(study)) is not None
    ]
    if not known:
        yield Claim("SCP", where, text, value, math.nan, None, "no study holds this method at this sparsity")
    for name, study, point in known:
        header = study.header
        off = Interval(point.mean - value, point.low - value, point.high - value, point.n)
        ours = Ours(point.mean, value, off, "pictures", f"paths/{name}", header["model"]["title"],
                    header["data"]["title"], header["command"])  # fmt: skip
        yield Claim("SCP", where, text, value, math.nan, ours, f"{ours.network}; VGG-16 in the paper",
                    tolerance=alike)  # fmt: skip
