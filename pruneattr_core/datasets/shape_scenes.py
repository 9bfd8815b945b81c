"""A stretch of the endless series of shape scenes, as a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from PIL import Image

from pruneattr_core.datasets.base import Sample
from pruneattr_core.scenes import SHAPES, scene

#: A series of its own, so that what is shown was not trained on.
SHOWN_SEED = 2026


class ShapeScenes:
    """Scenes 0 to count-1 of one series, one labelled shape each, with its mask.

    Args:
        count: how many.
        seed: of the series.
        size: side in pixels.
    """

    id = "scenes"
    title = "Shape scenes (generated)"
    classes = SHAPES

    def __init__(self, count: int = 1000, seed: int = SHOWN_SEED, size: int = 128) -> None:
        self._count, self._seed, self._size = count, seed, size
        self.problems: Mapping[str, str] = {}

    def __len__(self) -> int:
        """Number of samples."""
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        place = range(self._count)[index]
        drawn = scene(place, self._seed, self._size)
        name = f"{place:04d} {SHAPES[drawn.labels[0]]}"
        return Sample(Image.fromarray(drawn.image), name, drawn.labels, drawn.masks[0])

    def data_hash(self) -> str:
        """SHA-256 over the arguments and the pixels of the first eight scenes, as proof of the generator."""
        digest = hashlib.sha256(repr((self._count, self._seed, self._size)).encode())
        for place in range(min(8, self._count)):
            digest.update(scene(place, self._seed, self._size).image.tobytes())
        return digest.hexdigest()
