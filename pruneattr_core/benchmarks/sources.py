"""Where a run's network and pictures come from: opened once per process, chosen by seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.datasets import Dataset, load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.models import ModelCard, open_model, weights_hash
from pruneattr_core.runtime import device_for

#: Data sets whose pictures may be passed on inside a run.
FREE_PICTURES = ("scenes", "samples", "scenes-marked")


@dataclass(frozen=True)
class Source:
    """Names of a network and a data set, enough to open them in another process.

    Attributes:
        model: identifier, see `list_models`.
        data: data set, or the path of a folder of pictures.
        weights: file for a local model.
        root: where the data set lies.
        device: "cpu", "cuda", "mps" or "auto".
        classes: file with the names of the classes of `weights`.
    """

    model: str
    data: str
    weights: str | None = None
    root: str | None = None
    device: str = "cpu"
    classes: str | None = None


@dataclass(frozen=True, eq=False)
class Opened:
    """A network and a data set.

    Attributes:
        card: of the model.
        model: frozen, in eval mode.
        data: the data set.
        source: what was opened; None where it has no name.
    """

    card: ModelCard
    model: nn.Module
    data: Dataset
    source: Source | None = None

    @cached_property
    def training(self) -> Dataset:
        """The split to learn from that belongs to the data set.

        Raises:
            InputError: the data set has none.
        """
        if self.source is None:
            raise InputError(f"{self.data.title} was opened without its training pictures.")
        return open_data(self.source.data, self.source.root, "train")

    @cached_property
    def weights(self) -> str:
        """SHA-256 of the network's state dict."""
        return weights_hash(self.model)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def inputs(self, indices: list[int]) -> Tensor:
        """Normalised pictures (B, 3, H, W) on the network's device."""
        return torch.cat([self.card.preprocess(self.data[i].image) for i in indices]).to(self.device)

    def predictions(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        """Predicted class of every picture, computed once, one picture at a time."""
        if indices not in self._predicted:
            with torch.no_grad():
                self._predicted[indices] = tuple(int(self.model(self.inputs([i])).argmax()) for i in indices)
        return self._predicted[indices]

    @cached_property
    def _predicted(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        return {}

    def labels(self, index: int) -> tuple[int, ...]:
        """Right classes as the network counts them; empty where none is known.

        Data set and network must name their classes alike: otherwise the numbers mean different things.
        """
        return self.data[index].labels if self.data.classes == self.card.classes else ()

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        """The object's mask on the pixels that the network sees: resized and cropped as the picture."""
        return mask_seen(self.card, self.data[index].mask)


@lru_cache(maxsize=1)
def open_source(source: Source) -> Opened:
    """Load network and data set; the last ones stay loaded in this process."""
    place = str(device_for(source.device))
    model, card = open_model(source.model, place, source.weights, classes=source.classes)
    return Opened(card, model, open_data(source.data, source.root), source)


def open_data(name: str, root: str | Path | None = None, split: str = "test") -> Dataset:
    """A data set by its id, or the pictures in a folder by its path."""
    if root is None and Path(name).is_dir():
        return load_dataset("folder", name, split)
    return load_dataset(name, root, split)


def chosen(data: Dataset, n: int, seed: int) -> list[int]:
    """Which pictures are used: `n` out of a seeded permutation, in ascending order.

    Raises:
        InputError: n < 1.
    """
    if n < 1:
        raise InputError(f"Expected --n of at least 1, got {n}.")
    return sorted(chosen_order(data, seed)[:n])


def chosen_order(data: Dataset, seed: int) -> list[int]:
    """All pictures in the order in which a seed takes them."""
    return [int(i) for i in np.random.default_rng(seed).permutation(len(data))]
