"""`reproduce`: every figure of the papers beside ours, from the runs that are there."""

from __future__ import annotations

import argparse
from pathlib import Path

from pruneattr_core.assets import ASSETS
from pruneattr_core.reproduction.page import all_claims, markdown
from pruneattr_core.store import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--runs", type=Path, default=ASSETS / "runs", help="folder with bench, paths and compression in it"
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the table."""
    text = markdown(all_claims(arguments.runs))
    if arguments.out is None:
        print(text, end="")
    else:
        write_atomically(arguments.out, text.encode())
        print(f"{arguments.out}: {text.partition(chr(10))[0]}")
    return 0
