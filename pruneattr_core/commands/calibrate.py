"""`calibrate`: the sparsities at which a model's answers change by 5, 10, 15, 20 and 30 % on average.

Both changes are measured in the same passes: of the response (the papers' text) and of its probability (the
released code). Sparsities are shares of all neurons.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.benchmarks.sources import chosen, open_data
from pruneattr_core.commands.arguments import add_device, add_json, add_seed, count, show
from pruneattr_core.commands.network import network_of
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import add_source
from pruneattr_core.datasets import Dataset
from pruneattr_core.errors import StoreError
from pruneattr_core.models import ModelCard, weights_hash
from pruneattr_core.paths.calibrate import calibrations
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.store import refuse_unwritable, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `calibrate`."""
    add_source(parser)
    parser.add_argument("--n", type=count, default=100, help="number of pictures (default 100)")
    add_seed(parser, "the choice of pictures")
    parser.add_argument("--batch", type=count, default=4, help="pictures at once (default 4)")
    add_device(parser)
    add_json(parser)
    parser.add_argument("--out", type=Path, help="JSON table to add the result to, by weights hash")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table, and keep it when asked."""
    table = _read(arguments.out)
    if arguments.out is not None:
        refuse_unwritable(arguments.out)
    device = device_for(arguments.device)
    model, card = network_of(arguments)
    data = open_data(arguments.data, arguments.root)
    indices = chosen(data, arguments.n, arguments.seed)
    start, tell = time.perf_counter(), Progress("pictures")
    tell(0, len(indices), card.title)
    found = calibrations(
        model,
        _batches(card, data, indices, arguments.batch, device),
        progress=lambda done: tell(done, len(indices), card.title),
    )
    points = {
        kind: {f"{change:g}": sparsity for change, sparsity in curve.points.items()}
        for kind, curve in found.items()
    }
    lines = [
        f"mean change of the {kind} {change:4.0%} at sparsity {sparsity:.4f}"
        for kind, curve in found.items()
        for change, sparsity in curve.points.items()
    ]
    show(
        arguments, "\n".join(lines), {"model": card.id, "data": data.id, "n": len(indices), "points": points}
    )
    if arguments.out is not None:
        table[weights_hash(model)] = {
            "model": card.id,
            "data": data.id,
            "data_sha256": data.data_hash(),
            "n": len(indices),
            "seed": arguments.seed,
            "sparsity_of": "all neurons, class scores not counted",
            "points": {
                kind: {f"{change:g}": round(sparsity, 6) for change, sparsity in curve.points.items()}
                for kind, curve in found.items()
            },
            "seconds": round(time.perf_counter() - start),
            "versions": provenance(device),
        }
        write_atomically(arguments.out, (json.dumps(table, indent=1) + "\n").encode())
    return 0


def _read(file: Path | None) -> dict[str, Any]:
    if file is None or not file.exists():
        return {}
    if not file.is_file():
        raise StoreError(f"{file} is no file that a table of calibrations could be written into.")
    try:
        table = json.loads(file.read_text("utf-8"))
        if not isinstance(table, dict):
            raise ValueError(f"it holds a {type(table).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{file} is no table of calibrations ({error}); move it away first.") from error
    return table


def _batches(
    card: ModelCard, data: Dataset, indices: list[int], size: int, device: torch.device
) -> Iterator[Tensor]:
    for start in range(0, len(indices), size):
        pictures = [card.preprocess(data[i].image) for i in indices[start : start + size]]
        yield torch.cat(pictures).to(device)
