"""Which data sets are there, and how to open one."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pruneattr_core.datasets.base import Dataset
from pruneattr_core.datasets.cifar10 import TITLE, OriginalCifar10, PackedCifar10
from pruneattr_core.datasets.folder import FolderDataset
from pruneattr_core.datasets.papers import Birdsnap, ImageNetValidation
from pruneattr_core.datasets.samples import SamplePhotographs
from pruneattr_core.datasets.shape_scenes import ShapeScenes
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of

ENVIRONMENT = "PRUNEATTR_DATA"
#: A folder of pictures of one's own, which then stands among the data sets as "folder".
OWN_FOLDER = "PRUNEATTR_PICTURES"

#: id: (folder inside the data root, title) of the data sets that are folders of pictures.
_FOLDERS = {
    "imagenet-samples": ("imagenet_samples", "ImageNet photographs"),
    "davis2016": ("masks/davis2016", "DAVIS 2016 (photographs with object masks)"),
}
#: id: folder inside the data root, of the papers' data sets in their authors' layout.
_PAPERS = {"cifar10": "cifar10", "imagenet-val": "imagenet_val", "birdsnap": "birdsnap"}
_ALWAYS: dict[str, Callable[[], Dataset]] = {
    "scenes": ShapeScenes,
    "samples": SamplePhotographs,
    "scenes-marked": partial(ShapeScenes, marked=True),
}


def find_data_root() -> Path | None:
    """The folder with optional data: $PRUNEATTR_DATA, else `shared/data` beside the repository, else None.

    Raises:
        InputError: $PRUNEATTR_DATA names no folder.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        if not Path(named).is_dir():
            raise InputError(f"{ENVIRONMENT} is {named!r}, which is no folder: correct or unset it.")
        return Path(named)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return beside if beside.is_dir() else None


def list_datasets(root: str | Path | None = None) -> tuple[str, ...]:
    """Ids that `load_dataset` takes without a folder: those always there, then what `root` holds.

    Args:
        root: a data root; None takes `find_data_root()`.
    """
    base = find_data_root() if root is None else Path(root)
    own = ("folder",) if os.environ.get(OWN_FOLDER) else ()
    if base is None:
        return (*_ALWAYS, *own)
    found = [name for name, (folder, _) in _FOLDERS.items() if (base / folder).is_dir()]
    found += [name for name, folder in _PAPERS.items() if (base / folder).is_dir()]
    return (*_ALWAYS, *own, *found)


def load_dataset(name: str, root: str | Path | None = None, split: str = "test") -> Dataset:
    """Open a data set; pictures are decoded when they are asked for.

    Args:
        name: "scenes", "samples", "scenes-marked", "imagenet-samples", "davis2016", "cifar10",
            "imagenet-val", "birdsnap" or "folder".
        root: for "folder" the folder itself, None for $PRUNEATTR_PICTURES; for the others a data root or the
            data set's own folder, None takes `find_data_root()`. CIFAR-10 may have torchvision's layout, be
            packed, or be class folders; for ImageNet and Birdsnap see `datasets/papers.py`.
        split: "train" or "test", for CIFAR-10, Birdsnap and folders that hold `train` and `test` or `val`;
            the scenes to train on are another series.

    Raises:
        InputError: there is no such data set, it is not where it should be, or it is damaged.
    """
    if not is_one_of(name, (*_ALWAYS, "folder", *_PAPERS, *_FOLDERS)):
        raise InputError(
            f"There is no data set {str(name)[:60]!r}: choose {', '.join(list_datasets())} or folder."
        )
    if split == "train" and name in ("samples", "scenes-marked", "imagenet-val", *_FOLDERS):
        raise InputError(f"{name} has no pictures to learn from: take cifar10, birdsnap, scenes or a folder.")
    if name in _ALWAYS:
        return ShapeScenes(seed=0) if split == "train" and name == "scenes" else _ALWAYS[name]()
    if name == "folder":
        own = root or os.environ.get(OWN_FOLDER)
        if not own:
            raise InputError(
                f"Expected the path of a folder: load_dataset('folder', root), or {OWN_FOLDER} that names it."
            )
        return FolderDataset(_split_of(Path(own), split))
    base = find_data_root() if root is None else Path(root)
    if base is None:
        raise InputError(
            f"{name} needs its data: give root, or set {ENVIRONMENT} to the folder that holds it."
        )
    inside = _PAPERS[name] if name in _PAPERS else _FOLDERS[name][0]
    place = base / inside if (base / inside).is_dir() else base
    if name == "cifar10":
        return _cifar10(place, split)
    if name == "imagenet-val":
        return ImageNetValidation(place)
    return Birdsnap(place, split) if name == "birdsnap" else FolderDataset(place, name, _FOLDERS[name][1])


def _split_of(place: Path, split: str) -> Path:
    """The folder of a split, where the folder is divided into splits; else the folder itself for "test"."""
    names = ("train",) if split == "train" else ("test", "val")
    found = next((place / name for name in names if (place / name).is_dir()), None)
    if found is None and split == "train":
        raise InputError(f"The folder {str(place)!r} has no folder 'train' with pictures to learn from.")
    return found or place


def _cifar10(place: Path, split: str) -> Dataset:
    if not is_one_of(split, ("train", "test")):
        raise InputError(f"Expected the split train or test, got {split!r}.")
    if (place / "cifar-10-batches-py").is_dir():
        return OriginalCifar10(place, split)
    if (place / f"{split}.npz").is_file():
        return PackedCifar10(place / f"{split}.npz")
    folder = place / split if (place / split).is_dir() else place
    return FolderDataset(folder, "cifar10", f"{TITLE} ({split})")
