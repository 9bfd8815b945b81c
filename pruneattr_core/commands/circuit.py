"""`circuit`: what a picture's path carries when the rest is replaced, and what flows along it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.edges import circuit_edges
from pruneattr_core.circuits.replacement import Replacement
from pruneattr_core.circuits.scores import patching
from pruneattr_core.commands.arguments import count, say, show
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.replacing import add_replacement, replacement_of
from pruneattr_core.errors import InputError
from pruneattr_core.store import refuse_unwritable, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `circuit`."""
    add_pictures(parser, 1)
    add_replacement(parser)
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
    tick, found = Progress("pictures"), []
    for done, index in enumerate(indices, 1):
        x = opened.inputs([index])
        with torch.no_grad():
            order = opened.model(x).argsort(1, descending=True)
        base = replacement_of(arguments, opened, indices, x)
        answer, second = order[:, 0], order[:, min(1, order.shape[1] - 1)]

        def scores(target: Tensor, x: Tensor = x, base: Replacement = base) -> list[Tensor]:
            return [layer.abs() for layer in patching(opened.model, x, target, base)]

        others = {"runner-up": scores(second)}
        found.append(
            circuit_curve(opened.model, x, answer, scores(answer), base, others=others, seed=arguments.seed)
        )
        tick(done, len(indices))
    table: dict[str, dict[str, list[float]]] = {}
    for kind in ("path", "rest", "random", "runner-up"):
        faithful = np.concatenate([curve.faithfulness(kind) for curve in found], 1).mean(1)
        kept = np.concatenate([curve.kept[kind] for curve in found], 1).mean(1)
        table[kind] = {"faithfulness": faithful.tolist(), "answer kept": kept.tolist()}
    lines = [
        f"{opened.card.id}, {len(found)} pictures of {opened.data.id}: neurons outside become "
        f"{found[0].replacement}; share kept, then faithfulness (share of answers kept)"
    ]
    lines.append("  ".join(["  kept ", *(f"{kind:>15s}" for kind in table)]))
    for k, size in enumerate(SIZES):
        cells = (f"{t['faithfulness'][k]:8.2f} ({t['answer kept'][k]:4.0%})" for t in table.values())
        lines.append("  ".join([f"{size:7.3f}", *cells]))
    record = {
        "model": opened.card.id,
        "data": opened.data.id,
        "n": len(found),
        "replacement": found[0].replacement,
        "sizes": list(SIZES),
        "curves": table,
        "cpr": float(np.mean([curve.cpr() for curve in found])),
        "cmd": float(np.mean([curve.cmd() for curve in found])),
    }
    lines.append(f"CPR {record['cpr']:.3f} (higher is better), CMD {record['cmd']:.3f} (lower is better)")
    if graph is not None:
        circuit = circuit_edges(opened.model, opened.inputs(indices), most=arguments.most)
        write_atomically(graph, (circuit.json() if graph.suffix == ".json" else circuit.graphml()).encode())
        say(arguments, f"{len(circuit.nodes)} channels and {len(circuit.edges)} edges are in {graph}.")
    show(arguments, "\n".join(lines), record)
    return 0
