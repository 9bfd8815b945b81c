"""`explain`: one photograph, explained at every place of the dial, as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pruneattr_core.beside import BESIDE
from pruneattr_core.commands.arguments import positive, share, show, use_threads
from pruneattr_core.commands.looking import (
    add_looking,
    add_out,
    add_pruning,
    add_region,
    asked_for,
    read_photo,
)
from pruneattr_core.commands.network import network_of, own_files
from pruneattr_core.commands.progress import Progress
from pruneattr_core.models import model_card
from pruneattr_core.results.levels import DIALS, START
from pruneattr_core.share.live import check_out
from pruneattr_core.share.words import likelihood, likely
from pruneattr_core.show import explain_view


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photo", type=Path, help="a picture file")
    parser.add_argument(
        "--dial", type=_dial, default=(DIALS[0], START), metavar="[SCALE:]PLACE",
        help=f"where the slider stands first: a share of the contributing neurons (default {START}), all:0.7 "
        "of all neurons, or change:0.15 as the output change that is allowed",
    )  # fmt: skip
    add_pruning(parser)
    add_looking(parser)
    add_region(parser)
    parser.add_argument(
        "--beside", nargs="+", default=BESIDE, metavar="METHOD",
        help="methods that the file shows beside the slider, as `compare` takes them, or none (default "
        f"{' '.join(BESIDE)}, without those that do not fit)",
    )  # fmt: skip
    add_out(parser, required=True)


def run(arguments: argparse.Namespace) -> int:
    """Explain and write."""
    use_threads(arguments)
    check_out(arguments.out)
    image = read_photo(arguments.photo)
    weights, classes = own_files(arguments)
    card = model_card(arguments.model) if weights is None else network_of(arguments)[1]
    view = explain_view(
        arguments.model,
        image,
        asked_for(arguments, card, image),
        **_at(*arguments.dial),
        mode=arguments.mode,
        contribution=arguments.contribution,
        picture=arguments.photo.name,
        device=arguments.device,
        progress=Progress("maps"),
        weights=weights,
        classes=classes,
        beside=() if list(arguments.beside) == ["none"] else arguments.beside,
    )
    view.save(arguments.out)
    found = {"file": str(arguments.out), "target": view.settings["target_name"], **view.numbers()}
    removed = f"{100 * found['sparsity_of_contributing']:.4g} % of the contributing neurons removed"
    valued = view.sweep.valued
    number = likely(found["probability"], True) if valued else f"{found['probability']:.3f}"
    plain = ": still the plain gradient" if found["plain_gradient"] else ""
    at = f"{likelihood(valued).lower()} {number} with {removed}{plain}"
    show(arguments, f"{arguments.out}: {view.title}, {at}", found)
    return 0


def _dial(text: str) -> tuple[str, float]:
    """Scale and place of --dial."""
    scale, colon, place = text.rpartition(":")
    if colon and scale not in DIALS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(DIALS)} before the colon, got {text!r}")
    return scale or DIALS[0], (positive if scale == "change" else share)(place)


def _at(scale: str, place: float) -> dict[str, Any]:
    """The same as options of `explain_view`."""
    return {"output_change": place} if scale == "change" else {"sparsity": place, "of": scale}
