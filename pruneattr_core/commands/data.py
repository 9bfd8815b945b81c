"""`data`: the sets of pictures that can be named here, and where others would be looked for.

With --save, some pictures of one as a network sees them, in a file: baselines of Expected Gradients.
"""

from __future__ import annotations

import argparse
import io
from contextlib import suppress
from pathlib import Path

import numpy as np

from pruneattr_core.benchmarks.sources import Opened, chosen, open_source
from pruneattr_core.commands.arguments import add_json, add_seed, count, show
from pruneattr_core.commands.network import add_network
from pruneattr_core.commands.source import source_of
from pruneattr_core.datasets import list_datasets, load_dataset
from pruneattr_core.datasets.opening import ENVIRONMENT, find_data_root
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.share.words import counted
from pruneattr_core.store import refuse_unwritable, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `data`."""
    parser.add_argument("--root", type=Path, help=f"where to look (default ${ENVIRONMENT})")
    parser.add_argument(
        "--save", type=Path, metavar="FILE.npy",
        help="write pictures of --data, normalised for --model, for expected_gradients:baselines=FILE.npy",
    )  # fmt: skip
    add_network(parser, "scenes-net", "of --save: ")
    parser.add_argument("--data", default="scenes", help="of --save (default scenes)")
    parser.add_argument("--n", type=count, default=64, help="pictures of --save (default 64)")
    add_seed(parser, "the pictures of --save")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a data set, with the number of its pictures; or save some of one."""
    if arguments.save is not None:
        return _save(arguments)
    root = arguments.root or find_data_root()
    records = []
    for name in list_datasets(root):
        found = load_dataset(name, root)
        records.append(
            {"id": name, "title": found.title, "pictures": len(found), "classes": len(found.classes)}
        )
    lines = [f"{one['id']:<18}{one['pictures']:>7} pictures  {one['title']}" for one in records]
    where = "nowhere else: no such folder is named" if root is None else f"in {root}"
    lines.append(f"looked {where} (--root, or ${ENVIRONMENT}); --data also takes any folder of pictures")
    show(arguments, "\n".join(lines), {"root": None if root is None else str(root), "data": records})
    return 0


def _save(arguments: argparse.Namespace) -> int:
    """Training pictures where the data set has some, else its own.

    Raises:
        StoreError: the file is not one to be made: it is there, cannot be written, or is no .npy by its name.
    """
    refuse_unwritable(arguments.save)
    if arguments.save.exists():
        raise StoreError(f"{arguments.save} is there, and would be lost: name another file.")
    if arguments.save.suffix != ".npy":
        raise StoreError(f"--save writes an array: expected a name that ends in .npy, got {arguments.save}.")
    arguments.device = "cpu"
    opened = open_source(source_of(arguments))
    with suppress(InputError):
        opened = Opened(opened.card, opened.model, opened.training)
    pictures = opened.inputs(chosen(opened.data, arguments.n, arguments.seed)).cpu().numpy()
    held = io.BytesIO()
    np.save(held, pictures)
    write_atomically(arguments.save, held.getvalue())
    line = f"wrote {counted(len(pictures), 'pictures')} of {opened.data.title} to {arguments.save}"
    if len(pictures) < arguments.n:
        line += f"; there are no more, {arguments.n} were asked for"
    record = {"file": str(arguments.save), "shape": list(pictures.shape), "asked": arguments.n}
    show(arguments, line, record)
    return 0
