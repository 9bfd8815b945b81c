"""Any folder of pictures: flat, sorted into class folders, or described by a labels.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pruneattr_core.datasets.base import Sample
from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.images import check_image, decode_image, decode_mask
from pruneattr_core.models.imagenet import imagenet_classes

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
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
        Both may have masks beside them, `masks/<picture>` or `masks/<class>/<picture>` with any ending.
        labels.json: {picture: {"index": 3, "name": "cat"}}, or {"imagenet_indices": [294]} with ImageNet's
            classes; with {"mask": file} too where there is a folder `masks`. The pictures lie beside it or in
            `images`.

    Pictures whose header cannot be read, and masks that labels.json names but that are not there, are left
    out and named in `problems`; damage behind the header shows as ImageError when the sample is asked for.

    Args:
        root: the folder.
        id: of the data set.
        title: of the data set.

    Raises:
        InputError: no such folder, no pictures in it, or a labels.json that is none.
    """

    def __init__(self, root: str | Path, id: str = "folder", title: str = "") -> None:
        self._root = Path(root)
        if not self._root.is_dir():
            raise InputError(f"There is no folder {str(root)!r}: check the path.")
        self.id, self.title = id, title or self._root.name
        entries, self.classes = self._entries()
        self.problems: dict[str, str] = {}
        self._found = [self._with_mask(entry) for entry in entries if self._readable(entry)]
        if not self._found:
            raise InputError(
                f"The folder {str(root)!r} holds no picture we can read ({len(self.problems)} left out): "
                f"put {', '.join(sorted(_SUFFIXES))} files into it."
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._found)

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        entry = self._found[index]
        try:
            image = decode_image(entry.file.read_bytes(), entry.name)
            mask = None if entry.mask is None else decode_mask(entry.mask.read_bytes(), entry.mask.name)
        except OSError as error:
            raise ImageError(
                f"{entry.name!r} cannot be read ({error.strerror}): check the folder."
            ) from error
        if mask is not None and mask.shape != (image.height, image.width):
            given = f"{mask.shape[1]} x {mask.shape[0]} instead of {image.width} x {image.height}"
            raise ImageError(
                f"The mask of {entry.name!r} has {given} pixels: export it at the picture's size."
            )
        return Sample(image, entry.name, entry.labels, mask)

    def data_hash(self) -> str:
        """SHA-256 over names, labels and file sizes, in order; pixels are not read."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for entry in self._found:
            sizes = [file.stat().st_size for file in (entry.file, entry.mask) if file is not None]
            digest.update(json.dumps([entry.name, entry.labels, sizes]).encode())
        return digest.hexdigest()

    def _readable(self, entry: Entry) -> bool:
        try:
            with entry.file.open("rb") as data:
                head = data.read(_HEAD)
                try:
                    check_image(head, entry.name)
                except ImageError:  # some headers are longer
                    check_image(head + data.read(), entry.name)
        except (ImageError, OSError) as error:
            self.problems[entry.name] = str(error)
            return False
        return True

    def _with_mask(self, entry: Entry) -> Entry:
        if entry.mask is None or entry.mask.is_file():
            return entry
        self.problems[f"masks/{entry.mask.name}"] = (
            f"The mask {entry.mask.name!r} of {entry.name!r} is not in the folder masks: put it there."
        )
        return replace(entry, mask=None)

    def _entries(self) -> tuple[list[Entry], tuple[str, ...]]:
        described = self._root / "labels.json"
        if described.is_file():
            return self._described(described)
        inside = [one for one in _sorted(self._root) if one.is_dir() and one.name != "masks"]
        folders = [folder for folder in inside if pictures_in(folder)]
        masks = self._masks()
        if folders:
            entries = [
                Entry(f"{folder.name}/{file.name}", file, (label,), masks.get(f"{folder.name}/{file.stem}"))
                for label, folder in enumerate(folders)
                for file in pictures_in(folder)
            ]
            return entries, tuple(folder.name for folder in folders)
        return [Entry(file.name, file, (), masks.get(file.stem)) for file in pictures_in(self._root)], ()

    def _masks(self) -> dict[str, Path]:
        """Masks beside pictures: name without its ending, in a class folder after that folder's name."""
        place = self._root / "masks"
        if not place.is_dir():
            return {}
        inside = [folder for folder in _sorted(place) if folder.is_dir()]
        found = {f"{folder.name}/{file.stem}": file for folder in inside for file in pictures_in(folder)}
        return found | {file.stem: file for file in pictures_in(place)}

    def _described(self, file: Path) -> tuple[list[Entry], tuple[str, ...]]:
        try:
            text = file.read_text("utf-8-sig")  # Windows writes a mark first
            records = json.loads(text, object_pairs_hook=_each_once)
            if not isinstance(records, dict):
                raise TypeError("no object at the top")
            known = {name: record for name, record in records.items() if isinstance(record, dict)}
            pictures = self._root / "images" if (self._root / "images").is_dir() else self._root
            entries = [
                Entry(one.name, one, _labels(known.get(one.name, {})), self._mask(known.get(one.name, {})))
                for one in pictures_in(pictures)
            ]
            return entries, _classes(known)
        except (ValueError, TypeError, RecursionError, OSError) as error:
            raise InputError(
                f"{file} is no description of pictures ({error}): correct or remove it."
            ) from error

    def _mask(self, record: dict[str, Any]) -> Path | None:
        if not record.get("mask"):
            return None
        file = self._root / "masks" / Path(str(record["mask"])).name  # the name alone: stay inside the folder
        return file if file.parent.is_dir() else None


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: file.name)


def pictures_in(folder: Path) -> list[Path]:
    """Files with a picture's suffix, by name."""
    return [file for file in _sorted(folder) if file.suffix.lower() in _SUFFIXES and file.is_file()]


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
