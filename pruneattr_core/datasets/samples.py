"""Photographs that come inside scikit-image and scikit-learn; nothing is downloaded or imported."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from pruneattr_core.datasets.base import Sample
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image

#: title: (package, file in it, credit)
_PHOTOGRAPHS: dict[str, tuple[str, str, str]] = {
    "Coffee cup": ("skimage", "data/coffee.png", "Rachel Michetti, CC0"),
    "Dahlia": ("sklearn", "datasets/images/flower.jpg", "vultilion, CC BY 2.0"),
    "Rocket": ("skimage", "data/rocket.jpg", "SpaceX, CC0"),
    "Cat": ("skimage", "data/chelsea.png", "Stéfan van der Walt, CC0"),
    "Astronaut": ("skimage", "data/astronaut.png", "NASA, public domain"),
    "Motorcycle": ("skimage", "data/motorcycle_left.png", "Daniel Scharstein (Middlebury 2014), CC0"),
    "Temple": ("sklearn", "datasets/images/china.jpg", "danielbuechele, CC BY 2.0"),
    "Cameraman": ("skimage", "data/camera.png", "Lav Varshney, CC0"),
}


class SamplePhotographs:
    """The sample photographs whose packages are installed, without labels.

    Raises:
        InputError: neither package is installed.
    """

    id = "samples"
    title = "Sample photographs"
    classes: tuple[str, ...] = ()

    def __init__(self) -> None:
        files = {name: _file(package, file) for name, (package, file, _) in _PHOTOGRAPHS.items()}
        self._files = {name: file for name, file in files.items() if file is not None}
        self.problems = {
            name: f"The photograph {name!r} needs the package {package}: install it."
            for name, (package, _, _) in _PHOTOGRAPHS.items()
            if name not in self._files
        }
        if not self._files:
            raise InputError("The sample photographs need scikit-image or scikit-learn: install one.")

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """See `Dataset`."""
        name, file = list(self._files.items())[index]
        return Sample(decode_image(file.read_bytes(), name), name, credit=_PHOTOGRAPHS[name][2])

    def name(self, index: int) -> str:
        """See `Dataset`."""
        return list(self._files)[index]

    def data_hash(self) -> str:
        """SHA-256 over names and files."""
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(name.encode() + file.read_bytes())
        return digest.hexdigest()


def _file(package: str, inside: str) -> Path | None:
    spec = find_spec(package)  # finds the folder without importing the package, which takes a second
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]) / inside
    return file if file.is_file() else None
