"""The papers' two large data sets as their authors publish them: ImageNet's validation set and Birdsnap.

Nothing is downloaded. Pictures that are not there are left out, so a part of a data set works too.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from pruneattr_core.datasets.folder import Entry, FolderDataset, pictures_in
from pruneattr_core.errors import InputError
from pruneattr_core.models.imagenet import imagenet_classes

_SYNSET = re.compile(r"n\d{8}")


class ImageNetValidation(FolderDataset):
    """ImageNet's validation pictures with the 1000 class indices that torchvision's networks use.

    Layouts, in `root`, its folder `val` or Kaggle's `ILSVRC/Data/CLS-LOC/val`:
        folders named by synset (n01440764): all 1000, or some with a list of all synsets;
        flat: `val.txt` ("ILSVRC2012_val_00000001.JPEG 65"), or Kaggle's `LOC_val_solution.csv` with a list.
    The list is `LOC_synset_mapping.txt` (one synset a line, in order) or `imagenet_class_index.json`. Both it
    and the labels lie in `root` or beside the pictures.

    Args:
        root: the folder.

    Raises:
        InputError: no pictures, or none whose class can be told.
    """

    def __init__(self, root: str | Path) -> None:
        super().__init__(root, "imagenet-val", "ImageNet (validation)")

    def _entries(self) -> tuple[list[Entry], tuple[str, ...]]:
        classes = imagenet_classes()
        places = [self._root / "ILSVRC" / "Data" / "CLS-LOC" / "val", self._root / "val", self._root]
        place = next(one for one in places if one.is_dir())
        folders = sorted(f.name for f in place.iterdir() if f.is_dir() and _SYNSET.fullmatch(f.name))
        if folders:
            numbers = self._numbers(place, folders)
            entries = [
                Entry(f"{name}/{file.name}", file, (numbers[name],), None)
                for name in folders
                if name in numbers
                for file in pictures_in(place / name)
            ]
        else:
            known = self._known(place)
            entries = [
                Entry(file.name, file, (known[file.stem],), None)
                for file in pictures_in(place)
                if file.stem in known
            ]
        if not entries or not all(0 <= entry.labels[0] < len(classes) for entry in entries):
            raise InputError(
                f"No picture in {str(self._root)!r} has a class that can be told: expected folders named by "
                "synset, or val.txt, or LOC_val_solution.csv."
            )
        return entries, classes

    def _file(self, place: Path, name: str) -> Path | None:
        return next((one for one in (self._root / name, place / name) if one.is_file()), None)

    def _numbers(self, place: Path, folders: list[str]) -> dict[str, int]:
        """Class index of every synset."""
        listed, indexed = (
            self._file(place, name) for name in ("LOC_synset_mapping.txt", "imagenet_class_index.json")
        )
        try:
            if listed is not None:
                names = [line.split()[0] for line in listed.read_text("utf-8").splitlines() if line.strip()]
                return {name: number for number, name in enumerate(names)}
            if indexed is not None:
                content = json.loads(indexed.read_text("utf-8"))
                return {str(pair[0]): int(number) for number, pair in content.items()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InputError(f"The list of synsets in {str(self._root)!r} is damaged ({error}).") from error
        if len(folders) == 1000:
            return {name: number for number, name in enumerate(folders)}
        raise InputError(
            f"{len(folders)} of ImageNet's 1000 class folders do not tell which classes they are: put "
            f"LOC_synset_mapping.txt or imagenet_class_index.json into {str(self._root)!r}."
        )

    def _known(self, place: Path) -> dict[str, int]:
        """Class index by the picture's name without suffix."""
        plain, kaggle = (self._file(place, name) for name in ("val.txt", "LOC_val_solution.csv"))
        try:
            if plain is not None:
                pairs = (line.split() for line in plain.read_text("utf-8").splitlines() if line.strip())
                return {Path(name).stem: int(number) for name, number in pairs}
            if kaggle is not None:
                numbers = self._numbers(place, [])
                with kaggle.open(encoding="utf-8", newline="") as lines:
                    return {
                        row["ImageId"]: numbers[row["PredictionString"].split()[0]]
                        for row in csv.DictReader(lines)
                    }
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            raise InputError(f"The labels in {str(self._root)!r} are damaged ({error!r}).") from error
        return {}


class Birdsnap(FolderDataset):
    """Birdsnap (Berg et al. 2014): 500 species; the test pictures that its authors list, or all others.

    Layout of the authors: `species.txt` (id, common, scientific, dir; separated by tabs), `test_images.txt`
    (one path a line under a head line), and the pictures in `download/images`, `images` or `root` itself, one
    folder per species. Once cut into `train` and `test` folders, any folder of pictures does.

    Args:
        root: the folder.
        split: "test" or "train".

    Raises:
        InputError: a list is missing or damaged, or there are no pictures.
    """

    def __init__(self, root: str | Path, split: str = "test") -> None:
        self._split = split
        super().__init__(root, "birdsnap", f"Birdsnap ({split})")

    def _entries(self) -> tuple[list[Entry], tuple[str, ...]]:
        try:
            with (self._root / "species.txt").open(encoding="utf-8", newline="") as lines:
                species = list(csv.DictReader(lines, delimiter="\t"))
            listed = (self._root / "test_images.txt").read_text("utf-8").splitlines()[1:]
            names, folders = [one["common"] for one in species], [one["dir"] for one in species]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{str(self._root)!r} lacks Birdsnap's species.txt or test_images.txt, or they are damaged "
                f"({type(error).__name__}): copy them from its authors."
            ) from error
        test = {line.strip() for line in listed}
        places = [self._root / "download" / "images", self._root / "images", self._root]
        place = next(one for one in places if one.is_dir())
        entries = []
        for number, folder in enumerate(folders):
            if not (place / Path(folder).name).is_dir():
                continue
            for file in pictures_in(place / Path(folder).name):
                name = f"{folder}/{file.name}"
                if (name in test) == (self._split == "test"):
                    entries.append(Entry(name, file, (number,), None))
        return entries, tuple(names)
