"""Any folder of pictures: flat, sorted into class folders, or described by a labels.json."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.datasets.base import Sample, left_out
from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.images import WHOLE_PIXELS, check_image, decode_image, decode_mask, picture_bytes
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.models.imagenet import imagenet_classes

#: Of all that `decode_image` reads; for HEIC it says what is missing.
_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp"),
    *(".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"),
}
#: Lists of labels that other programs write and that are not read here.
_LISTS = ("labels.txt", "labels.csv")
#: Folders below the root in which files count: `masks/<class>`.
_DEEP = 2
_HEAD = 1 << 16
#: Classes of a data set: each is named, so that one wrong index would fill the memory.
_MOST = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One picture of a folder.

    Attributes:
        name: for people.
        file: its file.
        labels: indices of its classes.
        mask: file of its mask, or None.
    """

    name: str
    file: Path
    labels: tuple[int, ...]
    mask: Path | None


class FolderDataset:
    """The pictures of a folder, ordered by name.

    Layouts:
        flat: no labels.
        class folders: `<class>/<picture>`; classes in the order of their names, a folder `masks` is none.
        labels.json: {picture: {"index": 3, "name": "cat"}}, or {"imagenet_indices": [294]} with ImageNet's
            classes; with {"mask": file}, too. The pictures lie beside it or in `images`.
        All may have masks in a folder `masks`: `<picture>` or `<class>/<picture>`, with any ending.

    What is left out is named in `problems`: pictures whose header cannot be read or that lie where none is
    looked for, lists of labels that are not read, masks that are missing, of another size, damaged or of no
    picture. A picture whose mask is left out stays, without one. Damage behind a picture's header shows as
    ImageError when the sample is asked for, that of a mask then, too, in `problems`.

    Args:
        root: the folder.
        id: of the data set.
        title: of the data set.

    Raises:
        InputError: no such folder, none that can be read, no pictures in it, or a labels.json that is none.
    """

    def __init__(self, root: str | Path, id: str = "folder", title: str = "") -> None:
        self._root = Path(root)
        if not self._root.is_dir():
            raise InputError(f"There is no folder {str(root)!r}: check the path.")
        self.id, self.title = id, title or self._root.name
        self.problems: dict[str, str] = {}
        try:
            entries, self.classes = self._entries()
        except OSError as error:
            raise InputError(
                f"The folder {str(root)!r} cannot be read ({error.strerror}): check who may read it."
            ) from error
        self._found = [self._with_mask(entry) for entry in entries if self._readable(entry)]
        if not self._found:
            raise InputError(
                f"The folder {str(root)!r} holds no picture we can read "
                f"({left_out(self.problems) or '0 left out'}): put {', '.join(sorted(_SUFFIXES))} files "
                "into it."
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._found)

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        entry = self._found[index]
        try:
            image = decode_image(picture_bytes(entry.file), entry.name)
        except OSError as error:
            raise ImageError(_why(error, entry.name)) from error
        return Sample(image, entry.name, entry.labels, self._drawn(entry, image.size))

    def name(self, index: int) -> str:
        """See `Dataset`."""
        return self._found[index].name

    def content(self, index: int) -> tuple[str | None, ...]:
        """SHA-256 of the file of a picture, and of its mask where it has one; None of a file that has gone.

        A file is read once, and again when its size or time changes.
        """
        entry = self._found[index]
        return tuple(_content(file) for file in (entry.file, entry.mask) if file is not None)

    def data_hash(self) -> str:
        """SHA-256 over names, labels and file sizes, in order; pixels are not read."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for entry in self._found:
            sizes = [file.stat().st_size for file in (entry.file, entry.mask) if file is not None]
            digest.update(json.dumps([entry.name, entry.labels, sizes]).encode())
        return digest.hexdigest()

    def _readable(self, entry: Entry) -> bool:
        try:
            _size(entry.file, entry.name)
        except (ImageError, OSError) as error:
            self.problems[entry.name] = _why(error, entry.name)
            return False
        return True

    def _with_mask(self, entry: Entry) -> Entry:
        """The entry, without a mask that is not there, whose header cannot be read or tells another size."""
        if entry.mask is None:
            return entry
        try:
            width, height = _size(entry.file, entry.name)
            size = _size(entry.mask, entry.mask.name)
            # Pictures are turned upright and large ones made smaller: those are compared when decoded.
            if sorted(size) != sorted((width, height)) and width * height <= WHOLE_PIXELS:
                raise ImageError(_another_size(entry.name, size, (width, height)))
        except FileNotFoundError:
            said = f"The mask {entry.mask.name!r} of {entry.name!r} is not in the folder masks: put it there."
            self.problems[self._inside(entry.mask)] = said
        except (ImageError, OSError) as error:
            self.problems[self._inside(entry.mask)] = _why(error, self._inside(entry.mask))
        else:
            return entry
        return replace(entry, mask=None)

    def _drawn(self, entry: Entry, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        """The mask of a picture of that width and height; None, with a word in `problems`, where it fails."""
        if entry.mask is None:
            return None
        try:
            mask = decode_mask(picture_bytes(entry.mask), entry.mask.name)
            if mask.shape != size[::-1]:
                raise ImageError(_another_size(entry.name, mask.shape[::-1], size))
        except (ImageError, OSError) as error:
            self.problems[self._inside(entry.mask)] = _why(error, self._inside(entry.mask))
            return None
        return mask

    def _inside(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()

    def _entries(self) -> tuple[list[Entry], tuple[str, ...]]:
        described = self._root / "labels.json"
        if described.is_file():
            return self._described(described)
        for name in filter(lambda name: (self._root / name).is_file(), _LISTS):
            self.problems[name] = f"{name!r} is not read: classes are folders, or stand in labels.json."
        folders = [folder for folder in self._folders() if pictures_in(folder)]
        loose = pictures_in(self._root)
        pictures = (
            [(f"{folder.name}/{one.name}", one) for folder in folders for one in pictures_in(folder)]
            if folders
            else [(one.name, one) for one in loose]
        )
        if folders:
            self._leave_out(loose, "lies beside the folders of classes: put it into one of them")
        for folder in self._folders():
            deep = [one for place in _sorted(folder) if place.is_dir() for one in pictures_in(place)]
            self._leave_out(deep, "lies too deep: put it into a folder that stands in the first one")
        classes = {folder.name: label for label, folder in enumerate(folders)}
        masks = self._masks(pictures)
        return [
            Entry(name, file, (classes[file.parent.name],) if folders else (), masks.get(name))
            for name, file in pictures
        ], tuple(classes)

    def _folders(self) -> list[Path]:
        return [one for one in _sorted(self._root) if one.is_dir() and one.name.casefold() != "masks"]

    def _leave_out(self, files: list[Path], why: str) -> None:
        self.problems.update({self._inside(one): f"{self._inside(one)!r} {why}." for one in files})

    def _masks(self, pictures: list[tuple[str, Path]]) -> dict[str, Path]:
        """Names of pictures -> their masks, by the name without its ending; those of no picture are named."""
        place = self._mask_folder()
        if not place.is_dir():
            return {}
        inside = [folder for folder in _sorted(place) if folder.is_dir()]
        found = {f"{folder.name}/{file.stem}": file for folder in inside for file in pictures_in(folder)}
        found |= {file.stem: file for file in pictures_in(place)}
        stems = Counter(file.stem for _, file in pictures)
        fits = {}
        for name, file in pictures:
            whole, sole = name.removesuffix(file.suffix), stems[file.stem] == 1 or "/" not in name
            mask = found.get(whole) or (found.get(file.stem) if sole else None)
            if mask is not None:
                fits[name] = mask
        used = set(fits.values())
        self._leave_out(
            [file for file in found.values() if file not in used],
            "is the mask of no picture: call it like its picture, in a folder like that of its class",
        )
        return fits

    def _mask_folder(self) -> Path:
        """The folder `masks`, also with capitals."""
        named = [one for one in _sorted(self._root) if one.is_dir() and one.name.casefold() == "masks"]
        return next(iter(named), self._root / "masks")

    def _described(self, file: Path) -> tuple[list[Entry], tuple[str, ...]]:
        try:
            text = file.read_text("utf-8-sig")  # Windows writes a mark first
            records = json.loads(text, object_pairs_hook=_each_once)
            if not isinstance(records, dict):
                raise TypeError("no object at the top")
            known = {name: record for name, record in records.items() if isinstance(record, dict)}
            place = self._root / "images" if (self._root / "images").is_dir() else self._root
            pictures = [(one.name, one) for one in pictures_in(place)]
            named = {name: self._mask(record) for name, record in known.items()}
            masks = {} if any(named.values()) else self._masks(pictures)
            entries = [
                Entry(name, one, _labels(known.get(name, {})), named.get(name) or masks.get(name))
                for name, one in pictures
            ]
            self._undescribed(place, {name for name, _ in pictures}, set(known))
            return entries, _classes(known)
        except (ValueError, TypeError, RecursionError, OSError) as error:
            raise InputError(
                f"{file} is no description of pictures ({error}): correct or remove it."
            ) from error

    def _mask(self, record: dict[str, Any]) -> Path | None:
        if not record.get("mask"):
            return None
        return self._mask_folder() / Path(str(record["mask"])).name  # the name alone: stay inside the folder

    def _undescribed(self, place: Path, pictures: set[str], known: set[str]) -> None:
        """Name pictures where a labels.json looks for none, and names in it that are misspelt."""
        others = [folder for folder in self._folders() if folder != place]
        outside = [one for folder in others for one in pictures_in(folder)]
        outside += [] if place == self._root else pictures_in(self._root)
        where = "beside labels.json" if place == self._root else "in the folder images"
        self._leave_out(outside, f"is not looked for: with a labels.json, pictures lie {where}")
        strange, bare = sorted(known - pictures), sorted(pictures - known)
        if strange and bare:
            self.problems["labels.json"] = (
                f"labels.json describes {strange[0]!r}, which is not there, and not {bare[0]!r}: call each "
                "picture there as its file is called."
            )


def _size(file: Path, name: str) -> tuple[int, int]:
    """Width and height as a file's header states them.

    Raises:
        ImageError: as `check_image`.
        OSError: it cannot be read.
    """
    with file.open("rb") as data:
        head = data.read(_HEAD)
    try:
        return check_image(head, name)
    except ImageError:  # some headers are longer
        return check_image(picture_bytes(file), name)


def _why(error: ImageError | OSError, name: str) -> str:
    """One sentence, without the folders of this machine that the system's own would name."""
    if isinstance(error, ImageError):
        return str(error)
    return f"{name!r} cannot be read ({error.strerror}): check the folder."


