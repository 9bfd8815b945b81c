"""The panels of a figure: of a sweep at one level or several, and of a grid of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.render import colour_bar, colour_table, colourise, scale_map
from pruneattr_core.render.figure import Panel
from pruneattr_core.render.look import Look
from pruneattr_core.results.levels import DIALS, OF_CONTRIBUTING
from pruneattr_core.results.nearest import nearest
from pruneattr_core.results.sweeps import Explained
from pruneattr_core.share.grid import Grid, scales_for
from pruneattr_core.share.payload import planes_of, scales_of
from pruneattr_core.share.words import likely

#: Panels in a row: of a film strip, and of a grid.
_STRIP, _ACROSS = 7, 5


def sweep_panels(
    sweep: Explained, look: Look, photo: NDArray[np.uint8], levels: Sequence[int]
) -> tuple[list[Panel], int]:
    """Photo and maps for a figure, and how many stand in a row: one level, or several as a film strip."""
    planes = planes_of(sweep.maps, look.collapse, look.sign)
    scales, table = scales_of(planes, look), colour_table(look.colours)
    kind = "mean of logits" if sweep.members else "logit" if sweep.against is None else "difference of logits"
    unit = f"{kind} per unit of normalised input"
    found = [Panel("Picture", photo)]
    for level in levels:
        share = f"{100 * sweep.sparsity[level]:.1f}\u202f% removed"
        change = 100 * sweep.change[level]
        changed = f"output change {change:.1f}\u202f%" if np.isfinite(change) else "output change infinite"
        for channel, plane in enumerate(planes[level]):
            title = share if len(planes[level]) == 1 else f"{share}, {('red', 'green', 'blue')[channel % 3]}"
            number = float(sweep.probability[level])
            notes = (f"value = {likely(number, True)}" if sweep.valued else f"p = {number:.2f}", changed)
            found.append(
                Panel(
                    title, colourise(scale_map(plane, scale=scales[level]), table), notes,
                    colour_bar(scales[level], look.colours), unit,
                )
            )  # fmt: skip
    return found, min(len(found), _STRIP)


def strip_levels(sweep: Explained) -> list[int]:
    """Levels of a film strip: nothing removed, then the dial's places: no other is the plain gradient."""
    shares = sweep.shares(DIALS[0])
    return list(dict.fromkeys((0, *(nearest(shares, share) for share in OF_CONTRIBUTING))))


def grid_panels(grid: Grid, look: Look) -> tuple[list[Panel], int]:
    """What is computed of the grid, for a figure, and how many stand in a row."""
    scales, several = scales_for(grid, look), len(grid.photos) > 1
    tiles, across = _tiles(grid, look)
    bars = {
        (cell.method + 1, cell.image): colour_bar(scales[cell.method, cell.image], look.colours)
        for cell in grid.cells
        if cell.shown is not None
    }
    images, methods = len(grid.photos), len(grid.methods) + 1
    if several and grid.layout == "rows":
        places = [(i, j) for i in range(methods) for j in range(images)]
    else:
        places = [(i, j) for j in range(images) for i in range(methods)]
    found = [
        Panel(name, pixels, tuple(rows), bars.get(place))
        for (name, pixels, rows), place in zip(tiles, places, strict=True)
        if pixels is not None
    ]
    complete = len(found) == len(tiles)
    return found, across if complete else min(len(found), _ACROSS)


def panel_title(head: Mapping[str, Any]) -> str:
    """A method of the grid with its options."""
    return f"{head['title']}, {head['settings']}" if head["settings"] else str(head["title"])


def _tiles(grid: Grid, look: Look) -> tuple[list[tuple[str, NDArray[np.uint8] | None, list[str]]], int]:
    scales, table, several = scales_for(grid, look), colour_table(look.colours), len(grid.photos) > 1
    tiles: dict[tuple[int, int], tuple[str, NDArray[np.uint8] | None, list[str]]] = {}
    for j, (image, photo) in enumerate(zip(grid.images, grid.photos, strict=True)):
        tiles[0, j] = (image["title"], photo, [image["answer"]])
    for cell in grid.cells:
        rows = [f"{number['label']} {number['text']}" for number in cell.numbers]
        if cell.curve:
            rows.append(f"{grid.curve['short']} {cell.curve['text']}")
        pixels = None
        if cell.shown is not None:
            pixels = colourise(scale_map(cell.shown, scale=scales[cell.method, cell.image]), table)
        else:
            rows = [cell.text]
        tiles[cell.method + 1, cell.image] = (panel_title(grid.methods[cell.method]), pixels, rows)
    images, methods = len(grid.photos), len(grid.methods) + 1
    if not several:
        return [tiles[i, 0] for i in range(methods)], min(_ACROSS, methods)
    if grid.layout == "rows":
        return [tiles[i, j] for i in range(methods) for j in range(images)], images
    return [tiles[i, j] for j in range(images) for i in range(methods)], methods
