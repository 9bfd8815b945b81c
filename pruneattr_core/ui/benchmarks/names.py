"""What runs are called: only what tells them apart, in plain words; and what keeps two of them apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.plan import Plan, gaps
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.share.words import counted

#: Protocol entries that tell runs of one kind apart, in the order of a name.
_TELLING = ("variant", "fill", "order_by", "collapse", "range", "measure", "setting")
#: Facts that are named wherever they differ; pictures, methods and sizes only where a name needs them.
_CHOSEN = ("model", *_TELLING, "ties", "imported")
_VALUES = {
    ("variant", "text"): "N(0, 0.01) weights",
    ("variant", "released"): "N(0, 0.1) weights",
    ("fill", "mean"): "mean fill",
    ("fill", "channel mean"): "mean fill",
    ("fill", "blur"): "blur fill",
    ("fill", "noisy_linear"): "noisy linear",
    ("order_by", "value"): "signed order",
    ("order_by", "magnitude"): "magnitude order",
    ("collapse", "signed_max"): "largest channel",
    ("collapse", "abs_sum"): "sum of magnitudes",
    ("collapse", "sum"): "sum of channels",
    ("range", "whole"): "to 90 %",
    ("measure", "roar"): "ROAR",
    ("measure", "kar"): "KAR",
    ("measure", "both"): "ROAR and KAR",
    ("setting", "paper"): "the paper's setting",
    ("setting", "reduced"): "reduced setting",
}
#: Entries whose names alone would not say what they are.
_ENTRIES = {
    "order_by": "order of the pixels",
    "collapse": "one channel out of three",
    "variant": "new random weights",
    "fill": "fill of removed pixels",
    "train": "pictures to train on",
    "test": "pictures to test on",
    "lr": "learning rate",
}
#: These say again what another entry, or the points, say.
_REPEATED = ("reduction", "fractions", "sd")


def titles(runs: Mapping[str, Run], always: Sequence[str] = ()) -> dict[str, str]:
    """Name -> title, no two alike: the choices that differ among the runs, and no more than is needed.

    Args:
        runs: name -> run.
        always: facts that are named though they need not be: "model", "data", "methods", "size".
    """
    facts = {name: _facts(name, run) for name, run in runs.items()}
    keys = list(dict.fromkeys(key for one in facts.values() for key in one))
    apart = [key for key in keys if len({one.get(key) for one in facts.values()}) > 1]
    told = {*always, *(key for key in apart if key in _CHOSEN or (key == "data" and "model" not in apart))}
    telling = dict.fromkeys(runs, told)

    def named() -> dict[str, str]:
        shown = {name: telling[name] or {"model", "data"} for name in runs}
        return {
            name: " · ".join(one[key] for key in keys if key in shown[name] and one.get(key))
            for name, one in facts.items()
        }

    for key in ("data", "methods", "size"):
        for alike in _alike(named()):
            if len({facts[name].get(key) for name in alike}) > 1:
                telling |= {name: telling[name] | {key} for name in alike}
    found = named()
    for name in itertools.chain.from_iterable(_alike(found)):
        found[name] += f" · run {runs[name].id[:6]}"
    return found


def _alike(found: Mapping[str, str]) -> list[list[str]]:
    """The names of those that have one title, of each title that several have."""
    groups: dict[str, list[str]] = {}
    for name, title in found.items():
        groups.setdefault(title, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def full_title(name: str, run: Run) -> str:
    """Network, pictures and size of one run."""
    return titles({name: run}, ("model", "data", "size", "imported"))[name]


def _facts(name: str, run: Run) -> dict[str, str]:
    plan = run.plan
    found = {"model": str(plan.model["title"]), "data": str(plan.data["title"])}
    found |= {key: _value(key, plan.protocol[key]) for key in _TELLING if key in plan.protocol}
    found["ties"] = "random ties" if plan.protocol.get("ties") == "random" else ""
    found["methods"] = _methods(plan)
    unit = "seeds" if BENCHMARKS[plan.benchmark].unit == "repeats" else "pictures"
    found["size"] = counted(plan.n, unit)
    found["imported"] = "imported" if name.startswith("import-") else ""
    return found


def _methods(plan: Plan) -> str:
    """The methods by name where they are one or two, at several sparsities perhaps; else their number."""
    ids = list(dict.fromkeys(str(method["id"]) for method in plan.methods))
    if len(ids) > 2 or BENCHMARKS[plan.benchmark].rows:
        return counted(len(plan.methods), "methods")
    sparsities = {str(method["options"].get("sparsity")) for method in plan.methods}
    level = f" at {len(sparsities)} sparsities" if len(sparsities - {"None"}) > 1 else ""
    named = [METHODS[name].title if name in METHODS else name for name in ids]
    return " and ".join(named) + level


def _value(entry: str, value: Any) -> str:
    known = _VALUES.get((entry, value)) if isinstance(value, str) else None
    if known is not None:
        return known
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    text = text.replace("_", " ")
    return text if len(text) <= 80 else f"{text[:77]}..."


def what_differs(first: Run, other: Run) -> list[str]:
    """Why `other` may not share a plot with `first`, one sentence part each; empty when it may."""
    return [
        f"{_ENTRIES.get(entry, entry.replace('_', ' '))}: {_value(entry, theirs)}, "
        f"against {_value(entry, ours)}"
        for entry, ours, theirs in gaps(first.plan, other.plan)
        if entry not in _REPEATED
    ]
