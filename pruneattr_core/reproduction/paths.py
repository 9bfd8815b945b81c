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
#: How far from the sparsity asked a path may end without a word.
_THERE = 0.01
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
                of=(method,),
                at=table["sparsity"],
            )
    yield from _rows(
        studies, "text, about half of the neurons can go at no change", "Share of dead neurons", 0.5,
        _ALIKE["dead"], lambda study: study.base, paper="PG2", theirs="ResNet-8 and ResNet-50",
    )  # fmt: skip
    yield from _toward_the_end(studies)
    text = "Sparsity that DGR's own criterion ends with, about 87 % on VGG-16"
    why = "our DGR is stopped at the sparsities of the others; VGG-16 of ImageNet cannot be had here"
    yield Claim("SCP", "text, CDRP", text, 0.87, math.nan, None, why)
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
            of=(order[i], order[j]),
            at=overlap["sparsity"],
        )


def _rows(
    studies: Mapping[str, Study],
    where: str,
    text: str,
    value: float,
    alike: float,
    point_of: Callable[[Study], Interval | None],
    paper: str = "SCP",
    theirs: str = "VGG-16",
    of: tuple[str, ...] = (),
    at: float = 0.0,
) -> Iterator[Claim]:
    known = [
        (name, study, point) for name, study in studies.items() if (point := point_of(study)) is not None
    ]
    if not known:
        yield Claim(paper, where, text, value, math.nan, None, "no study holds this method at this sparsity")
    for name, study, point in known:
        header = study.header
        off = Interval(point.mean - value, point.low - value, point.high - value, point.n)
        ours = Ours(point.mean, value, off, "pictures", f"paths/{name}", header["model"]["title"],
                    header["data"]["title"], header["command"])  # fmt: skip
        differs = [f"{ours.network}; {theirs} in the paper", *_elsewhere(study, of, at)]
        yield Claim(paper, where, text, value, math.nan, ours, "; ".join(differs), tolerance=alike)


def _elsewhere(study: Study, methods: tuple[str, ...], sparsity: float) -> Iterator[str]:
    """Which of the methods end at another sparsity than was asked, in words."""
    for method in methods:
        reached = study.reached(method, sparsity)
        if reached is not None and abs(reached.mean - sparsity) > _THERE:
            yield f"{_TITLES[method]} ends at {reached.mean:.0%}"


def _toward_the_end(studies: Mapping[str, Study], sparsity: float = 0.9) -> Iterator[Claim]:
    """SCP fig. 2b: the two contributions agree more and more toward the last layers."""
    text = f"Overlap of NeuronMCT and NeuronIntGrad at {sparsity:.0%}: last third of the layers against first"
    where, found = "fig. 2b", 0
    for name, study in studies.items():
        layers = [one for one in study.layer_overlap("taylor", sparsity) if one is not None]
        third = len(layers) // 3
        if not third:
            continue
        first, last = _mean(layers[:third]), _mean(layers[-third:])
        gap = Interval(last.mean - first.mean, last.low - first.high, last.high - first.low, last.n)
        header, found = study.header, found + 1
        ours = Ours(last.mean, first.mean, gap, "pictures", f"paths/{name}", header["model"]["title"],
                    header["data"]["title"], header["command"])  # fmt: skip
        differs = (
            f"{ours.network}; the paper draws a curve without figures; interval from both ends, so too wide"
        )
        yield Claim("SCP", where, text, math.nan, math.nan, ours, differs, expected=1)
    if not found:
        yield Claim(
            "SCP", where, text, math.nan, math.nan, None, "no study holds both methods layer by layer", 1
        )


def _mean(some: list[Interval]) -> Interval:
    """Mean of the layers' means, low and high ends: at least as wide as the interval of their mean."""
    count = len(some)
    mean, low, high = (
        sum(ends) / count for ends in zip(*((i.mean, i.low, i.high) for i in some), strict=True)
    )
    return Interval(mean, low, high, min(one.n for one in some))
