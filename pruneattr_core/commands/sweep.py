"""`sweep`: what the pruned network still answers at places of the dial that are named."""

from __future__ import annotations

import argparse
from pathlib import Path

from pruneattr_core import PruneGrad
from pruneattr_core.commands.arguments import share, show, use_threads
from pruneattr_core.commands.looking import (
    add_looking,
    add_out,
    add_pruning,
    add_region,
    asked_for,
    read_photo,
)
from pruneattr_core.commands.network import network_of
from pruneattr_core.commands.progress import Progress
from pruneattr_core.runtime import device_for
from pruneattr_core.share.live import check_out
from pruneattr_core.show import sweep_view

_LEVELS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photo", type=Path, help="a picture file")
    parser.add_argument(
        "--levels", type=share, nargs="+", default=_LEVELS, metavar="S",
        help=f"sparsities (default {' '.join(f'{level:g}' for level in _LEVELS)})",
    )  # fmt: skip
    parser.add_argument(
        "--of", choices=("contributing", "all"), default="contributing", help="what S is a share of"
    )
    add_pruning(parser)
    add_looking(parser)
    add_region(parser)
    add_out(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Prune to every level, print a line each, and write the view if asked to."""
    use_threads(arguments)
    if arguments.out is not None:
        check_out(arguments.out)
    image = read_photo(arguments.photo)
    network, card = network_of(arguments)
    found = PruneGrad(network).sweep(
        card.preprocess(image).to(device_for(arguments.device)), asked_for(arguments, card, image),
        arguments.levels, arguments.mode, arguments.contribution, of=arguments.of, progress=Progress("maps"),
    )  # fmt: skip
    view = sweep_view(found, card, picture=arguments.photo.name, contribution=arguments.contribution)
    levels = [view.at(k) for k in range(len(view.sweep.sparsity))]
    lines = [
        view.title,
        f"of contributing   of all  change   {'value' if view.sweep.valued else 'p    '}  answer",
    ]
    lines += [
        f"{one['sparsity_of_contributing']:15.4f} {one['sparsity']:8.4f} {one['output_change']:7.3f} "
        f"{one['probability']:7.4f}  {one['answer']}"
        for one in levels
    ]
    record = {**view.settings, "levels": levels}
    if arguments.out is not None:
        view.save(arguments.out)
        lines.append(str(arguments.out))
        record["file"] = str(arguments.out)
    show(arguments, "\n".join(lines), record)
    return 0
