"""`accuracy`: how often a network names the pictures of a data set rightly."""

from __future__ import annotations

import argparse

import torch

from pruneattr_core.benchmarks.sources import chosen, open_source
from pruneattr_core.commands.arguments import add_device, add_json, add_seed, count, show
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import add_source, source_of, tell_left_out
from pruneattr_core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `accuracy`."""
    add_source(parser)
    parser.add_argument("--n", type=count, default=300, help="number of pictures (default 300)")
    add_seed(parser, "the choice of pictures")
    parser.add_argument("--batch", type=count, default=16, help="pictures at once (default 16)")
    add_device(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print top-1 and top-5.

    A picture with several right classes counts where any of them comes first, or is among the five.
    """
    opened = open_source(source_of(arguments))
    tell_left_out(opened.data)
    indices = [i for i in chosen(opened.data, arguments.n, arguments.seed) if opened.labels(i)]
    if not indices:
        raise InputError(
            f"{opened.data.title} has no labels that {opened.card.title} counts as it does: "
            "choose a data set of the network's own classes."
        )
    first = five = 0
    tick = Progress("pictures")
    tick(0, len(indices))
    for start in range(0, len(indices), arguments.batch):
        part = indices[start : start + arguments.batch]
        with torch.no_grad():
            order = opened.model(opened.inputs(part)).argsort(1, descending=True)[:, :5].tolist()
        for index, top in zip(part, order, strict=True):
            labels = set(opened.labels(index))
            first += top[0] in labels
            five += bool(labels & set(top))
        tick(start + len(part), len(indices))
    n, what = len(indices), f"{opened.card.id} on {opened.data.id}"
    record = {"model": opened.card.id, "data": opened.data.id, "top1": first / n, "top5": five / n, "n": n}
    show(arguments, f"{what}: top-1 {first / n:.1%}, top-5 {five / n:.1%}, n = {n}", record)
    return 0