def _another_size(name: str, given: tuple[int, ...], wanted: tuple[int, int]) -> str:
    return (
        f"The mask of {name!r} has {given[0]} x {given[1]} instead of {wanted[0]} x {wanted[1]} pixels: "
        "export it at the picture's size."
    )


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: file.name)


def pictures_in(folder: Path) -> list[Path]:
    """Files with a picture's suffix, by name."""
    return [file for file in _sorted(folder) if file.suffix.lower() in _SUFFIXES and file.is_file()]


def files_stamp(root: Path) -> str:
    """What changes when a file of a folder, or of folders in it, comes, goes or is written anew."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(root):
        if len(Path(place).relative_to(root).parts) >= _DEEP:
            folders.clear()
        folders.sort()
        for name in sorted(files):
            with suppress(OSError):  # it has gone meanwhile
                found = (Path(place) / name).stat()
                digest.update(f"{place}/{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _content(file: Path) -> str | None:
    try:
        return file_sha256(file)
    except OSError:
        return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which would keep the last of two values in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _labels(record: dict[str, Any]) -> tuple[int, ...]:
    given = record.get("imagenet_indices", [record["index"]] if "index" in record else [])
    labels = tuple(int(label) for label in given)
    if any(label < 0 for label in labels):
        raise ValueError("a class index is negative")
    if len(set(labels)) < len(labels):
        raise ValueError(f"the class indices {list(labels)} name one class twice")
    return labels


def _classes(records: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """ImageNet's names where the records speak of ImageNet, else the names they give."""
    if any("imagenet_indices" in record or "wnid" in record for record in records.values()):
        return imagenet_classes()
    numbered = [record for record in records.values() if "index" in record]
    given = [(int(record["index"]), str(record["name"])) for record in numbered if "name" in record]
    named = {int(record["index"]): str(record["index"]) for record in numbered} | dict(given)
    for index, name in given:
        if named[index] != name:
            raise ValueError(f"class {index} is called both {name!r} and {named[index]!r}")
    if max(named, default=0) >= _MOST:
        raise ValueError(f"a class index is {max(named)}, and they count from 0 without large gaps")
    return tuple(named.get(label, f"class {label}") for label in range(max(named, default=-1) + 1))
