"""The arguments that say which network looks at which pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.datasets import Dataset
from pruneattr_core.datasets.base import left_out


def add_source(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --weights, --data and --root."""
    parser.add_argument(
        "--model", required=True, help="identifier, see list_models(), or path/to/file.py:build"
    )
    parser.add_argument("--weights", type=Path, help="weights file of a local model")
    parser.add_argument(
        "--data", required=True, help="data set, see list_datasets(), or a folder of pictures"
    )
    parser.add_argument("--root", type=Path, help="where the data set lies")


def source_of(arguments: argparse.Namespace) -> Source:
    """What the arguments of `add_source` and --device name."""
    return Source(
        arguments.model,
        arguments.data,
        None if arguments.weights is None else str(arguments.weights),
        None if arguments.root is None else str(arguments.root),
        arguments.device,
    )


def tell_left_out(data: Dataset) -> None:
    """Say on stderr which files of a data set are left out, if any."""
    if said := left_out(data.problems):
        print(said, file=sys.stderr)
