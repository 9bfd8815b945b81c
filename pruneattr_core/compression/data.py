"""Pictures with every class that is in them and, where known, the pixels of each class."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.brief import brief
from pruneattr_core.datasets import load_dataset
from pruneattr_core.datasets.base import Dataset
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of
from pruneattr_core.scenes import SHAPES, scene

#: First seed of the scenes to learn from, to be measured on, and to look at: never the same pictures.
SERIES = {"train": 30_000, "test": 40_000, "shown": 50_000}
#: Class shapes in one scene, fewest and most.
OBJECTS = (1, 3)

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)


@dataclass(frozen=True, eq=False)
class Item:
    """One picture with its ground truth.

    Attributes:
        image: uint8 (H, W, 3).
        labels: every class that is right for it, ascending.
        masks: class -> bool (H, W), its pixels; classes without a mask are left out.
        name: within its data.
    """

    image: NDArray[np.uint8]
    labels: tuple[int, ...]
    masks: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)
    name: str = ""

    __repr__ = brief


class LabelledMasks(Protocol):
    """A sequence of items in a fixed order.

    Attributes:
        title: for people.
        classes: names for the labels.
        multi_label: whether a picture may show several classes (a class is predicted when its logit is
            above 0) or exactly one (the largest logit).
    """

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def multi_label(self) -> bool: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Item:
        """The item at `index`.

        Raises:
            IndexError: there is none.
        """
        ...


class _Scenes:
    classes = SHAPES
    multi_label = True

    def __init__(self, split: str, count: int, seed: int, size: int) -> None:
        self.title = f"shape scenes of {OBJECTS[0]} to {OBJECTS[1]} objects, {split}"
        self._split, self._count, self._seed, self._size = split, count, SERIES[split] + seed, size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Item:
        place = range(self._count)[index]
        drawn = scene(place, self._seed, self._size, OBJECTS)
        order = np.argsort(drawn.labels)
        labels = tuple(int(drawn.labels[k]) for k in order)
        masks = {drawn.labels[k]: drawn.masks[k] for k in order}
        return Item(drawn.image, labels, masks, f"{place:05d} {' '.join(SHAPES[label] for label in labels)}")


def scenes_multilabel(split: str = "test", n: int = 1000, seed: int = 0, size: int = 64) -> LabelledMasks:
    """Shape scenes with 1 to 3 objects of different classes and exact masks.

    Args:
        split: "train", "test" or "shown": series that share no picture.
        n: how many.
        seed: below 10,000; another series of the same split.
        size: side in pixels.

    Raises:
        InputError: there is no such split.
    """
    if not is_one_of(split, SERIES):
        raise InputError(f"Expected a split out of {', '.join(SERIES)}, got {split!r}.")
    return _Scenes(split, n, seed, size)


class _Voc:
    classes = VOC_CLASSES
    multi_label = True

    def __init__(self, root: Path, split: str) -> None:
        with one_at_a_time:
            from torchvision.datasets import VOCDetection, VOCSegmentation

        kind = VOCDetection if split == "train" else VOCSegmentation
        try:
            self._found = kind(str(root), year="2012", image_set=split, download=False)
        except (RuntimeError, OSError, ValueError) as error:
            raise InputError(
                f"{root} holds no Pascal VOC 2012, {split}: expected VOCdevkit/VOC2012 in it, "
                "as torchvision.datasets.VOCSegmentation(root, download=True) unpacks it."
            ) from error
        self._split = split
        self.title = f"Pascal VOC 2012, {split}"

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: int) -> Item:
        place = range(len(self))[index]
        name = Path(self._found.images[place]).stem
        image = np.array(Image.open(self._found.images[place]).convert("RGB"))
        if self._split == "train":
            root = ElementTree.parse(self._found.annotations[place]).getroot()
            names = {(thing.findtext("name") or "").strip().lower() for thing in root.iter("object")}
            return Item(image, tuple(k for k, one in enumerate(VOC_CLASSES) if one in names), {}, name)
        painted = np.array(Image.open(self._found.masks[place]))  # 0 background, 255 border
        masks = {k: painted == k + 1 for k in range(len(VOC_CLASSES)) if (painted == k + 1).any()}
        return Item(image, tuple(masks), masks, name)


def voc2012(root: str | Path, split: str = "val") -> LabelledMasks:
    """Pascal VOC 2012 through torchvision, never downloaded; as AP uses it.

    Args:
        root: the folder that holds `VOCdevkit`.
        split: "train" for the 5,717 pictures with the classes of their boxes and no masks, "val" for the
            1,449 with segmentation, whose classes are those of the segmentation.

    Raises:
        InputError: it is not there.
    """
    return _Voc(Path(root), split)


class _Labelled:
    def __init__(self, found: Dataset, part: Sequence[int]) -> None:
        self._found, self._part = found, part
        self.title, self.classes = found.title, found.classes
        self.multi_label = any(len(found[k].labels) > 1 for k in part[:200])

    def __len__(self) -> int:
        return len(self._part)

    def __getitem__(self, index: int) -> Item:
        sample = self._found[self._part[index]]
        masks = {} if sample.mask is None or not sample.labels else {sample.labels[0]: sample.mask}
        return Item(np.array(sample.image), tuple(sorted(sample.labels)), masks, sample.name)


def cifar10(root: str | Path | None = None, split: str = "test") -> LabelledMasks:
    """CIFAR-10, one class a picture and no masks.

    Args:
        root: see `load_dataset`.
        split: "train" or "test".

    Raises:
        InputError: it is not there.
    """
    found = load_dataset("cifar10", root, split)
    return _Labelled(found, range(len(found)))


def folder(root: str | Path, split: str = "all") -> LabelledMasks:
    """The labelled pictures of a folder, with masks where its labels.json names them (see `FolderDataset`).

    Args:
        root: the folder.
        split: "all"; "test" for every fifth picture, "train" for the others.

    Raises:
        InputError: no such folder, or its pictures have no labels.
    """
    found = load_dataset("folder", root)
    if not found.classes:
        raise InputError(f"The pictures in {str(root)!r} have no classes: sort them into class folders.")
    parts = {
        "all": list(range(len(found))),
        "test": list(range(0, len(found), 5)),
        "train": [k for k in range(len(found)) if k % 5],
    }
    if not is_one_of(split, parts):
        raise InputError(f"Expected a split out of {', '.join(parts)}, got {split!r}.")
    return _Labelled(found, parts[split])
