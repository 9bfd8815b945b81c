"""What the commands share that look at photographs: network, class, device, and where the result goes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from pruneattr_core.commands.arguments import add_device, add_json, add_threads, number
from pruneattr_core.commands.naming import class_called
from pruneattr_core.commands.network import add_network, network_of
from pruneattr_core.errors import InputError
from pruneattr_core.heads import head_of, outputs_in, yes
from pruneattr_core.images import decode_image, picture_bytes
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Response, Target, difference, group, region
from pruneattr_core.runtime import device_for
from pruneattr_core.share.live import KINDS
from pruneattr_core.share.way_back import RUNNER_UP


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --weights, --classes, --target, --instead-of, --device, --threads, --json."""
    add_network(parser, "efficientnet-lite0")
    parser.add_argument(
        "--target", metavar="CLASS",
        help="number or name of a class, or several as 3,5,7 for their mean (default: the predicted one)",
    )  # fmt: skip
    parser.add_argument(
        "--instead-of", metavar="CLASS",
        help="explain the difference to this class, or to the runner-up",
    )  # fmt: skip
    add_device(parser)
    add_threads(parser)
    add_json(parser)


def add_region(parser: argparse.ArgumentParser) -> None:
    """Declare --region."""
    parser.add_argument(
        "--region", metavar="WHERE",
        help="for a network that answers a map (segmentation): explain the class over a part of it; `answer` "
        "is where it is answered, X0,Y0,X1,Y1 a box in shares of the picture, else a picture, bright there",
    )  # fmt: skip


def region_of(arguments: argparse.Namespace, card: ModelCard, image: Image.Image) -> Response:
    """What --target and --region say of one picture.

    Raises:
        InputError: a network that answers no map, classes beside a region, or a region without any place.
    """
    target = _classes(arguments.target, card)
    if isinstance(target, tuple) or arguments.instead_of is not None:
        raise InputError("--region explains one class: give one as --target, and no --instead-of.")
    network, _ = network_of(arguments)
    with torch.inference_mode():
        outputs = outputs_in(network(card.preprocess(image).to(device_for(arguments.device))), 1)
    if outputs.ndim != 4:
        raise InputError(
            f"--region is for networks that answer a map (1, K, H, W); {card.id} answers "
            f"{tuple(outputs.shape)}. Leave --region away."
        )
    size = tuple(outputs.shape[2:])
    if arguments.region == "answer":
        head = head_of(network, outputs)
        if head == "values":
            raise InputError(
                f"{card.id} answers values, and no class anywhere: give --region as a box or a picture."
            )
        answered = yes(outputs, head)[0].cpu()
        target = int(answered.flatten(1).sum(1).argmax()) if target is None else target
        mask = answered[target : target + 1].any(0)  # no map of a class that is not there
        nowhere = f"Class {target} is answered nowhere in this picture"
    else:
        mask, nowhere = _drawn(arguments.region, card, size), f"--region {arguments.region} holds no place"
    if not bool(mask.any()):
        raise InputError(f"{nowhere} of the map {size}. Name another class or region.")
    return region(mask, target)


def _drawn(text: str, card: ModelCard, size: tuple[int, ...]) -> Tensor:
    """Bool (H, W): a box in shares of the picture, or what is bright in a picture file."""
    try:
        left, top, right, bottom = (number(0, 1)(part.strip()) for part in text.split(","))
    except (ValueError, argparse.ArgumentTypeError):
        seen = torch.from_numpy(card.display(read_photo(Path(text))).copy()).float().mean(2)
        return F.interpolate(seen[None, None], size, mode="nearest-exact")[0, 0] > 127
    rows, columns = ((torch.arange(count) + 0.5) / count for count in size)
    inside = (top <= rows) & (rows <= bottom)
    return inside[:, None] & (left <= columns) & (columns <= right)


def _classes(text: str | None, card: ModelCard) -> int | tuple[int, ...] | None:
    """What --target names; a name may hold commas."""
    if text is None:
        return None
    whole = text.strip().casefold() in {name.casefold() for name in card.classes}
    parts = [text] if whole else text.split(",")
    found = tuple(class_called(part, card.classes, card.title) for part in parts)
    return found if len(found) > 1 else found[0]


def _other(text: str, card: ModelCard) -> int | None:
    return None if text == RUNNER_UP else class_called(text, card.classes, card.title)


def asked_for(arguments: argparse.Namespace, card: ModelCard, image: Image.Image | None = None) -> Target:
    """What --target, --instead-of and --region say, as the library takes it.

    Args:
        arguments: of the command.
        card: of the network.
        image: what is explained, where the command has --region.

    Raises:
        InputError: no class has that name, a group instead of another class, or as `region_of`.
    """
    if image is not None and arguments.region is not None:
        return region_of(arguments, card, image)
    target, other = _classes(arguments.target, card), arguments.instead_of
    if isinstance(target, tuple):
        if other is not None:
            raise InputError("--instead-of sets one class against another: give one class as --target.")
        return group(target) if len(set(target)) > 1 else target[0]
    return target if other is None else difference(target, _other(other, card))


def add_pruning(parser: argparse.ArgumentParser) -> None:
    """Declare --mode, --contribution."""
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
    if re.match(r"https?:/", str(file)):
        raise InputError("An address is not fetched: download the picture, and name the file.")
    try:
        data = picture_bytes(file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    return decode_image(data, file.name)
