"""From maps and numbers to the bytes the desk draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.compression.review_maps import Numbers, Seen, levels_of, numbers_of
from pruneattr_core.compression.review_triage import NO_TARGET
from pruneattr_core.compression.review_verdicts import Verdict, level_words
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import ModelCard
from pruneattr_core.render import colour_table, describe_map, scale_map, scale_of
from pruneattr_core.render.scale import Scale
from pruneattr_core.results.levels import unmoved
from pruneattr_core.share.framing import framed
from pruneattr_core.share.payload import packed
from pruneattr_core.share.words import signed
from pruneattr_core.ui.jobs import Cache, Failed
from pruneattr_core.ui.kept import kept
from pruneattr_core.ui.review.lineup import Contender
from pruneattr_core.ui.review.pictures import Shown
from pruneattr_core.ui.review.sheet import Sheet, Target

Pixels = NDArray[np.uint8]
#: Of the maps; unsigned, like the papers' heat maps, but even for readers who see colours differently.
COLOURS = "inferno"
#: Share of a map's values, in percent, that the row's colour scale covers.
CLIP = 99.5


@dataclass(frozen=True)
class Row:
    """What Python must know of a row when its verdict comes back."""

    place: int
    name: str
    target: int
    numbers: Mapping[str, Numbers]


def unit(maps: NDArray[Any]) -> NDArray[Any]:
    """Maps (K, H, W), each divided by its l2 norm over positions; a zero map stays (AP's normalisation)."""
    clean = np.nan_to_num(np.asarray(maps, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    norm = np.sqrt((clean**2).sum((1, 2), keepdims=True))
    return np.asarray(np.divide(clean, norm, out=np.zeros_like(clean), where=norm > 0))


def coded(cells: Sequence[NDArray[Any]]) -> list[Pixels]:
    """Codes 0..255 of one row's maps, each (K, H, W): unit norm, and one colour scale a level for the row."""
    normed = [unit(maps) for maps in cells]
    out = [np.zeros(maps.shape, np.uint8) for maps in normed]
    for level in range(max((len(maps) for maps in normed), default=0)):
        here = [k for k, maps in enumerate(normed) if level < len(maps)]
        end = max(scale_of(normed[k][level], False, CLIP).vmax for k in here)
        for k in here:
            out[k][level] = scale_map(normed[k][level], scale=Scale(end, False))
    return out


def row_key(sheet: Sheet, place: int, target: int) -> str:
    """Names a row and what was judged there."""
    lineup = sheet.lineup
    target_name = lineup.teacher.card.classes[target]
    parts = (lineup.teacher.id, lineup.student.id, sheet.pictures.id, str(place), target_name, sheet.method)
    return "|".join(parts)


def sheet_payload(
    sheet: Sheet,
    shelf: Cache,
    verdicts: Mapping[str, Verdict],
    words: Mapping[str, str],
    start_level: int,
    page: int,
    heard: Mapping[str, Any] | None = None,
) -> tuple[bytes, dict[str, Row]]:
    """Everything the desk needs to draw a page as it stands.

    Args:
        sheet: the page.
        shelf: what has been computed.
        verdicts: of the review, by key.
        words: "review", "corner", "hint", "note": texts shown.
        start_level: of the slider.
        page: number of the page.
        heard: row key -> what the desk said of it last, as it came: so it can tell that what stands in the
            row is later than its own word, and from another window.

    Returns:
        The bytes, and row key -> row.
    """
    height, width = sheet.lineup.teacher.card.size
    cells = (sheet.cell(shelf, one, place) for one in sheet.lineup.columns for place in sheet.places)
    if not all(isinstance(cell, Seen) for cell in cells):
        drawn, known, mark, more, blocks = _rows(sheet, shelf)
    else:
        named = tuple(one.id for one in sheet.lineup.columns), sheet.lineup.judged
        drawn, known, mark, more, blocks = kept(("desk", sheet.key, named), lambda: _rows(sheet, shelf))
    said = [verdicts.get(row["key"]) for row in drawn]
    last = [(heard or {}).get(row["key"], {}).get("n", 0) for row in drawn]
    levels = levels_of(sheet.method)
    rows = [
        {**row, "verdict": one.verdict if one else "", "note": one.note if one else "",
         "level": place_of(one, levels), "heard": n}
        for row, one, n in zip(drawn, said, last, strict=True)
    ]  # fmt: skip
    header = {
        "planes": 1,
        "height": height,
        "width": width,
        "lut": colour_table(COLOURS).ravel().tolist(),
        "columns": [
            _column(one, one is sheet.lineup.student and len(sheet.lineup.students) > 1)
            for one in sheet.lineup.columns
        ],
        "levels": [{"words": level_words(level)} for level in levels],
        "start": f"{sheet.method}-{start_level}",
        "start_level": min(start_level, len(levels) - 1),
        "rows": rows,
        "about": f"{sheet.lineup.student.title}, {METHODS[sheet.method].title}, {sheet.pictures.title}",
        "page": page,
        "complete": all(cell["state"] != "waiting" for row in rows for cell in row["cells"]),
        "signed": False,
        **words,
    }
    identity = hashlib.sha256(json.dumps(header).encode() + mark)
    return framed({"id": identity.hexdigest()[:16], **header, **more}, blocks), known


def place_of(one: Verdict | None, levels: Sequence[float]) -> int | None:
    """The place on the slider at which a verdict was given; None where nobody recorded it."""
    if one is not None and one.level in levels:
        return levels.index(one.level)
    return 0 if one is not None and len(levels) == 1 else None


def _rows(
    sheet: Sheet, shelf: Cache
) -> tuple[list[dict[str, Any]], dict[str, Row], bytes, dict[str, int], tuple[bytes, bytes]]:
    """What a page of the desk shows to anybody: rows of the header, what Python keeps of them, and pixels."""
    height, width = sheet.lineup.teacher.card.size
    stacks: list[Pixels] = []
    photos: list[Pixels] = []
    drawn, known = [], {}
    for place in sheet.places:
        head, row = _row(sheet, shelf, place, stacks, photos)
        drawn.append(head)
        if row is not None:
            known[head["key"]] = row
    maps = np.concatenate(stacks) if stacks else np.zeros((1, height, width), np.uint8)
    pixels = np.stack(photos) if photos else np.zeros((0, height, width, 4), np.uint8)
    mark = hashlib.sha256(maps.tobytes() + pixels.tobytes()).digest()
    return drawn, known, mark, *packed(maps, pixels)


def _row(
    sheet: Sheet, shelf: Cache, place: int, stacks: list[Pixels], photos: list[Pixels]
) -> tuple[dict[str, Any], Row | None]:
    """One row of the header, its pixels added to `stacks` and `photos`; what Python keeps of it."""
    card, shown = sheet.lineup.teacher.card, _picture(sheet, place)
    found = [sheet.cell(shelf, one, place) for one in sheet.lineup.columns]
    target = shelf.get(sheet.target_key(place))  # after the cells, which are there only if it is
    index = target.index if isinstance(target, Target) else NO_TARGET
    mask = None if shown is None or index == NO_TARGET else mask_seen(card, shown.mask(index))
    photos.append(_planes(card, shown, mask))
    seen = {k: cell for k, cell in enumerate(found) if isinstance(cell, Seen) and index != NO_TARGET}
    codes = dict(zip(seen, coded([cell.maps for cell in seen.values()]), strict=True))
    numbers: dict[str, Numbers] = {}
    cells: list[dict[str, Any]] = []
    for k, (one, cell) in enumerate(zip(sheet.lineup.columns, found, strict=True)):
        if k in seen:
            numbers[one.id] = numbers_of(seen[k].maps, seen[0].maps if k and 0 in seen else None, mask)
            head = {"column": k, "state": "ready", "block": sum(map(len, stacks))}
            cells.append({**head, **_cell(seen[k], numbers[one.id], card.classes, index)})
            stacks.append(codes[k])
        elif isinstance(cell, Failed):
            cells.append({"column": k, "state": "failed", "text": cell.text})
        else:
            cells.append({"column": k, "state": "waiting", "text": "to come"})
    title = shown.name if shown is not None else f"picture {place}"
    judged = index != NO_TARGET
    header = {
        "key": row_key(sheet, place, index) if judged else f"unread|{place}",
        "title": title,
        "target": card.classes[index] if judged else "nothing yet",
        "masked": bool(mask is not None and mask.any()),
        "cells": cells,
    }
    return header, Row(place, title, index, numbers) if judged else None


def _picture(sheet: Sheet, place: int) -> Shown | None:
    try:
        return sheet.pictures[place]
    except PruneAttrError:
        return None  # its cells say why


def _planes(card: ModelCard, shown: Shown | None, mask: NDArray[np.bool_] | None) -> Pixels:
    out = np.full((*card.size, 4), 128, np.uint8)
    if shown is not None:
        out[:, :, :3] = card.display(shown.image)
    out[:, :, 3] = 0 if mask is None else 255 * mask
    return out


def _column(one: Contender, focus: bool) -> dict[str, Any]:
    return {"id": one.id, "title": one.title, "badge": one.badge, "facts": one.facts, "focus": focus}


def _cell(cell: Seen, numbers: Numbers, classes: Sequence[str], target: int) -> dict[str, Any]:
    said = [name for name, yes in zip(classes, cell.predicted, strict=True) if yes]
    return {
        "levels": len(cell.maps),
        "cosine": numbers.cosine,
        "l2": numbers.l2,
        "point": numbers.point,
        "mass": numbers.mass,
        "peak": numbers.peak,
        "flat": numbers.flat,
        "plain": unmoved(cell.maps),  # the slider begins with all neurons
        "right": bool(cell.predicted[target]),
        "says": "says " + (", ".join(said[:4]) or "nothing"),
        "says_title": f"What this network predicts; logit of {classes[target]}: {signed(cell.logit, '.2f')}.",
        "words": [describe_map(one, False) for one in cell.maps],
    }
