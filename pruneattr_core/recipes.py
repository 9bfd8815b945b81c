"""The networks that `python -m pruneattr_core train` makes: architecture, data and recipe of each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from pruneattr_core.errors import InputError
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.training import Pool, Recipe


@dataclass(frozen=True)
class Bundled:
    """One network we train ourselves.

    Attributes:
        build: makes it with random weights from torch's seed.
        recipe: how it is trained.
        data: (folder given by the user or None, "train" or "test", seed) -> labelled pictures.
        data_name: what those pictures are, for the card.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    data: Callable[[Path | None, str, int], Pool]
    data_name: str


def packed_cifar10(folder: Path | None, split: str, seed: int) -> Pool:
    """The packed JPEG files `train.npz` and `test.npz` of a folder, decoded.

    Raises:
        InputError: no folder given, or the file is not there or not of that format.
    """
    if folder is None:
        raise InputError("Training on CIFAR-10 needs --data FOLDER with train.npz and test.npz.")
    try:
        with np.load(folder / f"{split}.npz", allow_pickle=False) as packed:
            header, data = packed["header"].tobytes(), packed["data"].tobytes()
            offsets, labels = packed["offsets"], packed["labels"].astype(np.int64)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"Expected packed CIFAR-10 pictures in {folder / split}.npz: {error}") from error
    records = zip(offsets[:-1], offsets[1:], strict=True)
    images = np.stack([np.asarray(Image.open(io.BytesIO(header + data[a:b]))) for a, b in records])
    return Pool(images, labels)


BUNDLED = {
    "resnet8-cifar10": Bundled(
        ResNet8,
        Recipe(
            stages=((1, 16), (3, 24), (3, 32)), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)
        ),
        packed_cifar10,
        "CIFAR-10 recompressed as JPEG (quality 75, 4:2:0), not the original pixels; Krizhevsky, 2009",
    ),
}


def new_network(name: str, seed: int) -> nn.Module:
    """The network called `name` with its first weights; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUNDLED[name].build()
