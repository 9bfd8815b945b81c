"""Pictures of a compression study in memory, and how they enter a network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pruneattr_core.brief import brief
from pruneattr_core.compression.data import LabelledMasks
from pruneattr_core.given import check_progress


@dataclass(frozen=True, eq=False)
class Pool:
    """Pictures of one size with their classes.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: float32 (N, classes), 1 where the class is right.
        multi_label: see `LabelledMasks`.
        title: what they are.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        device: where batches are made, and so where networks learn from them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.float32]
    multi_label: bool
    title: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    device: str = "cpu"

    __repr__ = brief

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.images)

    @cached_property
    def _there(self) -> tuple[Tensor, Tensor]:
        """Pictures and classes on the device."""
        images, labels = np.ascontiguousarray(self.images), np.ascontiguousarray(self.labels)
        return torch.from_numpy(images).to(self.device), torch.from_numpy(labels).to(self.device)

    def batch(self, chosen: NDArray[np.int64], mirrored: NDArray[np.bool_] | None = None) -> Tensor:
        """Normalised pictures (B, 3, H, W), channels last; those marked in `mirrored` left to right."""
        images = self._there[0][torch.from_numpy(chosen).to(self.device)]
        if mirrored is not None:
            turned = torch.from_numpy(mirrored).to(self.device).view(-1, 1, 1, 1)
            images = torch.where(turned, images.flip(2), images)
        tensor = images.permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(one, device=self.device).view(1, 3, 1, 1) for one in (self.mean, self.std))
        return ((tensor - mean) / std).contiguous(memory_format=torch.channels_last)

    def targets(self, chosen: NDArray[np.int64]) -> Tensor:
        """float32 (B, classes), 1 where the class is right."""
        return self._there[1][torch.from_numpy(chosen).to(self.device)]

    def sha256(self) -> str:
        """SHA-256, in hexadecimal, over pixels, labels and normalisation."""
        digest = hashlib.sha256(repr((self.multi_label, self.mean, self.std, self.images.shape)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def pool(
    data: LabelledMasks,
    size: tuple[int, int],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pool:
    """Read `data`, each picture resized to `size` (height, width), bilinear and antialiased.

    Args:
        data: pictures with classes.
        size: (height, width).
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        limit: read at most so many, the first ones; None for all.
        progress: called with (pictures read, pictures in all).
    """
    check_progress(progress)
    count = len(data) if limit is None else min(limit, len(data))
    images = np.empty((count, *size, 3), np.uint8)
    labels = np.zeros((count, len(data.classes)), np.float32)
    for index in range(count):
        if progress is not None:
            progress(index, count)
        item = data[index]
        labels[index, list(item.labels)] = 1
        if item.image.shape[:2] == size:
            images[index] = item.image
        else:
            resized = Image.fromarray(item.image).resize(size[::-1], Image.Resampling.BILINEAR)
            images[index] = np.asarray(resized)
    if progress is not None:
        progress(count, count)
    return Pool(images, labels, data.multi_label, data.title, mean, std)
