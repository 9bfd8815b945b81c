"""Which network a command is about: a name, perhaps a file of weights, perhaps names of its classes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from torch import nn

from pruneattr_core.errors import InputError
from pruneattr_core.models import ModelCard, open_model
from pruneattr_core.runtime import device_for


def add_network(parser: argparse.ArgumentParser, default: str | None = None, of: str = "") -> None:
    """Declare --model, --weights and --classes.

    Args:
        parser: of the command.
        default: name of a network; None where one must be named.
        of: what the network is for, where the command has other uses; ends with a space.
    """
    named = "" if default is None else f" (default {default})"
    parser.add_argument(
        "--model", default=default, required=default is None, metavar="NAME",
        help=f"{of}a name of `models`, or path/to/file.py:build{named}",
    )  # fmt: skip
    add_own_files(parser, f"{of}weights of your own for the architecture of --model", of)


def add_own_files(parser: argparse.ArgumentParser, what: str, of: str = "") -> None:
    """Declare --weights, for `what`, and --classes; `of` as for `add_network`."""
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help=f"{what}: safetensors, or a PyTorch checkpoint"
    )
    parser.add_argument(
        "--classes", type=Path, metavar="FILE",
        help=f"{of}names of the classes of --weights: one a line, or JSON (default: those in the "
        "checkpoint or beside it)",
    )  # fmt: skip


def own_files(arguments: argparse.Namespace) -> tuple[str | None, str | None]:
    """(weights, classes) as `open_model` takes them.

    Raises:
        InputError: names without weights, or an address.
    """
    given = {"--weights": arguments.weights, "--classes": arguments.classes}
    for option, file in given.items():
        if re.match(r"https?:/", str(file)):
            raise InputError(f"An address is not fetched: download it, and name the file as {option}.")
    if arguments.weights is None and arguments.classes is not None:
        raise InputError("--classes names the classes of a weights file: give that as --weights, too.")
    weights, classes = (None if file is None else str(file) for file in given.values())
    return weights, classes


def network_of(arguments: argparse.Namespace) -> tuple[nn.Module, ModelCard]:
    """The network on --device, and its card.

    Raises:
        InputError: as for `own_files`, or the device is not there.
        ModelError, WeightsError: as for `open_model`.
    """
    weights, classes = own_files(arguments)
    return open_model(arguments.model, str(device_for(arguments.device)), weights, classes=classes)
