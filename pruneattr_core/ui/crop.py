"""The part of a picture that a network sees: drawn on it, said, moved along the longer side or padded."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from pruneattr_core.models import ModelCard
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.pictures import Picture, drawn
from pruneattr_core.ui.state import Field, one_of

#: Text in the address -> words: the place of the crop along the longer side, in percent, or all of it.
PLACES = {
    "0": "start", "10": "10 %", "20": "20 %", "30": "30 %", "40": "40 %", "50": "middle", "60": "60 %",
    "70": "70 %", "80": "80 %", "90": "90 %", "100": "end", "whole": "all, padded",
}  # fmt: skip
MIDDLE = "50"
FIELD = Field("crop", MIDDLE, one_of(PLACES), "the part of the picture")
#: Longer over shorter side beyond which the choice is offered: below it hardly anything is cut off.
_LONG = 1.2
#: Pixels of the shorter side below which maps show squares rather than places.
_TINY = 32
#: Pixels of the longer side of the picture in the sidebar, and of a padded one.
_SHOWN, _PADDED = 480, 1600

Box = tuple[float, float, float, float]


def cropped(picture: Picture, place: str) -> Picture:
    """The picture of which the network's own centre crop is the part chosen; itself for the middle.

    Args:
        picture: as it came.
        place: key of `PLACES`; "whole" is at most `_PADDED` pixels wide, on black.
    """
    image = picture.image
    if place == MIDDLE or image.width == image.height:
        return picture
    short, long = sorted(image.size)
    wide, code = image.width > image.height, picture.code
    if place == "whole":
        if long > _PADDED:
            size = (_PADDED, max(1, round(_PADDED * short / long)))
            image = image.resize(size if wide else size[::-1])
            code += f".resize({image.size})"
        short, long = sorted(image.size)
        start = -((long - short) // 2)
        box = (0, start, long, start + long) if wide else (start, 0, start + long, long)
    else:
        start = round((long - short) * int(place) / 100)
        box = (start, 0, start + short, short) if wide else (0, start, short, start + short)
    name = hashlib.sha256(f"{picture.sha256} {place}".encode()).hexdigest()
    return replace(picture, image=image.crop(box), sha256=name, code=f"{code}.crop({box})")


def seen_box(image: Image.Image, card: ModelCard) -> Box:
    """Left, top, right and bottom of what the card's centre crop keeps, as shares of the sides."""
    scale = card.resize / min(image.size)
    width = min(1.0, card.size[1] / (image.width * scale))
    height = min(1.0, card.size[0] / (image.height * scale))
    return (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2


def box_within(picture: Picture, place: str, part: Picture, card: ModelCard) -> Box:
    """`seen_box` of the part chosen, in shares of the sides of the whole picture."""
    inner = seen_box(part.image, card)
    if place == MIDDLE:
        return inner
    share = min(picture.image.size) / max(picture.image.size)
    start = int(place) / 100 * (1 - share)
    if picture.image.width > picture.image.height:
        return start + share * inner[0], inner[1], start + share * inner[2], inner[3]
    return inner[0], start + share * inner[1], inner[2], start + share * inner[3]


def outlined(image: Image.Image, box: Box) -> Image.Image:
    """A small copy in which everything outside the box is dimmed, with a line around it."""
    small = image.copy()
    small.thumbnail((_SHOWN, _SHOWN))
    if min(box[:2]) <= 0.01 and max(box[2:]) >= 0.99 and max(box[:2]) <= 0.01:
        return small
    left, top, right, bottom = (round(share * side) for share, side in zip(box, small.size * 2, strict=True))
    dimmed = Image.fromarray((np.asarray(small) * 0.35 + 90).astype(np.uint8))
    dimmed.paste(small.crop((left, top, right, bottom)), (left, top))
    draw = ImageDraw.Draw(dimmed)
    draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline="white", width=3)
    draw.rectangle((left + 1, top + 1, max(left + 1, right - 2), max(top + 1, bottom - 2)), outline="black")
    return dimmed


def choose_crop(picture: Picture, card: ModelCard) -> Picture:
    """Draw the picture with what the network sees of it, and the choice where much is cut off.

    Returns:
        The part chosen, under a name of its own.
    """
    width, height = picture.image.size
    short, long = sorted((width, height))
    place, spot = MIDDLE, st.container()
    if long > _LONG * short:
        rest = "the rest is cut off, or the picture is padded with black."
        place = str(
            st.select_slider(
                "Part that the network sees", list(PLACES), key=FIELD.name, format_func=PLACES.__getitem__,
                persist_state="session",
                help=f"It takes {card.size[1]} x {card.size[0]} pixels of {width} x {height}: {rest}",
            )
        )  # fmt: skip
    part = cropped(picture, place)
    said = picture.title if picture.label is None else f"Labelled {picture.label}"
    whole = place == "whole"
    shown, box = (part, (0.0, 0.0, 1.0, 1.0)) if whole else (picture, box_within(picture, place, part, card))
    address = drawn(("outlined", shown.sha256, box), lambda: inline(outlined(shown.image, box)))
    cut = "" if whole or long <= _LONG * short else " · inside the line: what the network sees"
    with spot:
        st.image(address, caption=markdown_text(said) + cut, alt=said, width="stretch")
        if short < _TINY and 2 * short < min(card.size):
            st.warning(
                f"The picture has {width} x {height} pixels, the network takes {card.size[1]} x "
                f"{card.size[0]}: maps show nothing finer than its own squares.",
                icon=":material/photo_size_select_small:",
            )
    return part
