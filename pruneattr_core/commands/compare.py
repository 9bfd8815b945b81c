"""`compare`: several methods on the same photographs, by numbers, and side by side in a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from pruneattr_core.commands.arguments import show, use_threads
from pruneattr_core.commands.looking import add_looking, add_out, asked_for, read_photo
from pruneattr_core.commands.network import network_of
from pruneattr_core.commands.progress import Progress
from pruneattr_core.comparison import DEFAULT, compare
from pruneattr_core.runtime import device_for
from pruneattr_core.share.live import check_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photos", type=Path, nargs="+", metavar="photo", help="a picture file")
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD",
        help=f"names, with options as prunegrad:sparsity=0.9,mode=freeze (default {' '.join(DEFAULT)}, "
        "without those that do not fit)",
    )  # fmt: skip
    parser.add_argument(
        "--no-curves", action="store_true", help="remove no pixels: faster, and without the area of a curve"
    )
    add_looking(parser)
    add_out(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Compute, print a line a method, and write the grid if asked to."""
    use_threads(arguments)
    if arguments.out is not None:
        check_out(arguments.out)
    images = [read_photo(file) for file in arguments.photos]
    _tell_of_equals(arguments.photos, images)
    network, card = network_of(arguments)
    found = compare(
        network,
        torch.cat([card.preprocess(image) for image in images]).to(device_for(arguments.device)),
        arguments.methods,
        asked_for(arguments, card),
        card=card,
        titles=[file.name for file in arguments.photos],
        curves=not arguments.no_curves,
        progress=Progress("methods"),
    )
    rows = found.table()
    width = max(len(row["method"]) for row in rows)
    names = [name for name in rows[0] if name != "method" and any(row[name] is not None for row in rows)]
    lines = [f"{'':{width}}" + "".join(f"{name:>11}" for name in names)]
    for row in rows:
        numbers = ("-" if row[name] is None else f"{row[name]:.4g}" for name in names)
        lines.append(f"{row['method']:{width}}" + "".join(f"{text:>11}" for text in numbers))
    record = {**found.settings, **found.numbers()}
    if arguments.out is not None:
        found.save(arguments.out)
        lines.append(str(arguments.out))
        record["file"] = str(arguments.out)
    show(arguments, "\n".join(lines), record)
    return 0


def _tell_of_equals(files: Sequence[Path], images: Sequence[Image.Image]) -> None:
    seen: dict[tuple[tuple[int, int], bytes], Path] = {}
    for file, image in zip(files, images, strict=True):
        first = seen.setdefault((image.size, image.tobytes()), file)
        if first is not file:
            same = f"{file} stands" if first == file else f"{file} and {first} are one picture, which stands"
            print(f"{same} twice: the means count it twice.", file=sys.stderr)
