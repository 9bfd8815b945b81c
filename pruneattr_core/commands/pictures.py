"""The pictures a command explains, opened as benchmarks open them."""

from __future__ import annotations

import argparse

from pruneattr_core.benchmarks.sources import Opened, chosen, open_source
from pruneattr_core.commands.arguments import add_device, add_json, add_seed, add_threads, count, use_threads
from pruneattr_core.commands.source import add_source, source_of


def add_pictures(parser: argparse.ArgumentParser, n: int) -> None:
    """Declare source, --n, --seed, --device, --threads and --json."""
    add_source(parser)
    parser.add_argument("--n", type=count, default=n, help="number of pictures (default %(default)s)")
    add_seed(parser, "the choice of pictures and of what is random")
    add_device(parser)
    add_threads(parser)
    add_json(parser)


def open_pictures(arguments: argparse.Namespace) -> tuple[Opened, list[int]]:
    """What the arguments name, and the indices of the pictures."""
    use_threads(arguments)
    opened = open_source(source_of(arguments))
    return opened, chosen(opened.data, arguments.n, arguments.seed)
