"""What the commands share that look at photographs: network, class, device, and where the result goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from pruneattr_core.commands.arguments import add_device, add_json, add_threads, whole
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image
from pruneattr_core.share.live import KINDS


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --target, --device, --threads, --json."""
    parser.add_argument(
        "--model", default="efficientnet-lite0", help="a name of `models`, or path/to/file.py:build"
    )
    parser.add_argument(
        "--target", type=whole(0), metavar="CLASS", help="class index (default: the predicted one)"
    )
    add_device(parser)
    add_threads(parser)
    add_json(parser)


def add_pruning(parser: argparse.ArgumentParser) -> None:
    """Declare --of, --mode, --contribution."""
    parser.add_argument(
        "--of", choices=("contributing", "all"), default="contributing", help="what S is a share of"
    )
    parser.add_argument(
        "--mode", choices=("zero", "freeze"), default="zero", help="what removed neurons become"
    )
    parser.add_argument(
        "--contribution",
        choices=("taylor", "intgrad_preview", "intgrad"),
        default="taylor",
        help="how neurons rank",
    )


def add_out(parser: argparse.ArgumentParser, required: bool) -> None:
    """Declare --out."""
    parser.add_argument("--out", type=Path, required=required, help=f"file to write: {', '.join(KINDS)}")


def read_photo(file: Path) -> Image.Image:
    """The picture in a file.

    Raises:
        InputError: the file cannot be read.
        ImageError: it is no picture.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    return decode_image(data, file.name)
