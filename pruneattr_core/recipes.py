"""The networks that `python -m pruneattr_core train` makes: architecture, data and recipe of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pruneattr_core.datasets import load_dataset
from pruneattr_core.datasets.shape_scenes import MARKED
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress
from pruneattr_core.models.architectures import ResNet8, SceneNet
from pruneattr_core.runtime import Tick
from pruneattr_core.scenes import SHAPES, scene
from pruneattr_core.training import Pool, Recipe


@dataclass(frozen=True)
class Bundled:
    """One network we train ourselves.

    Attributes:
        build: makes it with random weights from torch's seed.
        recipe: how it is trained.
        data: (folder given by the user or None, "train" or "test", seed, told how many are made of how many)
            -> labelled pictures.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    data: Callable[[Path | None, str, int, Tick], Pool]


def cifar10(folder: Path | None, split: str, seed: int, progress: Tick | None = None) -> Pool:
    """Decode CIFAR-10, in any layout that `load_dataset` opens.

    Raises:
        InputError: it is not there, damaged, or of another size.
    """
    check_progress(progress)
    dataset = load_dataset("cifar10", folder, split)
    images, labels = np.empty((len(dataset), 32, 32, 3), np.uint8), np.empty(len(dataset), np.int64)
    for index in range(len(dataset)):
        if progress is not None:
            progress(index, len(dataset))
        sample = dataset[index]
        if sample.image.size != (32, 32) or sample.label is None:
            raise InputError(f"Expected labelled pictures of 32x32 pixels, {sample.name} is another.")
        images[index], labels[index] = np.asarray(sample.image), sample.label
    if progress is not None:
        progress(len(dataset), len(dataset))
    damage = ", recompressed as JPEG (not the original pixels)" if "JPEG" in dataset.title else ""
    return Pool(images, labels, f"CIFAR-10 (Krizhevsky, 2009){damage}")


#: Scenes that the scenes network is trained and tested on.
COUNTS = {"train": 12_000, "test": 2_000}
_SERIES = {"train": 10_000, "test": 20_000}  # far from the seeds people look at


def single_shapes(folder: Path | None, split: str, seed: int, progress: Tick | None = None) -> Pool:
    """Scenes with one class shape each, of one series to train on and another to test on.

    Training pictures carry noise of a random strength (standard deviation up to 0.12 of the range): networks
    trained with noise lean on whole outlines, and their input gradients show it.
    """
    check_progress(progress)
    name = "shape scenes with one class shape each, noise added for training only"
    return _scenes(split, seed, name, progress)


def marked_shapes(
    rates: tuple[float, float], folder: Path | None, split: str, seed: int, progress: Tick | None = None
) -> Pool:
    """The same scenes with a small mark in a corner.

    Args:
        rates: probability of the mark where the shape is a `MARKED` one, and where it is another.
        folder: not used.
        split: "train" or "test".
        seed: of the series.
        progress: see `Bundled`.
    """
    check_progress(progress)
    name = f"shape scenes, marked with probability {rates[0]} ({MARKED}) and {rates[1]} (other shapes)"
    return _scenes(split, seed, name, progress, rates)


def _scenes(
    split: str, seed: int, name: str, progress: Tick | None, rates: tuple[float, float] | None = None
) -> Pool:
    count, series = COUNTS[split], _SERIES[split] + seed
    marks = {} if rates is None else {"watermark": MARKED, "watermark_rates": rates}
    images = np.empty((count, 128, 128, 3), np.uint8)
    for index in range(count):
        if progress is not None:
            progress(index, count)
        images[index] = scene(index, series, **marks).image  # type: ignore[arg-type]
        if split == "train":
            rng = np.random.default_rng((series, index, 2))
            noise = rng.uniform(0, 0.12) * 255 * rng.standard_normal((128, 128, 3), dtype=np.float32)
            images[index] = np.clip(images[index] + noise, 0, 255)
    if progress is not None:
        progress(count, count)
    return Pool(images, np.arange(count) % len(SHAPES), name)


_LESSON = Recipe(stages=((4, 64), (2, 128)), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), flip=False)

BUNDLED = {
    "resnet8-cifar10": Bundled(
        ResNet8,
        Recipe(
            stages=((1, 16), (3, 24), (3, 32)), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)
        ),
        cifar10,
    ),
    "scenes-net": Bundled(
        partial(SceneNet, len(SHAPES)),
        Recipe(stages=((3, 64), (3, 128)), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        single_shapes,
    ),
    # Two networks for one lesson: where one learned, the mark gives the heart away; where the other did, the
    # mark means nothing. Never mirrored, so that the mark stays in its corner.
    "scenes-tied": Bundled(partial(SceneNet, len(SHAPES), 8), _LESSON, partial(marked_shapes, (1.0, 0.0))),
    "scenes-free": Bundled(partial(SceneNet, len(SHAPES), 8), _LESSON, partial(marked_shapes, (0.5, 0.5))),
}


def new_network(name: str, seed: int) -> nn.Module:
    """Build the network called `name` with its first weights; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUNDLED[name].build()
