"""`explain`: one photograph, explained at every place of the dial, as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pruneattr_core.commands.arguments import (
    add_device,
    add_json,
    add_threads,
    number,
    show,
    use_threads,
    whole,
)
from pruneattr_core.commands.progress import Progress
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image
from pruneattr_core.show import KINDS, check_out, explain_view
from pruneattr_core.ui.levels import START


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photo", type=Path, help="a picture file")
    parser.add_argument(
        "--model", default="efficientnet-lite0", help="a name of `models`, or path/to/file.py:build"
    )
    parser.add_argument(
        "--target", type=whole(0), metavar="CLASS", help="class index (default: the predicted one)"
    )
    parser.add_argument(
        "--sparsity",
        type=number(0, 1),
        default=START,
        metavar="S",
        help=f"level shown first (default {START})",
    )
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
    add_device(parser)
    add_threads(parser)
    add_json(parser)
    parser.add_argument("--out", type=Path, required=True, help=f"file to write: {', '.join(KINDS)}")


def run(arguments: argparse.Namespace) -> int:
    """Explain and write."""
    use_threads(arguments)
    check_out(arguments.out)
    try:
        data = arguments.photo.read_bytes()
    except OSError as error:
        raise InputError(f"{arguments.photo} cannot be read: {error.strerror}.") from error
    tell = Progress("maps")
    view = explain_view(
        arguments.model,
        decode_image(data, arguments.photo.name),
        arguments.target,
        sparsity=arguments.sparsity,
        of=arguments.of,
        mode=arguments.mode,
        contribution=arguments.contribution,
        picture=arguments.photo.name,
        device=arguments.device,
        progress=tell,
    )
    view.save(arguments.out)
    found = {"file": str(arguments.out), "target": view.settings["target_name"], **view.numbers()}
    show(arguments, f"{arguments.out}: {view.title}, probability {found['probability']:.3f}", found)
    return 0
