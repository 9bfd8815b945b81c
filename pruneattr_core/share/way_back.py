"""The way back from a file to the app: the settings that restore its view, and the picture they are about."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.errors import StoreError
from pruneattr_core.images import image_hash
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Response, Target

#: Of the settings of a view; and the source, in an address, of pictures that belong to no data set.
FORMAT, UPLOAD = "pruneattr-view-1", "upload"
_OPEN = '<script type="application/octet-stream" id="pruneattr-picture" data-name="'
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
        picture: what they are about.
    """

    page: str
    texts: Mapping[str, str]
    picture: Carried

    def settings(self) -> dict[str, Any]:
        """For the settings of a file."""
        view = {**self.texts, "source": UPLOAD, "upload": self.picture.sha256}
        return {"format": FORMAT, "page": self.page, "view": view}


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


def picture_in(text: str) -> Carried | None:
    """The picture that a file holds; None where it holds none.

    Raises:
        StoreError: it is damaged.
    """
    found = _HELD.search(text)
    if found is None:
        return None
    try:
        return Carried(unescape(found[1]), base64.b64decode(found[2], validate=True))
    except ValueError as error:
        raise StoreError(f"The picture in this HTML file is damaged ({error}).") from error


def asked_in_address(target: Target, runner_up: str) -> dict[str, str] | None:
    """The settings of the app that ask for a target; None where it has none.

    Args:
        target: as `explain` takes it, for one picture.
        runner_up: the app's word for a difference to the strongest other class.
    """
    contrast = ""
    if isinstance(target, Response):
        if target.kind not in ("class", "difference") or target.against is not None:
            return None
        contrast = runner_up if target.kind == "difference" else ""
        target = None if target.target is None else target.target[0]
    if target is not None and not isinstance(target, int):
        return None
    return {"target": "-1" if target is None else str(target), "contrast": contrast}
