"""From attributions and numbers to the bytes the grid draws."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.render import Scale, colour_table, describe_map, scale_map, scale_of
from pruneattr_core.render.look import Look
from pruneattr_core.results.levels import STOPS
from pruneattr_core.results.live import Track, track_header
from pruneattr_core.share.framing import coded, decoded, framed

Array = NDArray[Any]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    Attributes:
        method: row, as given.
        image: column.
        state: "ready", "computing", "waiting", "stopped", "dear", "blocked" or "failed".
        text: what stands there while there is no map.
        shown: the map (H, W) as drawn, before clipping.
        numbers: see `compare.numbers.written`.
        curve: {"y": [...], "text": ...} over the grid's `curve["x"]`.
        curve_text: what stands there while there is no curve.
        track: what the slider moves.
        plain: whether this is still the plain gradient.
    """

    method: int
    image: int
    state: str
    text: str = ""
    shown: Array | None = None
    numbers: Sequence[Mapping[str, Any]] = ()
    curve: Mapping[str, Any] | None = None
    curve_text: str = ""
    track: Track | None = None
    plain: bool = False


@dataclass(frozen=True)
class Grid:
    """Everything on screen.

    Attributes:
        methods: {"name", "title", "badge", "note", "citation", "mean"}, top to bottom.
        images: {"title", "answer", "covered"}, left to right.
        photos: (H, W, 3) per image, what the network sees.
        cells: one per method and image.
        curve: {"x", "title", "short", "across", "up"}.
        layout: "rows" or "columns"; what methods are when there are several images.
        complete: whether nothing more will come.
        of: names what is shown, see `hand`.
        dial: (scale, place on it) of what rests; None where no map follows it.
        start: where the slider stands first, see `hand.start_of`.
    """

    methods: Sequence[Mapping[str, Any]]
    images: Sequence[Mapping[str, Any]]
    photos: Sequence[Pixels]
    cells: Sequence[Cell]
    curve: Mapping[str, Any]
    layout: str
    complete: bool
    of: str = ""
    dial: tuple[str, float] | None = None
    start: Mapping[str, Any] = field(default_factory=dict)
    #: Compressed blocks by content, to be kept between two drawings of one grid.
    packed: dict[str, bytes] = field(default_factory=dict, compare=False)


def scales_for(grid: Grid, look: Look) -> dict[tuple[int, int], Scale]:
    """The colour scale of every ready cell; the same for all when shared."""
    ready = {(cell.method, cell.image): cell.shown for cell in grid.cells if cell.shown is not None}
    own = {place: scale_of(shown, look.signed, look.clip) for place, shown in ready.items()}
    if not look.shared or not own:
        return own
    widest = Scale(max(scale.vmax for scale in own.values()), look.signed)
    return dict.fromkeys(own, widest)


def grid_payload(grid: Grid, look: Look) -> bytes:
    """[uint32 header length][JSON header][zlib blocks of photos, coded maps and tracks]."""
    blocks: list[bytes] = []
    used: dict[str, dict[str, Any]] = {}

    def block(pixels: Pixels) -> dict[str, Any]:
        name = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16]
        grid.packed[name] = grid.packed.get(name) or zlib.compress(pixels.tobytes(), 1)
        return placed(name, grid.packed[name])

    def placed(name: str, data: bytes) -> dict[str, Any]:
        if name not in used:
            used[name] = {"id": name, "start": sum(map(len, blocks)), "length": len(data)}
            blocks.append(data)
        return used[name]

    images = [{**image, "block": block(photo)} for image, photo in zip(grid.images, grid.photos, strict=True)]
    scales = scales_for(grid, look)
    cells = []
    for cell in grid.cells:
        head: dict[str, Any] = {
            "method": cell.method,
            "image": cell.image,
            "state": cell.state,
            "text": cell.text,
            "numbers": list(cell.numbers),
            "curve": cell.curve,
            "curve_text": cell.curve_text,
        }
        if cell.shown is not None:
            codes, peak = coded(cell.shown)
            levels = scale_map(decoded(peak), scale=scales[cell.method, cell.image])
            head |= {
                "block": block(codes),
                "peak": peak,
                "levels": base64.b64encode(levels.tobytes()).decode(),
                "words": describe_map(cell.shown, look.signed),
            }
        if cell.track is not None:
            data, shared = cell.track.data, next(iter(scales.values()), None) if look.shared else None
            name = hashlib.sha256(data).hexdigest()[:16]
            head["track"] = {**track_header(cell.track, shared), "block": placed(name, data)}
        head["plain"] = cell.plain
        head["mark"] = _mark(head)
        cells.append(head)
    header = {
        "layout": grid.layout,
        "height": int(grid.photos[0].shape[0]),
        "width": int(grid.photos[0].shape[1]),
        "lut": colour_table(look.colours).ravel().tolist(),
        "shared": look.shared,
        "ends": _ends(scales, look),
        "methods": list(grid.methods),
        "images": images,
        "cells": cells,
        "curve": dict(grid.curve),
        "complete": grid.complete,
        "of": grid.of,
        "rest": None if grid.dial is None else {"dial": grid.dial[0], "share": grid.dial[1]},
        "start": dict(grid.start),
        "stops": {name: list(stops) for name, stops in STOPS.items()},
    }
    text = json.dumps(header, allow_nan=False)
    identity = hashlib.sha256(text.encode()).hexdigest()[:16]
    return framed({"id": identity, **header}, blocks)


def _mark(head: Mapping[str, Any]) -> str:
    """Changes when the cell looks different, wherever it stands."""
    own = {**head, "method": 0, "block": head.get("block", {}).get("id")}
    if "track" in head:
        own["track"] = head["track"]["block"]["id"]
    return hashlib.sha256(json.dumps(own).encode()).hexdigest()[:12]


def _ends(scales: Mapping[tuple[int, int], Scale], look: Look) -> tuple[str, str]:
    if not look.shared or not scales:
        return ("\N{MINUS SIGN}max", "+max") if look.signed else ("0", "max")
    vmax = next(iter(scales.values())).vmax
    if not vmax:
        return "0", "0"
    return (f"\N{MINUS SIGN}{vmax:.3g}", f"+{vmax:.3g}") if look.signed else ("0", f"{vmax:.3g}")
