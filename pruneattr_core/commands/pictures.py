"""The pictures a command explains, opened as benchmarks open them."""

from __future__ import annotations

import argparse
from itertools import islice

from pruneattr_core.benchmarks.sources import Opened, chosen, chosen_order, open_source
from pruneattr_core.commands.arguments import add_device, add_json, add_seed, add_threads, count, use_threads
from pruneattr_core.commands.naming import class_called
from pruneattr_core.commands.source import add_source, source_of
from pruneattr_core.datasets import Dataset
from pruneattr_core.errors import InputError


def add_pictures(parser: argparse.ArgumentParser, n: int) -> None:
    """Declare source, --n, --of-class, --seed, --device, --threads and --json."""
    add_source(parser)
    parser.add_argument("--n", type=count, default=n, help="number of pictures (default %(default)s)")
    parser.add_argument(
        "--of-class", metavar="CLASS", help="only pictures of this class of the data: its name or number"
    )
    add_seed(parser, "the choice of pictures and of what is random")
    add_device(parser)
    add_threads(parser)
    add_json(parser)


def open_pictures(arguments: argparse.Namespace) -> tuple[Opened, list[int]]:
    """What the arguments name, and the indices of the pictures.

    Raises:
        InputError: a class that the data set does not have, or has no picture of.
    """
    use_threads(arguments)
    opened = open_source(source_of(arguments))
    if arguments.of_class is None:
        return opened, chosen(opened.data, arguments.n, arguments.seed)
    wanted = _class_of(opened.data, arguments.of_class)
    order = chosen_order(opened.data, arguments.seed)
    found = list(islice((i for i in order if wanted in opened.data[i].labels), arguments.n))
    if not found:
        raise InputError(f"{opened.data.title} holds no picture of class {arguments.of_class!r}.")
    return opened, sorted(found)


def _class_of(data: Dataset, asked: str) -> int:
    """Place of a class among those of the data set, by its number or its name."""
    found = class_called(asked, data.classes, data.title)
    if found >= len(data.classes):
        raise InputError(
            f"{data.title} has {len(data.classes)} classes, and none is {asked!r}: number from 0."
        )
    return found
