"""CIFAR-10 in the two layouts that are not folders of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from pruneattr_core.datasets.base import Sample
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image
from pruneattr_core.importing import one_at_a_time

TITLE = "CIFAR-10"


class PackedCifar10:
    """CIFAR-10 as JPEG records in `<split>.npz`: header, data, offsets, labels, classes.

    Args:
        file: the packed file.

    Raises:
        InputError: the file is not of that format.
    """

    id = "cifar10"

    def __init__(self, file: Path) -> None:
        try:
            with file.open("rb") as data, np.load(data, allow_pickle=False) as packed:
                self._header = packed["header"].tobytes()
                self._data = packed["data"]
                self._offsets, self._labels = packed["offsets"], packed["labels"]
                self.classes = tuple(str(name) for name in packed["classes"])
                if len(self._offsets) != len(self._labels) + 1 or self._labels.max() >= len(self.classes):
                    raise ValueError("records, labels and classes do not match")
        except Exception as error:  # numpy raises anything from KeyError to BadZipFile on bad bytes
            raise InputError(f"{file.name} is no packed CIFAR-10 file ({error}): copy it again.") from error
        self.title = f"{TITLE} ({file.stem}, JPEG)"
        self.problems: Mapping[str, str] = {}

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        place = range(len(self))[index]
        record = self._data[self._offsets[place] : self._offsets[place + 1]].tobytes()
        label = int(self._labels[place])
        name = self.name(place)
        return Sample(decode_image(self._header + record, name), name, (label,))

    def name(self, index: int) -> str:
        """See `Dataset`."""
        place = range(len(self))[index]
        return f"{place:05d} {self.classes[int(self._labels[place])]}"

    def data_hash(self) -> str:
        """SHA-256 over header, records, offsets and labels."""
        digest = hashlib.sha256(self._header)
        for part in (self._data, self._offsets, self._labels):
            digest.update(part.tobytes())
        return digest.hexdigest()


class OriginalCifar10:
    """CIFAR-10 as its authors publish it, read (and checked by MD5) by torchvision; never downloaded.

    Args:
        root: the folder that holds `cifar-10-batches-py`.
        split: "train" or "test".

    Raises:
        InputError: files are missing or damaged.
    """

    id = "cifar10"

    def __init__(self, root: Path, split: str) -> None:
        with one_at_a_time:
            from torchvision.datasets import CIFAR10

        try:
            found = CIFAR10(str(root), train=split == "train", download=False)
        except (RuntimeError, OSError) as error:
            raise InputError(f"CIFAR-10 in {root} is incomplete or damaged: download it again.") from error
        self._images, self._labels = found.data, found.targets
        self.classes = tuple(found.classes)
        self.title = f"{TITLE} ({split})"
        self.problems: Mapping[str, str] = {}

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        place = range(len(self))[index]
        label = int(self._labels[place])
        return Sample(Image.fromarray(self._images[place]), self.name(place), (label,))

    def name(self, index: int) -> str:
        """See `Dataset`."""
        place = range(len(self))[index]
        return f"{place:05d} {self.classes[int(self._labels[place])]}"

    def data_hash(self) -> str:
        """SHA-256 over pixels and labels."""
        digest = hashlib.sha256(self._images.tobytes())
        digest.update(np.asarray(self._labels, np.int64).tobytes())
        return digest.hexdigest()
