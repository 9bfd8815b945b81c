"""A review as one HTML file that needs nothing else: numbers, notes and the maps of what was judged."""

from __future__ import annotations

import base64
import html
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.compression.review_verdicts import VERDICTS, Verdict
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.render import png_bytes
from pruneattr_core.share.html import document
from pruneattr_core.share.words import counted

Pixels = NDArray[np.uint8]
#: Verdicts with pictures, the gravest first, and bytes of all pictures together; beyond, numbers alone.
PICTURES, PICTURE_BYTES = 120, 6 << 20
#: Pixels of a picture's longer side, at least.
_SIDE = 160
_ORDER = {"broken": 0, "suspicious": 1, "ok": 2, "": 3}

_STYLE = """
main { max-width: 70rem; } .soft, figcaption { color: #57606a; }
.counts { margin: 1rem 0; font-variant-numeric: tabular-nums; }
.counts :is(th, td) { border-bottom: 1px solid var(--st-border-color); }
article { display: grid; grid-template-columns: auto 1fr; gap: 1rem;
  border-left: 5px solid var(--st-border-color);
  padding: .2rem 0 .2rem .9rem; margin: 1.1rem 0; break-inside: avoid; }
.broken { border-color: #d55e00; } .suspicious { border-color: #e69f00; } .ok { border-color: #009e73; }
figure { display: inline-block; margin: 0 .6rem 0 0; }
img { image-rendering: pixelated; border-radius: 4px; display: block; }
figcaption { font-size: .85rem; } h2 { font-size: 1.1rem; margin: 0; } p { margin: .25rem 0; }
@media (prefers-color-scheme: dark) {
  .soft, figcaption { color: #9aa5b1; }
}
@media (max-width: 640px) { article { grid-template-columns: 1fr; } }
"""

#: A verdict -> [(caption, pixels (H, W, 3))], the pictures that belong to it.
Draw = Callable[[Verdict], Sequence[tuple[str, Pixels]]]


def html_report(name: str, verdicts: Mapping[str, Verdict], draw: Draw, settings: Mapping[str, Any]) -> bytes:
    """The report: a summary a student, then every verdict, the gravest and most deformed first.

    At most `PICTURES` verdicts carry pictures, and these at most `PICTURE_BYTES` before encoding.

    Args:
        name: of the review.
        verdicts: key -> verdict.
        draw: makes the pictures of one verdict; what it raises is written in their place.
        settings: what opens the review again, and versions; see `document`.
    """
    listed = sorted(
        verdicts.values(),
        key=lambda one: (_ORDER[one.verdict], one.cosine if math.isfinite(one.cosine) else 2.0),
    )
    parts, spent = [], 0
    for place, one in enumerate(listed):
        pictures = ""
        if place < PICTURES and spent < PICTURE_BYTES:
            pictures, size = _pictures(one, draw)
            spent += size
        parts.append(_article(one, pictures))
    left = (
        ""
        if len(listed) <= PICTURES and spent < PICTURE_BYTES
        else (
            f"<p class=soft>Pictures are given for the first verdicts only, at most {PICTURES} and "
            f"{PICTURE_BYTES >> 20} MB of them.</p>"
        )
    )
    said = (
        f"<p class=soft>{counted(len(listed), 'verdicts')}. "
        "Cosine and l2 compare the student's map with the teacher's, "
        "each divided by its l2 norm. Maps and numbers are those of the level at which the verdict was "
        "given, which stands beside it.</p>"
    )
    body = f"{said}{_summary(listed)}{left}{''.join(parts)}"
    return document(f"Compression review: {name}", body, settings, style=_STYLE).encode()


def _summary(listed: Sequence[Verdict]) -> str:
    counts = Counter((one.teacher, one.student, one.data, one.method, one.verdict) for one in listed)
    groups = dict.fromkeys((one.teacher, one.student, one.data, one.method) for one in listed)
    head = "".join(
        f"<th>{text}</th>" for text in ("Teacher", "Student", "Pictures", "Method", *VERDICTS.values())
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{_text(part)}</td>" for part in group)
        + "".join(f"<td>{counts[*group, word]}</td>" for word in VERDICTS)
        + "</tr>"
        for group in groups
    )
    return f"<table class=counts><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _article(one: Verdict, pictures: str) -> str:
    said = VERDICTS.get(one.verdict, "Note")
    numbers = [
        f"{label} {value:.3f}"
        for label, value in (("cosine", one.cosine), ("l2", one.l2), ("mass inside", one.mass))
        if math.isfinite(value)
    ]
    if math.isfinite(one.point):
        numbers.append("maximum inside the mask" if one.point >= 0.5 else "maximum outside the mask")
    note = f"<p>{_text(one.note)}</p>" if one.note else ""
    measured = f"<p>{', '.join(numbers)}</p>"
    level = f"; {one.level_words}" if one.level_words else ""
    return (
        f"<article class='{one.verdict}'><div>{pictures}</div><div><h2>{said}: {_text(one.name)}</h2>"
        f"<p class=soft>{_text(one.student)} against {_text(one.teacher)}, {_text(one.method)}, explained "
        f"for {_text(one.target)}{level}; {_text(one.at)}</p>{measured}{note}</div></article>"
    )


def _pictures(one: Verdict, draw: Draw) -> tuple[str, int]:
    try:
        drawn = draw(one)
    except PruneAttrError as error:
        return f"<p class=soft>{_text(str(error))}</p>", 0
    size, parts = 0, []
    for caption, pixels in drawn:
        data = png_bytes(pixels)
        size += len(data)
        height, width = pixels.shape[:2]
        factor = max(1, -(-_SIDE // max(height, width)))
        source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        parts.append(
            f"<figure><img src='{source}' width={factor * width} height={factor * height} "
            f"alt='{_text(caption)}'><figcaption>{_text(caption)}</figcaption></figure>"
        )
    return "".join(parts), size


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
