"""A scoreboard over runs: methods ranked per network, pictures and measure, with intervals and the controls.

Every number is read off runs, so a board of anybody's runs is one call away; runs of others are checked by
`verify` before they stand in it. Only methods over the same pictures stand in one ranking. A rank says little
by itself: beside it stands whether the paired difference to the random map is one that these pictures can
show, and between measures how far they order methods alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.foreign import METRICS
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.summary import areas, over_steps

#: (benchmark, measure) -> which way a good method's numbers go.
HIGHER, LOWER = "higher", "lower"
BETTER = {
    ("pixels", "lerf"): LOWER,
    ("pixels", "morf"): HIGHER,
    ("pixels", "lerf_minus_morf"): HIGHER,
    ("sanity", "spearman_abs"): LOWER,
    ("sanity", "ssim"): LOWER,
    ("logits", "spearman_abs"): LOWER,
    ("logits", "ssim"): LOWER,
    ("localise", "roc_auc"): HIGHER,
    ("localise", "point_accuracy"): HIGHER,
    ("localise", "mass_inside"): HIGHER,
    ("localise", "grid_share"): HIGHER,
    ("quality", "infidelity"): LOWER,
    ("quality", "max_sensitivity"): LOWER,
    ("quality", "sensitivity_n"): HIGHER,
    ("quality", "mass_inside"): HIGHER,
    ("quality", "rank_accuracy"): HIGHER,
    ("quality", "parts_rank"): HIGHER,
    **{("quantus", name): metric.better for name, metric in METRICS.items() if metric.better},
    ("fidelity", "f_fidelity"): HIGHER,
    ("fidelity", "fid_plus"): HIGHER,
    ("fidelity", "fid_minus"): LOWER,
    ("roar", "roar"): LOWER,
    ("roar", "kar"): HIGHER,
}
#: Entries of a protocol that make another measure of the same name.
_APART = ("order_by", "range", "fill", "variant", "setting", "collapse")
#: More of them, said where they are not as in the shipped runs.
_UNSAID = {"ties": "raster", "steps": 200}
#: Labels that no ranking is about.
CONTROLS = frozenset({"Random map", "Edge detector"})
#: Digits after the point that count: what differs later was rounded otherwise on its way.
_DIGITS = 9
#: Methods that two rankings must share before their orders are compared.
_FEWEST = 4
#: Network, data, measure, which way is better, and what makes two runs comparable.
_Key = tuple[str, str, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Line:
    """A method in one ranking.

    Attributes:
        label: of the method.
        interval: mean over pictures, with its 95 % interval.
        rank: 1 is best; equal means share the better rank.
        against_random: "better", "worse" or "open" by the 95 % interval of the paired difference; "" without
            a random map over the same pictures.
        run: name of the run.
    """

    label: str
    interval: Interval
    rank: int
    against_random: str
    run: str


@dataclass(frozen=True)
class Ranking:
    """Methods by one measure, on one network and the same pictures.

    Attributes:
        network: title.
        data: title and number of pictures.
        measure: in words, with what sets the protocol apart.
        better: "higher" or "lower".
        lines: best first.
    """

    network: str
    data: str
    measure: str
    better: str
    lines: tuple[Line, ...]


def rankings(runs: Mapping[str, Run]) -> tuple[Ranking, ...]:
    """Every ranking that these runs hold; a method that stands in several of them is taken once.

    Args:
        runs: name -> run. Benchmarks that judge no maps are passed over.
    """
    tables: dict[_Key, dict[str, tuple[NDArray[np.float64], str, str]]] = {}
    for name, run in runs.items():
        for key, label, values, versus in _columns(run):
            tables.setdefault(key, {}).setdefault(label, (values, versus, name))
    return tuple(_ranked(key, table) for key, table in tables.items())


def shared_methods(one: Ranking, other: Ranking) -> list[str]:
    """Labels that stand in both, without the controls."""
    labels = [{line.label for line in ranking.lines} for ranking in (one, other)]
    return sorted((labels[0] & labels[1]) - CONTROLS)


def agreement(one: Ranking, other: Ranking) -> float:
    """Kendall's tau b between two rankings: 1 the same order, 0 unrelated, -1 turned round.

    Over the methods that stand in both, without the controls; nan for fewer than four of them.
    """
    ranks = [{line.label: line.rank for line in ranking.lines} for ranking in (one, other)]
    shared = shared_methods(one, other)
    if len(shared) < _FEWEST:
        return math.nan
    placed = [np.array([rank[label] for label in shared]) for rank in ranks]
    first, second = (np.sign(np.subtract.outer(places, places)) for places in placed)
    pairs = math.sqrt(np.sum(first**2) * np.sum(second**2))  # those that no rank ties
    return float(np.sum(first * second) / pairs) if pairs else math.nan


def markdown(found: Sequence[Ranking]) -> str:
    """The board, as Markdown."""
    lines: list[str] = []
    for ranking in found:
        lines += [
            f"### {ranking.measure} · {ranking.network} · {ranking.data}",
            "",
            f"{ranking.better.capitalize()} is better; the interval is Student's, 95 %, over pictures.",
            "",
            "| rank | method | mean | interval | n | against the random map | run |",
            "|---|---|---|---|---|---|---|",
        ]
        for line in ranking.lines:
            one = line.interval
            span = "" if math.isnan(one.low) else f"[{one.low:.4f}, {one.high:.4f}]"
            lines.append(
                f"| {line.rank} | {line.label} | {one.mean:.4f} | {span} | {one.n} | {line.against_random} | "
                f"{line.run} |"
            )
        lines.append("")
    for network in dict.fromkeys(ranking.network for ranking in found):
        lines += _matrix([ranking for ranking in found if ranking.network == network])
    return "\n".join(lines).rstrip()


def _matrix(found: Sequence[Ranking]) -> list[str]:
    """Tau between all rankings of one network, as Markdown."""
    if len(found) < 2:
        return []
    numbers = range(1, len(found) + 1)
    lines = [
        f"### How far the measures agree on {found[0].network}",
        "",
        "Kendall's tau between the orders of the methods that stand in both, controls left out: 1 the same "
        "order, 0 none in common, -1 turned round.",
        "",
        "| | measure | " + " | ".join(map(str, numbers)) + " |",
        "|---|---|" + "---|" * len(found),
    ]
    for number, one in zip(numbers, found, strict=True):
        taus = [math.nan if one is other else agreement(one, other) for other in found]
        cells = ["" if math.isnan(tau) else f"{tau:+.2f}" for tau in taus]
        lines.append(f"| {number} | {one.measure}, {one.data} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _columns(run: Run) -> Iterator[tuple[_Key, str, NDArray[np.float64], str]]:
    """(key of the ranking, label, one value a picture, comparison with the random map)."""
    plan = run.plan
    random = next((method["label"] for method in plan.methods if method["id"] == "random"), None)
    for measure in plan.measures:
        better = BETTER.get((plan.benchmark, measure))
        if better is None:
            continue
        data = f"{plan.data['title']}, n = {plan.n}"
        hashes = plan.model["weights_sha256"], plan.data["sha256"]
        same = (*hashes, *map(str, plan.data["indices"]), *map(str, plan.x))
        key = (plan.model["title"], data, _words(plan, measure), better, same)
        chance = None if random is None else _values(run, random, measure)
        for label in plan.labels:
            values = _values(run, label, measure)
            if np.isfinite(values).any():
                versus = "" if chance is None or label == random else _versus(values, chance, better)
                yield key, label, values, versus


def _values(run: Run, label: str, measure: str) -> NDArray[np.float64]:
    """One number a picture: the area under its curve, its mean over randomised steps, or its value."""
    if run.plan.benchmark in ("pixels", "roar"):
        return areas(run, label, measure)
    if run.plan.benchmark == "sanity":
        return over_steps(run, label, measure)
    return run.of(label, measure)[0]


def _words(plan: Plan, measure: str) -> str:
    said = [f"{name} {plan.protocol[name]}".replace("_", " ") for name in _APART if name in plan.protocol]
    said += [
        f"{name} {plan.protocol[name]}"
        for name, usual in _UNSAID.items()
        if plan.protocol.get(name, usual) != usual
    ]
    said += plan.protocol.get("reduction", ())
    return f"{measure} ({', '.join(said)})".replace("_", " ") if said else measure.replace("_", " ")


def _versus(values: NDArray[Any], chance: NDArray[Any], better: str) -> str:
    difference = np.round(values - chance, _DIGITS)
    if np.isfinite(difference).sum() < 2:
        return "open"
    found = mean_interval(difference)
    if found.low <= 0 <= found.high:
        return "open"
    return "better" if (found.mean > 0) == (better == HIGHER) else "worse"


def _ranked(key: _Key, table: Mapping[str, tuple[NDArray[np.float64], str, str]]) -> Ranking:
    network, data, measure, better, _ = key
    sign = -1 if better == HIGHER else 1
    found = {label: mean_interval(np.round(values, _DIGITS)) for label, (values, _, _) in table.items()}
    ordered = sorted(found, key=lambda label: (sign * round(found[label].mean, _DIGITS), label))
    lines: list[Line] = []
    for place, label in enumerate(ordered, 1):
        tied = lines and round(lines[-1].interval.mean - found[label].mean, _DIGITS) == 0
        rank = lines[-1].rank if tied else place
        lines.append(Line(label, found[label], rank, table[label][1], table[label][2]))
    return Ranking(network, data, measure, better, tuple(lines))
