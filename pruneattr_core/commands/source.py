"""The arguments that say which network looks at which pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.commands.network import add_network, own_files
from pruneattr_core.datasets import Dataset
from pruneattr_core.datasets.base import left_out


def add_source(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --weights, --classes, --data and --root."""
    add_network(parser)
    parser.add_argument(
        "--data", required=True, help="data set, see list_datasets(), or a folder of pictures"
    )
    parser.add_argument("--root", type=Path, help="where the data set lies")


def source_of(arguments: argparse.Namespace) -> Source:
    """What the arguments of `add_source` and --device name.

    Raises:
        InputError: as for `own_files`.
    """
    weights, classes = own_files(arguments)
    root = None if arguments.root is None else str(arguments.root)
    return Source(arguments.model, arguments.data, weights, root, arguments.device, classes)


def tell_left_out(data: Dataset) -> None:
    """Say on stderr which files of a data set are left out, if any."""
    if said := left_out(data.problems):
        print(said, file=sys.stderr)
