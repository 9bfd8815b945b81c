"""Small pictures that travel with a run, where they may."""

from __future__ import annotations

import io

from PIL import Image

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.sources import FREE_PICTURES, Opened

#: How many pictures, and their largest side in pixels.
COUNT, SIDE = 16, 64


def samples_of(opened: Opened, plan: Plan) -> dict[int, bytes]:
    """Picture number -> PNG of the first pictures as the network sees them.

    None where they are not ours to pass on, or where the run's last axis are repeats.
    """
    if plan.data["id"] not in FREE_PICTURES or "training" in plan.data:
        return {}
    return {number: _small(opened, index) for number, index in enumerate(plan.data["indices"][:COUNT])}


def _small(opened: Opened, index: int) -> bytes:
    picture = Image.fromarray(opened.card.display(opened.data[index].image))
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
