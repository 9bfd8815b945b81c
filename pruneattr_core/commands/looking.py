"""What the commands share that look at photographs: network, class, device, and where the result goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from pruneattr_core.commands.arguments import add_device, add_json, add_threads, whole
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image
from pruneattr_core.response import Target, difference, group
from pruneattr_core.share.live import KINDS
from pruneattr_core.ui.keys import RUNNER_UP


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --target, --instead-of, --device, --threads, --json."""
    parser.add_argument(
        "--model", default="efficientnet-lite0", help="a name of `models`, or path/to/file.py:build"
    )
    parser.add_argument(
        "--target", type=_classes, metavar="CLASS",
        help="class index, or several as 3,5,7 for their mean (default: the predicted one)",
    )  # fmt: skip
    parser.add_argument(
        "--instead-of", type=_other, metavar="CLASS",
        help="explain the difference to this class, or to the runner-up",
    )  # fmt: skip
    add_device(parser)
    add_threads(parser)
    add_json(parser)


def _classes(text: str) -> int | tuple[int, ...]:
    found = tuple(whole(0)(part.strip()) for part in text.split(","))
    return found if len(found) > 1 else found[0]


def _other(text: str) -> int | str:
    return text if text == RUNNER_UP else whole(0)(text)


def asked_for(arguments: argparse.Namespace) -> Target:
    """What --target and --instead-of say, as the library takes it.

    Raises:
        InputError: a group instead of another class.
    """
    target, other = arguments.target, arguments.instead_of
    if isinstance(target, tuple):
        if other is not None:
            raise InputError("--instead-of sets one class against another: give one class as --target.")
        return group(target)
    return target if other is None else difference(target, None if other == RUNNER_UP else other)


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
