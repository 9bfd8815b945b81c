"""`reproduce`: every figure of the papers beside ours, from the runs that are there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pruneattr_core.assets import ASSETS
from pruneattr_core.commands.arguments import add_json, show
from pruneattr_core.errors import InputError
from pruneattr_core.reproduction.page import all_claims, markdown, texts
from pruneattr_core.store import refuse_unwritable, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--runs", type=Path, default=ASSETS / "runs", help="folder with bench, paths and compression in it"
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the table."""
    if not any((arguments.runs / kind).is_dir() for kind in ("bench", "paths", "compression")):
        raise InputError(f"{arguments.runs} holds none of the folders bench, paths and compression.")
    if arguments.out is not None:
        refuse_unwritable(arguments.out)
    claims = all_claims(arguments.runs)
    text = markdown(claims)
    shown = text.rstrip("\n")
    record: dict[str, Any] = {"claims": [texts(claim) for claim in claims]}
    if arguments.out is not None:
        write_atomically(arguments.out, text.encode())
        shown, record["file"] = f"{arguments.out}: {text.partition(chr(10))[0]}", str(arguments.out)
    show(arguments, shown, record)
    return 0
