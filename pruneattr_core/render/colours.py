"""Colour tables that colour-blind readers can tell apart, and how levels become pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ColourMap:
    """A table of 256 colours for the levels of `scale_map`.

    Attributes:
        title: how users meet it.
        signed: whether level 128 is a neutral middle with one hue on either side.
        tables: the Matplotlib maps it is taken from; two are joined at their light ends, the first reversed.
    """

    title: str
    signed: bool
    tables: tuple[str, ...]


#: Every choice there is. The first of a kind is its default. Never jet: it draws edges that are not there.
COLOUR_MAPS: dict[str, ColourMap] = {
    "cividis": ColourMap("Cividis (blue to yellow)", False, ("cividis",)),
    "viridis": ColourMap("Viridis (purple to yellow)", False, ("viridis",)),
    "magma": ColourMap("Magma (black to cream)", False, ("magma",)),
    "inferno": ColourMap("Inferno (black to yellow)", False, ("inferno",)),
    "gray": ColourMap("Grey (black to white)", False, ("gray",)),
    "blue-orange": ColourMap("Blue, white, orange", True, ("Blues", "Oranges")),
    "blue-red": ColourMap("Blue, white, red", True, ("RdBu_r",)),
    "purple-green": ColourMap("Purple, white, green", True, ("PRGn",)),
}


@lru_cache
def colour_table(name: str) -> Pixels:
    """The read-only table (256, 3) of the colour map `name`; signed ones have their neutral colour at 128.

    Raises:
        InputError: there is no such colour map.
    """
    if not is_one_of(name, COLOUR_MAPS):
        raise InputError(f"Expected a colour map out of {', '.join(COLOUR_MAPS)}, got {name!r}.")
    with one_at_a_time:
        from matplotlib import colormaps  # a quarter of a second that only pictures should pay

    def sampled(table: str, count: int) -> NDArray[np.float64]:
        return np.asarray(colormaps[table].resampled(count)(np.arange(count)))[:, :3]

    tables = COLOUR_MAPS[name].tables
    if len(tables) == 2:
        below, above = (_from_white(sampled(one, 128)) for one in tables)
        colours = np.concatenate([below[:0:-1][:1], below[:0:-1], above])
    elif COLOUR_MAPS[name].signed:
        middle = sampled(tables[0], 255)
        colours = np.concatenate([middle[:1], middle])
    else:
        colours = sampled(tables[0], 256)
    table = np.round(255 * colours).astype(np.uint8)
    table.setflags(write=False)
    return table


def _from_white(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bend a table so that it starts at pure white, without a visible step."""
    fade = np.linspace(1, 0, len(colours))[:, None]
    return np.asarray(colours + fade * (1 - colours[0]))


def colourise(levels: Pixels, table: Pixels) -> Pixels:
    """Look up levels (..., H, W) in a table (256, 3): pixels (..., H, W, 3).

    Raises:
        InputError: the levels are not uint8, or the table is not (256, 3).
    """
    if levels.dtype != np.uint8 or table.shape != (256, 3):
        given = f"{levels.dtype} levels and a {table.shape} table"
        raise InputError(f"Expected uint8 levels (see scale_map) and a (256, 3) table, got {given}.")
    return np.asarray(table)[levels]


def overlay(picture: Pixels, map_pixels: Pixels, opacity: float) -> Pixels:
    """Blend opacity * map + (1 - opacity) * picture, rounded; both (H, W, 3) uint8, opacity in [0, 1].

    Raises:
        InputError: the sizes differ, or the opacity is outside [0, 1].
    """
    if picture.shape != map_pixels.shape:
        given = f"{picture.shape} and {map_pixels.shape}"
        raise InputError(f"Expected a picture and a map of one shape, got {given}: resize one of them.")
    if not 0 <= opacity <= 1:
        raise InputError(f"Expected an opacity between 0 and 1, got {opacity}.")
    blend = picture + np.float32(opacity) * (map_pixels.astype(np.float32) - picture)
    return np.rint(blend).astype(np.uint8)
