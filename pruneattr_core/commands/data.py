"""`data`: the sets of pictures that can be named here, and where others would be looked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from pruneattr_core.commands.arguments import add_json, show
from pruneattr_core.datasets import list_datasets, load_dataset
from pruneattr_core.datasets.opening import ENVIRONMENT, find_data_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `data`."""
    parser.add_argument("--root", type=Path, help=f"where to look (default ${ENVIRONMENT})")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a data set, with the number of its pictures."""
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
