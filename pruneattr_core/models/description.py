"""What a repository of the hub says of its network, read with the care that a stranger's file needs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruneattr_core.errors import ModelError
from pruneattr_core.models.imagenet import imagenet_classes
from pruneattr_core.models.labels import class_name, numbered

_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
#: Of a file: bytes, values in one another, whole numbers.
_MAX_BYTES, _DEEPEST, _LARGEST = 4 << 20, 16, 1_000_000
#: In it: sides in pixels, classes.
_LARGEST_SIDE, MOST_CLASSES = 4096, 100_000
#: What reading values of other kinds, or absurd ones, ends in.
MISREAD = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Pixels:
    """How a picture enters: see the fields of `ModelCard` of the same names."""

    size: tuple[int, int]
    resize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    squash: bool

    def __post_init__(self) -> None:
        """See that a picture can be made so.

        Raises:
            ValueError: it cannot; the text is the end of a sentence.
        """
        if not all(1 <= side <= _LARGEST_SIDE for side in (*self.size, self.resize)):
            raise ValueError(f"pictures have 1 to {_LARGEST_SIDE:,} pixels a side")
        if not all(map(math.isfinite, (*self.mean, *self.std))) or not all(one > 0 for one in self.std):
            raise ValueError("mean and std are finite, std above 0")


def read(file: Path) -> dict[str, Any]:
    """What a JSON file of the hub holds.

    Raises:
        ModelError: it is no object, too large or too deep.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("more than 4 MB")
        found = json.loads(file.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object at the top")
        _bound(found)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file.name} of the hub cannot be read ({short(error)}).") from error
    return found


def _bound(found: dict[str, Any]) -> None:
    """See that what a file of the hub says can be followed, and no whole number in it takes the memory.

    Raises:
        ValueError: it lies too deep, or a number is too large; the text is the end of a sentence.
    """
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        inner = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if any(isinstance(one, int) and abs(one) > _LARGEST for values in inner for one in values):
            raise ValueError(f"a number above {_LARGEST:,}")
    if level:
        raise ValueError(f"values more than {_DEEPEST} deep in one another")


def part_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of a configuration that has names of its own; {} without it.

    Raises:
        ModelError: it is something else.
    """
    part = config.get(name) or {}
    if not isinstance(part, dict):
        raise ModelError(f"The configuration cannot be used ({name} is no object).")
    return part


def short(error: BaseException) -> str:
    """The start of what an error says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]


def pixels_of(processor: Mapping[str, Any]) -> Pixels:
    """What an image processor of transformers does, in the words of a card.

    Raises:
        ModelError: it does something that a card cannot say.
        KeyError, TypeError, ValueError: it is none.
    """
    scale = float(processor.get("rescale_factor", 1 / 255))
    if not processor.get("do_rescale", True) or abs(scale * 255 - 1) > 1e-6:
        raise ModelError("Its pictures are not scaled to [0, 1] before they are normalised.")
    size, crop = processor["size"], processor.get("crop_size")
    if isinstance(size, int):  # as older files have it
        small = "ConvNext" in str(processor.get("feature_extractor_type"))
        size = {"shortest_edge": size} if small else {"height": size, "width": size}
    interpolation = _RESAMPLING[int(processor.get("resample") or 2)]
    squash = "height" in size
    resize = int(size["height"] if squash else size["shortest_edge"])
    inside = (int(size["height"]), int(size["width"])) if squash else (resize, resize)
    if squash and inside[0] != inside[1]:
        raise ModelError("Its pictures are not resized to a square.")
    if processor.get("do_center_crop") and crop:
        inside = (int(crop["height"]), int(crop["width"]))
    elif processor.get("crop_pct") and not squash:  # ConvNeXt squashes large pictures
        squash = resize >= 384
        resize = resize if squash else int(resize / float(processor["crop_pct"]))
    normal = processor.get("do_normalize", True)
    mean, std = (processor["image_mean"], processor["image_std"]) if normal else ((0.0,) * 3, (1.0,) * 3)
    return Pixels(inside, resize, tuple(map(float, mean)), tuple(map(float, std)), interpolation, squash)


def labels(given: Any, count: int) -> tuple[str, ...]:
    """Names of that many classes: those given, if they are as many.

    Raises:
        ValueError: no classifier has so many; the text is the end of a sentence.
    """
    if not 1 <= count <= MOST_CLASSES:
        raise ValueError(f"a classifier has 1 to {MOST_CLASSES:,} classes")
    names = tuple(class_name(str(one)) for one in given) if isinstance(given, list | tuple) else ()
    if len(names) == count:
        return names
    if count == 1000:
        return imagenet_classes()
    return numbered(count)
