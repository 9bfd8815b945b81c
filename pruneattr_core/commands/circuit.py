"""`circuit`: what a picture's path carries when the rest is replaced, and what flows along it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.edges import circuit_edges
from pruneattr_core.circuits.scores import patching
from pruneattr_core.commands.arguments import count, say, show
from pruneattr_core.commands.keeping import Record, add_keeping, keep, kept, over_pictures
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.replacing import add_replacement, baseline_of, replacement_of
from pruneattr_core.errors import InputError
from pruneattr_core.store import refuse_unwritable, write_atomically

__all__ = ["add_arguments", "kept", "run"]

#: What stands beside the path.
KINDS = ("path", "rest", "random", "runner-up")


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
    """Print faithfulness of the path, the rest and a random path by size; a mean over the pictures."""
    graph: Path | None = arguments.graph
    if graph is not None:
        if graph.suffix not in (".json", ".graphml") or arguments.n != 1:
            raise InputError("--graph takes one picture (--n 1) and a file that ends in .json or .graphml.")
        refuse_unwritable(graph)
    opened, indices = open_pictures(arguments)
    found = over_pictures(arguments, opened, indices, _picture)
    table: dict[str, dict[str, list[float]]] = {}
    for kind in KINDS:
        table[kind] = {
            said: np.mean([one[key][kind] for one in found], 0).tolist()
            for key, said in (("faithfulness", "faithfulness"), ("kept", "answer kept"))
        }
    lines = [
        f"{opened.card.id}, {len(found)} pictures of {opened.data.id}: neurons outside become "
        f"{found[0]['replacement']}; share kept, then faithfulness (share of answers kept)"
    ]
    lines.append("  ".join(["  kept ", *(f"{kind:>15s}" for kind in table)]))
    for k, size in enumerate(SIZES):
        cells = (f"{t['faithfulness'][k]:8.2f} ({t['answer kept'][k]:4.0%})" for t in table.values())
        lines.append("  ".join([f"{size:7.3f}", *cells]))
    record = {
        "model": opened.card.id,
        "data": opened.data.id,
        "n": len(found),
        "replacement": found[0]["replacement"],
        "sizes": list(SIZES),
        "curves": table,
        "cpr": float(np.mean([one["cpr"] for one in found])),
        "cmd": float(np.mean([one["cmd"] for one in found])),
    }
    lines.append(f"CPR {record['cpr']:.3f} (higher is better), CMD {record['cmd']:.3f} (lower is better)")
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
            for kind in KINDS
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
        order = opened.model(x).argsort(1, descending=True)
    base = replacement_of(arguments, opened, indices, index)
    answer, second = order[:, 0], order[:, min(1, order.shape[1] - 1)]

    def scores(target: Tensor) -> list[Tensor]:
        return [layer.abs() for layer in patching(opened.model, x, target, base)]

    others = {"runner-up": scores(second)}
    curve = circuit_curve(opened.model, x, answer, scores(answer), base, others=others, seed=arguments.seed)
    return {
        "replacement": curve.replacement,
        "faithfulness": {kind: curve.faithfulness(kind)[:, 0].tolist() for kind in KINDS},
        "kept": {kind: curve.kept[kind][:, 0].astype(float).tolist() for kind in KINDS},
        "cpr": float(curve.cpr()[0]),
        "cmd": float(curve.cmd()[0]),
    }
