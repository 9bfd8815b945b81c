"""The way back from a file to the app: the settings that restore its view, and its pictures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape, unescape
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pruneattr_core.errors import StoreError
from pruneattr_core.images import image_hash
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Asked, Response, Target, difference, group

#: Of the settings of a view; and the source, in an address, of pictures that belong to no data set.
FORMAT, UPLOAD = "pruneattr-view-1", "upload"
#: Pictures that a file takes along, and a session keeps, at most.
PICTURES = 6
#: In an address: the strongest other class, and what stands before classes that are averaged with one.
RUNNER_UP, TOGETHER = "runner-up", "+"
#: Classes that an address names beside one, at most: all dogs of ImageNet are 118.
MOST_NAMED = 200
#: Setting of a file that has no way back, and what it says -> why.
NO_WAY_BACK = "no_way_back"
WHY_NOT = {  # "target", "pictures" and "contribution" stand in files of earlier versions alone
    "target": "what it explains (a region, a class of its own for each picture, or a function) is nothing "
    "that the app can be asked for",
    "network": "it is about a network of which the app has no card",
    "pictures": f"it holds more pictures than the {PICTURES} that the app shows side by side",
    "methods": "one of its methods is none of the app's",
    "contribution": "its neurons are ranked for a preview",
    "size": "its pictures did not fit beside its maps into one megabyte",
}
#: Setting of a file whose view comes back in part -> key of why, several with a comma between.
PARTLY = "partly"
WHY_PARTLY = {
    "each": "Only the first picture comes back: each was asked for a class of its own, and the app asks one "
    "thing of all.",
    "region": "The region is left out, which the app cannot be asked for: its class is explained without it.",
    "target": "What was explained (a function, or more classes than an address names) is nothing that the "
    "app can be asked for: the predicted class is explained instead.",
    "pictures": f"Only the first {PICTURES} pictures come back, the most that the app shows side by side.",
    "methods": "Methods that are none of the app's are left out.",
    "contribution": "What ranked the neurons is a preview, or the file does not say it: they are ranked by "
    "the app's default.",
}
_OPEN = '<script type="application/octet-stream" class="pruneattr-picture" data-name="'
_HELD = re.compile(re.escape(_OPEN) + r'([^"]{0,2000})">([A-Za-z0-9+/=]*)</script>')


@dataclass(frozen=True)
class Carried:
    """A picture that goes with a file.

    Attributes:
        name: of the picture, plain text.
        data: WebP without loss.
    """

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """What names it in an address."""
        return image_hash(self.data)

    def markup(self) -> str:
        """The element that holds it."""
        return f'{_OPEN}{escape(self.name[:200])}">{base64.b64encode(self.data).decode()}</script>'


@dataclass(frozen=True)
class WayBack:
    """What brings the app to a view.

    Attributes:
        page: path of the page in the address, "" for the explorer.
        texts: its settings as in the address.
        pictures: what they are about, the sidebar's first.
        lost: keys of `WHY_PARTLY`, for what the app cannot be asked for.
    """

    page: str
    texts: Mapping[str, str]
    pictures: tuple[Carried, ...]
    lost: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """For the settings of a file."""
        first, *rest = (picture.sha256 for picture in self.pictures)
        beside = {"uploads": ",".join(rest)} if rest else {}
        view = {**self.texts, "source": UPLOAD, "upload": first, **beside}
        partly = {PARTLY: ",".join(self.lost)} if self.lost else {}
        return {"format": FORMAT, "page": self.page, "view": view, **partly}


def noted(settings: dict[str, Any], back: WayBack | str) -> WayBack | None:
    """The way back, if there is one; a key of `WHY_NOT` goes into the settings of the file instead."""
    if isinstance(back, WayBack):
        return back
    settings[NO_WAY_BACK] = back
    return None


def why_not(saved: Any) -> str:
    """Why a file's view cannot come back, from its settings; "" where they do not say."""
    why = saved.get(NO_WAY_BACK) if isinstance(saved, dict) else None
    return WHY_NOT.get(why, "") if isinstance(why, str) else ""


def left_out(saved: Mapping[str, Any]) -> str:
    """What of a file's view does not come back, from its settings; "" where all of it does."""
    said = saved.get(PARTLY)
    keys = said.split(",") if isinstance(said, str) else []
    return " ".join(text for key, text in WHY_PARTLY.items() if key in keys)


