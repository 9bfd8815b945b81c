"""`circuit`: what a picture's path carries when the rest is replaced, and what flows along it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.edges import circuit_edges
from pruneattr_core.circuits.scores import patching
from pruneattr_core.commands.arguments import count, say, show
from pruneattr_core.commands.keeping import Record, add_keeping, keep, kept, over_pictures
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.replacing import (
    add_replacement,
    baseline_of,
    reference_of,
    replacement_of,
)
from pruneattr_core.errors import InputError
from pruneattr_core.response import resolved
from pruneattr_core.share.words import counted
from pruneattr_core.store import refuse_unwritable, write_atomically

__all__ = ["add_arguments", "kept", "run"]

#: What stands beside the path; the last two where there is another class, and another picture.
KINDS = ("path", "rest", "random", "runner-up", "other picture")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `circuit`."""
    add_pictures(parser, 1)
    add_replacement(parser)
    add_keeping(parser)
    parser.add_argument("--graph", type=Path, help="write what flows between channels: .json or .graphml")
    parser.add_argument(
        "--most", type=count, default=8, help="channels per layer in it (default %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print faithfulness of the path and of its controls by size: means over the pictures, with intervals."""
    graph: Path | None = arguments.graph
    if graph is not None:
        if graph.suffix not in (".json", ".graphml") or arguments.n != 1:
            raise InputError("--graph takes one picture (--n 1) and a file that ends in .json or .graphml.")
        refuse_unwritable(graph)
    opened, indices = open_pictures(arguments)
    found = over_pictures(arguments, opened, indices, _picture)
    kinds = [kind for kind in KINDS if kind in found[0]["kept"]]
    table: dict[str, dict[str, Any]] = {
        kind: {
            "faithfulness": _means([one["faithfulness"][kind] for one in found]),
            "interval": _ends([one["faithfulness"][kind] for one in found]),
            "answer kept": _means([one["kept"][kind] for one in found]),
        }
        for kind in kinds
    }
    lines = [
        f"{opened.card.id}, {counted(len(found), 'pictures')} of {opened.data.id}: neurons outside become "
        f"{found[0]['replacement']}; share kept, then faithfulness (share of answers kept)"
    ]
    lines.append("  ".join(["  kept ", *(f"{kind:>15s}" for kind in table)]))
    for k, size in enumerate(SIZES):
        cells = (f"{t['faithfulness'][k]:8.2f} ({t['answer kept'][k]:4.0%})" for t in table.values())
        lines.append("  ".join([f"{size:7.3f}", *cells]))
    areas = {
        name: {
            kind: vars(_interval([one[name][kind] for one in found], least))
            for kind in kinds
            if kind != "rest"
        }
        for name, least in (("cpr", -math.inf), ("cmd", 0.0))
    }
    record = {
        "model": opened.card.id,
        "data": opened.data.id,
        "n": len(found),
        "replacement": found[0]["replacement"],
        "sizes": list(SIZES),
        "curves": table,
        "minimality": _means([one["minimality"] for one in found]),
        "smallest": [one["smallest"] for one in found],
        "areas": areas,
        **{name: of["path"]["mean"] for name, of in areas.items()},
    }
    for name, better in (("cpr", "higher"), ("cmd", "lower")):
        said = ", ".join(f"{kind} {_said(one)}" for kind, one in areas[name].items())
        lines.append(f"{name.upper()} ({better} is better): {said}")
    sizes = sorted(one["smallest"] for one in found)
    lines.append(
        f"smallest path that keeps the answer, as all larger ones do: {sizes[len(sizes) // 2]:.1%} of all"
        + (f" (median; {sizes[0]:.1%} to {sizes[-1]:.1%})" if len(sizes) > 1 else "")
    )
    if graph is not None:
        x = opened.inputs(indices)
        base, picture = baseline_of(arguments, opened, indices, indices[0])
        circuit = circuit_edges(opened.model, x, most=arguments.most, replacement=base, picture=picture)
        write_atomically(graph, (circuit.json() if graph.suffix == ".json" else circuit.graphml()).encode())
        say(arguments, f"{len(circuit.nodes)} channels and {len(circuit.edges)} edges are in {graph}.")
    keep(
        arguments,
        opened,
        indices,
        {
            (str(index), kind, f"{size:g}"): [one[key][kind][k] for key in ("faithfulness", "kept")]
            for index, one in zip(indices, found, strict=True)
            for kind in kinds
            for k, size in enumerate(SIZES)
        },
        ("picture", "kind", "size"),
        ("faithfulness", "kept"),
        sum(one["seconds"] for one in found),
    )
    show(arguments, "\n".join(lines), record)
    return 0


def _picture(arguments: argparse.Namespace, index: int) -> Record:
    """Curves of one picture."""
    opened, indices = open_pictures(arguments)
    x = opened.inputs([index])
    with torch.no_grad():
        logits = opened.model(x)
    base = replacement_of(arguments, opened, indices, index)
    answer = resolved(logits, None).target

    def scores(target: Tensor) -> list[Tensor]:
        return [layer.abs() for layer in patching(opened.model, x, target, base)]

    others = {}
    if logits.shape[1] > 1:  # one output has none
        others["runner-up"] = scores(logits.argsort(1, descending=True)[:, 1])
    # The next of those explained; of one picture, one that is not.
    following = indices[(indices.index(index) + 1) % len(indices)]
    beside = [following] if following != index else reference_of(arguments, opened, indices)[:1]
    if beside:
        other = opened.inputs(beside)
        found = patching(opened.model, other, None, base)
        others["other picture"] = [layer.abs() for layer in found]
    curve = circuit_curve(opened.model, x, answer, scores(answer), base, others=others, seed=arguments.seed)
    return {
        "replacement": curve.replacement,
        "faithfulness": {kind: curve.faithfulness(kind)[:, 0].tolist() for kind in curve.kept},
        "kept": {kind: kept[:, 0].astype(float).tolist() for kind, kept in curve.kept.items()},
        "minimality": curve.minimality()[:, 0].tolist(),
        "smallest": float(curve.smallest()[0]),
        "cpr": {kind: float(curve.cpr(kind)[0]) for kind in curve.kept},
        "cmd": {kind: float(curve.cmd(kind)[0]) for kind in curve.kept},
    }


def _interval(values: Sequence[float], least: float = -math.inf) -> Interval:
    """Of the pictures whose share is defined; NaN where it is of none."""
    known = [value for value in values if math.isfinite(value)]
    return mean_interval(known, least=least) if known else Interval(math.nan, math.nan, math.nan, 0)


def _means(rows: list[list[float]]) -> list[float]:
    """Over the pictures, per size; of those whose share is defined."""
    return [_interval(values).mean for values in zip(*rows, strict=True)]


def _ends(rows: list[list[float]]) -> list[list[float]]:
    """95 % intervals of the same means, per size."""
    found = [_interval(values) for values in zip(*rows, strict=True)]
    return [[one.low, one.high] for one in found]


def _said(found: dict[str, float]) -> str:
    ends = "" if math.isnan(found["low"]) else f" [{found['low']:.3f}, {found['high']:.3f}]"
    return f"{found['mean']:.3f}{ends}"
