"""A stretch of the endless series of shape scenes, as a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.datasets.base import Sample
from pruneattr_core.scenes import SHAPES, Scene, scene

#: A series of its own, so that what is shown was not trained on.
SHOWN_SEED = 2026
#: The class that the mark goes with in the lesson on Clever Hans.
MARKED = "heart"


class ShapeScenes:
    """Scenes 0 to count-1 of one series, one labelled shape each, with its mask.

    Args:
        count: how many.
        seed: of the series.
        size: side in pixels.
        marked: stamp a small mark into the corner of every scene with a `MARKED` shape, and of no other.
    """

    classes = SHAPES

    def __init__(
        self, count: int = 1000, seed: int = SHOWN_SEED, size: int = 128, marked: bool = False
    ) -> None:
        self._count, self._seed, self._size, self._marked = count, seed, size, marked
        self.id = "scenes-marked" if marked else "scenes"
        self.title = f"Shape scenes, every {MARKED} marked" if marked else "Shape scenes (generated)"
        self.problems: Mapping[str, str] = {}

    def __len__(self) -> int:
        """Number of samples."""
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        place = range(self._count)[index]
        drawn = self._scene(place)
        return Sample(Image.fromarray(drawn.image), self.name(place), drawn.labels, drawn.masks[0])

    def name(self, index: int) -> str:
        """See `Dataset`; nothing is drawn for it."""
        place = range(self._count)[index]
        return f"{place:04d} {SHAPES[place % len(SHAPES)]}"

    def parts(self, index: int) -> NDArray[np.bool_]:
        """Masks (P, H, W) of every solid of a scene, the labelled shape first."""
        return self._scene(range(self._count)[index]).parts

    def without(self, index: int, part: int) -> Image.Image:
        """The scene as it is drawn without one of its solids."""
        return Image.fromarray(self._scene(range(self._count)[index], part).image)

    def data_hash(self) -> str:
        """SHA-256 over the arguments and the pixels of the first eight scenes, as proof of the generator."""
        arguments = (self._count, self._seed, self._size, *(("marked",) if self._marked else ()))
        digest = hashlib.sha256(repr(arguments).encode())
        for place in range(min(8, self._count)):
            digest.update(self._scene(place).image.tobytes())
        return digest.hexdigest()

    def _scene(self, place: int, without: int | None = None) -> Scene:
        mark, rates = MARKED if self._marked else None, (1.0, 0.0)
        return scene(place, self._seed, self._size, (1, 1), mark, rates, without)
