"""`gallery`: a folder of explained pictures for any static host."""

from __future__ import annotations

import argparse
from pathlib import Path

from pruneattr_core.commands.arguments import add_json, add_threads, count, show, use_threads
from pruneattr_core.commands.left import left
from pruneattr_core.commands.progress import Progress
from pruneattr_core.gallery import build_gallery
from pruneattr_core.share.words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--out", type=Path, required=True, help="folder; a stopped build goes on in it")
    parser.add_argument("--n", type=count, default=30, metavar="N", help="pictures (default 30)")
    parser.add_argument(
        "--no-browser", action="store_true", help="without the page on which a network runs; needs no npm"
    )
    add_threads(parser)
    add_json(parser)


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption."""
    return left("Finished pages", arguments.out, "pictures/*.txt", "browser/*")


def run(arguments: argparse.Namespace) -> int:
    """Build it."""
    use_threads(arguments)
    index = build_gallery(arguments.out, arguments.n, not arguments.no_browser, Progress("pictures"))
    size = sum(file.stat().st_size for file in arguments.out.rglob("*") if file.is_file())
    show(
        arguments,
        f"{index}: {counted(arguments.n, 'pictures')}, {size / 1e6:.0f} MB; "
        "serve the folder with any web server",
        {"index": str(index), "pictures": arguments.n, "bytes": size},
    )
    return 0
