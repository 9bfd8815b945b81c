"""`accuracy`: how often a network names the pictures of a data set rightly."""

from __future__ import annotations

import argparse

import torch

from pruneattr_core.benchmarks.sources import Source, chosen, open_source
from pruneattr_core.commands.source import add_source
from pruneattr_core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `accuracy`."""
    add_source(parser)
    parser.add_argument("--n", type=int, default=300, help="number of pictures (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures (default 0)")
    parser.add_argument("--batch", type=int, default=16, help="pictures at once (default 16)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")


def run(arguments: argparse.Namespace) -> int:
    """Print top-1 and top-5.

    A picture with several right classes counts where any of them comes first, or is among the five.
    """
    if arguments.batch < 1:
        raise InputError(f"Expected --batch of at least 1, got {arguments.batch}.")
    opened = open_source(
        Source(
            arguments.model,
            arguments.data,
            None if arguments.weights is None else str(arguments.weights),
            None if arguments.root is None else str(arguments.root),
            arguments.device,
        )
    )
    indices = [i for i in chosen(opened.data, arguments.n, arguments.seed) if opened.labels(i)]
    if not indices:
        raise InputError(
            f"{opened.data.title} has no labels that {opened.card.title} counts as it does: "
            "choose a data set of the network's own classes."
        )
    first = five = 0
    for start in range(0, len(indices), arguments.batch):
        part = indices[start : start + arguments.batch]
        with torch.no_grad():
            order = opened.model(opened.inputs(part)).argsort(1, descending=True)[:, :5].tolist()
        for index, top in zip(part, order, strict=True):
            labels = set(opened.labels(index))
            first += top[0] in labels
            five += bool(labels & set(top))
    count, what = len(indices), f"{opened.card.id} on {opened.data.id}"
    print(f"{what}: top-1 {first / count:.1%}, top-5 {five / count:.1%}, n = {count}")
    return 0
