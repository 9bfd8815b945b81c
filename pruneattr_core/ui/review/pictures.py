"""The pictures on the review desk: held-out scenes, or a folder with or without masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.compression import data
from pruneattr_core.datasets.folder import FolderDataset
from pruneattr_core.ui.jobs import Cache

SCENES = "scenes-shown"
#: Of pictures with their masks, kept for all sessions together.
_BYTES = 64 << 20
#: Series of scenes that no network was trained or measured on.
_SPLIT = "shown"


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture with its ground truth.

    Attributes:
        image: RGB.
        labels: classes of the networks that it shows; empty when nobody said.
        masks: class -> bool (H, W) of the picture's size; `ANY` holds for every class.
        name: for people.
    """

    image: Image.Image
    labels: tuple[int, ...]
    masks: dict[int, NDArray[np.bool_]]
    name: str

    def mask(self, target: int) -> NDArray[np.bool_] | None:
        """The pixels of one class, None where nobody drew them."""
        return self.masks.get(target, self.masks.get(ANY))


#: A mask that is not bound to a class.
ANY = -1


@st.cache_resource(show_spinner=False)
def _kept() -> Cache:
    """What names a picture -> `Shown`, for all sessions: each run of the desk shows some."""
    return Cache(_BYTES, lambda one: 3 * one.image.width * one.image.height * (1 + len(one.masks)))


def _once(key: Hashable, make: Callable[[], Shown]) -> Shown:
    found: Shown = _kept().once(key, make)
    return found


class Scenes:
    """Scenes with 1 to 3 objects, masks for every class.

    Args:
        count: how many.
        size: side in pixels.
    """

    title = "Held-out shape scenes (generated)"

    def __init__(self, count: int, size: int) -> None:
        self._found: Any = data.scenes_multilabel(_SPLIT, count, 0, size)
        self.id = f"{SCENES}-{size}"

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._found)

    def key(self, places: Iterable[int]) -> str:
        """Names some of them in keys of results."""
        return self.id

    def __getitem__(self, place: int) -> Shown:
        """See the class."""
        place = range(len(self))[place]

        def drawn() -> Shown:
            item = self._found[place]
            return Shown(Image.fromarray(item.image), item.labels, dict(item.masks), item.name)

        return _once((self.id, place), drawn)


class Folder:
    """A folder of the reader, see `FolderDataset`.

    Args:
        root: the folder.
        classes: of the networks; the folder's labels count where they have one of these names.

    Raises:
        InputError: no such folder, or no picture in it.
    """

    def __init__(self, root: str, classes: tuple[str, ...]) -> None:
        self._found = FolderDataset(root)
        self.title = self._found.title
        self.id = f"folder-{hashlib.sha256((root + self._found.data_hash()).encode()).hexdigest()[:12]}"
        self.problems = self._found.problems
        known = {name.casefold(): k for k, name in enumerate(classes)}
        self._class = {k: known.get(name.casefold()) for k, name in enumerate(self._found.classes)}
        # Labels hang on the networks' classes, and what a mask is left out for is told to this object.
        self._kept_as = object()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._found)

    def key(self, places: Iterable[int]) -> str:
        """Names some of them, by what is in their files, in keys of results."""
        contents = [self._found.content(place) for place in places]
        return f"{self.id} {hashlib.sha256(repr(contents).encode()).hexdigest()}"

    def __getitem__(self, place: int) -> Shown:
        """See the class.

        Raises:
            ImageError: the picture cannot be read.
        """
        place = range(len(self))[place]

        def read() -> Shown:
            sample = self._found[place]
            known = {k for label in sample.labels if (k := self._class.get(label)) is not None}
            masks = {} if sample.mask is None else {ANY: sample.mask}
            return Shown(sample.image, tuple(sorted(known)), masks, sample.name)

        return _once((self._kept_as, place, self._found.content(place)), read)


Pictures = Scenes | Folder