def carried(photo: NDArray[np.uint8], card: ModelCard, name: str) -> Carried:
    """A picture of which the card's resizing and cropping give just these pixels; it holds no others.

    Args:
        photo: uint8 (H, W, 3), what the network saw, see `ModelCard.display`.
        card: of the network.
        name: of the picture.
    """
    size = [max(card.resize, side) for side in photo.shape[:2]]
    before = [round((whole - side) / 2.0) for whole, side in zip(size, photo.shape[:2], strict=True)]
    after = [w - s - b for w, s, b in zip(size, photo.shape[:2], before, strict=True)]
    out = io.BytesIO()
    around = [*zip(before, after, strict=True), (0, 0)]
    Image.fromarray(np.pad(photo, around, mode="edge")).save(out, "WEBP", lossless=True, quality=100)
    return Carried(name, out.getvalue())


def pictures_in(text: str) -> tuple[Carried, ...]:
    """The pictures that a file holds.

    Raises:
        StoreError: one is damaged.
    """
    try:
        return tuple(
            Carried(unescape(found[1]), base64.b64decode(found[2], validate=True))
            for found in islice(_HELD.finditer(text), PICTURES)
        )
    except ValueError as error:
        raise StoreError(f"A picture in this HTML file is damaged ({error}).") from error


def asked_in_address(target: Target) -> dict[str, str] | None:
    """The settings of the app that ask for a target; None where it has none; see `asked_again`.

    Args:
        target: as `explain` takes it, for one picture or alike for several.
    """
    contrast = ""
    if isinstance(target, Response):
        named, against = target.target, target.against
        if target.kind == "group" and named is not None and len(named) <= MOST_NAMED:
            first, *rest = dict.fromkeys(named)
            return {"target": str(first), "contrast": TOGETHER + ",".join(map(str, rest)) if rest else ""}
        alike = all(one is None or len(one) == 1 for one in (named, against))
        if target.kind not in ("class", "difference") or not alike:
            return None
        if target.kind == "difference":
            contrast = RUNNER_UP if against is None else str(against[0])
        target = None if named is None else named[0]
    if target is not None and not isinstance(target, int):
        return None
    return {"target": "-1" if target is None else str(target), "contrast": contrast}


def asked_of_one(
    target: Target, picture: int = 0, answered: int | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The settings of the app that ask as much of a target as the app can, for one picture.

    Args:
        target: as `explain` takes it.
        picture: which of the batch.
        answered: its class, for a region that names none: that is the strongest in the region.

    Returns:
        (as `asked_in_address`, keys of `WHY_PARTLY`; "each" where others of the batch were asked for another
        class).
    """
    target = target.response if isinstance(target, Asked) else target
    if (whole := asked_in_address(target)) is not None:
        return whole, ()
    lost, own = "each", target
    if isinstance(target, Response):
        named, against = (
            classes and (classes[picture if len(classes) > 1 else 0],)
            for classes in (target.target, target.against)
        )
        kept = target.kind in ("class", "difference")
        own = replace(target, target=named, against=against) if kept else None
        if target.kind == "region":
            lost, own = "region", answered if named is None else named[0]
        elif not kept:
            lost = "target"
    elif isinstance(target, Tensor | Sequence) and len(target):
        classes = [int(one) for one in target]
        own, lost = classes[picture if len(classes) > 1 else 0], "each" if len(set(classes)) > 1 else ""
    else:
        lost, own = "target", None
    return asked_in_address(own) or {}, tuple(filter(None, [lost]))


def asked_again(target: int | None, contrast: str) -> Target:
    """What an address asks for, as the library takes it.

    Args:
        target: the class; None for the predicted one, which cannot be averaged with others.
        contrast: "", `RUNNER_UP`, the number of another class, or `TOGETHER` and numbers of classes.
    """
    if not contrast:
        return target
    if contrast.startswith(TOGETHER):
        return group([*([] if target is None else [target]), *others_in(contrast)])
    return difference(target, None if contrast == RUNNER_UP else int(contrast))


def others_in(contrast: str) -> tuple[int, ...]:
    """The classes that a `contrast` names.

    Raises:
        ValueError: it is none.
    """
    if contrast in ("", RUNNER_UP):
        return ()
    numbers = contrast.removeprefix(TOGETHER).split(",") if contrast.startswith(TOGETHER) else [contrast]
    if len(numbers) > MOST_NAMED or not all(
        one.isascii() and one.isdecimal() and len(one) < 8 for one in numbers
    ):
        raise ValueError(contrast)
    return tuple(dict.fromkeys(map(int, numbers)))
