"""The argument that says what removed neurons become, for commands that judge a circuit."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from pruneattr_core.benchmarks.objects import without_object
from pruneattr_core.benchmarks.sources import Opened, chosen
from pruneattr_core.circuits.replacement import Unit, activations_of, mean_of, zero
from pruneattr_core.commands.arguments import count
from pruneattr_core.errors import InputError
from pruneattr_core.pruning import Replacement

NAMES = ("zero", "mean", "channel mean", "resample", "counterfactual")


def add_replacement(parser: argparse.ArgumentParser) -> None:
    """Declare --replacement and --reference."""
    parser.add_argument("--replacement", choices=NAMES, default="zero", help="(default %(default)s)")
    parser.add_argument(
        "--reference", type=count, default=32, help="pictures of a mean, none explained (default %(default)s)"
    )


def reference_of(arguments: argparse.Namespace, opened: Opened, explained: list[int]) -> list[int]:
    """Pictures that are not explained, --reference of them or fewer where there are no more."""
    wanted = len(explained) + arguments.reference
    others = [i for i in chosen(opened.data, wanted, arguments.seed + 1) if i not in set(explained)]
    return others[: arguments.reference]


def replacement_of(
    arguments: argparse.Namespace, opened: Opened, explained: list[int], index: int
) -> Replacement:
    """What was asked for; see `baseline_of`."""
    return baseline_of(arguments, opened, explained, index)[0]


def baseline_of(
    arguments: argparse.Namespace, opened: Opened, explained: list[int], index: int
) -> tuple[Replacement, Tensor | None]:
    """What stands for the activations and for the picture, None for zero; of pictures not explained.

    Raises:
        InputError: every picture is explained, or nobody knows where the object of this one is.
    """
    if arguments.replacement == "zero":
        return zero(opened.model, opened.inputs([index])), None
    if arguments.replacement == "counterfactual":
        picture = without_object(opened.data, index, opened.card).to(opened.device)
        return activations_of(opened.model, picture, "counterfactual"), picture
    others = reference_of(arguments, opened, explained)
    if not others:
        raise InputError("Every picture is explained, none is left to replace activations from: lower --n.")
    if arguments.replacement == "resample":
        picture = opened.inputs(others[:1])
        return activations_of(opened.model, picture), picture
    unit: Unit = "channel" if arguments.replacement == "channel mean" else "neuron"
    mean = mean_of(opened.model, (opened.inputs([index]) for index in others), unit)
    return mean, torch.stack([opened.inputs([index]) for index in others]).mean(0)
