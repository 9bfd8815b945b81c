"""`nesting`: whether sparser paths lie in denser ones, and paths of one class are alike (SCP section 2.4)."""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise
from pathlib import Path as Folder

import torch

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.analysis.overlap import chance_overlap, class_overlap, image_overlap, nesting
from pruneattr_core.commands.arguments import share, show
from pruneattr_core.commands.keeping import keep
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import tell_left_out
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.paths.table import METHODS, Search
from pruneattr_core.store import refuse_unwritable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `nesting`."""
    add_pictures(parser, 20)
    parser.add_argument("--method", default="taylor", choices=list(METHODS), help="how a path is chosen")
    parser.add_argument(
        "--sparsities", nargs="+", type=share, default=[0.8, 0.9, 0.99], help="rising fractions removed"
    )
    parser.add_argument("--out", type=Folder, help="new or empty folder: keep the result as a run")


def run(arguments: argparse.Namespace) -> int:
    """Print the share of each path inside the next denser one, and overlaps within and between classes."""
    grid = arguments.sparsities
    if len(grid) < 2 or any(a >= b for a, b in pairwise(grid)):
        raise InputError(f"Expected at least two rising sparsities, got {grid}.")
    opened, indices = open_pictures(arguments)
    tell_left_out(opened.data)
    if arguments.out is not None:
        refuse_unwritable(arguments.out, new_folder=True)
    tick, start, found, answers = Progress("pictures"), time.perf_counter(), [], []
    tick(0, len(indices))
    for done, index in enumerate(indices, 1):
        x = opened.inputs([index])
        with torch.no_grad():
            answers.append(int(opened.model(x).argmax()))
        search = METHODS[arguments.method].find(Search(opened.model, x, None, tuple(grid), arguments.seed))
        found.append([search.path(sparsity).to("cpu") for sparsity in grid])
        tick(done, len(indices))
    joined = [_batch([paths[k] for paths in found]) for k in range(len(grid))]
    shares = nesting(joined)
    lines, nested, overlaps = [], {}, {}
    for (dense, sparse), values in zip(pairwise(grid), shares, strict=True):
        inside = mean_interval(values.tolist())
        lines.append(f"of the path of sparsity {sparse:g}, {inside.mean:.1%} lies in that of {dense:g}")
        nested[f"{sparse:g} in {dense:g}"] = inside.mean
    for sparsity, path in zip(grid, joined, strict=True):
        try:
            within, between = class_overlap(path, answers)
        except InputError as error:
            lines.append(f"overlap of classes: {error}")
            break
        chance = chance_overlap(1 - sparsity)
        lines.append(
            f"sparsity {sparsity:g}: Jaccard {_said(within)} within an answered class, {_said(between)} "
            f"between classes, {chance:.3f} by chance"
        )
        overlaps[f"{sparsity:g}"] = {"within": vars(within), "between": vars(between), "chance": chance}
    rows: dict[tuple[str, ...], list[float]] = {}
    unknown = [math.nan] * len(indices)
    for k, (sparsity, path) in enumerate(zip(grid, joined, strict=True)):
        alike = image_overlap(path).tolist()
        within_denser = shares[k - 1].tolist() if k else unknown
        for row, (index, answer) in enumerate(zip(indices, answers, strict=True)):
            # Half of a symmetric matrix says all of it.
            rows[f"{sparsity:g}", str(index), opened.card.classes[answer]] = [
                within_denser[row],
                *alike[row][: row + 1],
                *unknown[row + 1 :],
            ]
    numbers = ("inside the denser", *(f"with {index}" for index in indices))
    texts = ("sparsity", "picture", "answer")
    keep(arguments, opened, indices, rows, texts, numbers, time.perf_counter() - start)
    record = {"model": opened.card.id, "data": opened.data.id, "n": len(indices), "method": arguments.method}
    show(arguments, "\n".join(lines), {**record, "nested": nested, "overlap": overlaps})
    return 0


def _batch(paths: list[Path]) -> Path:
    layers = zip(*(path.layers for path in paths), strict=True)
    return Path(paths[0].names, tuple(torch.cat(layer) for layer in layers), paths[0].meta)


def _said(found: Interval) -> str:
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
