"""From maps of every step to the bytes the sanity check's stage draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.render import colour_table
from pruneattr_core.results.cascade import LIKENESS, Cascade
from pruneattr_core.results.levels import unmoved
from pruneattr_core.ui.method_cards import Card, head_of, scene_of, twins
from pruneattr_core.ui.stage import Blocks, numbers

_MEASURES = {
    "spearman_abs": ("Spearman of magnitudes", "|Spearman|", "Spearman rank correlation of magnitudes"),
    "spearman": ("Spearman", "Spearman", "Spearman rank correlation"),
    "ssim": ("SSIM", "SSIM", "SSIM, window 5, of maps divided by their largest magnitude"),
}
NOTE = (
    "One picture, seed 0. Every map has its own colour scale (99.5 % of its values). Channels are collapsed "
    "to the signed value of largest magnitude; maps are divided by their largest magnitude before they are "
    "compared. 1: the map is as it was, so it did not need the weights; 0: nothing is left of it."
)
#: Steps of the largest cascade that a slider waits for.
_ROOM = 60


def payload_of(
    cards: Sequence[Card[Cascade]],
    photo: NDArray[np.uint8],
    target: str,
    steps: Sequence[str],
    of: str,
    start: Mapping[str, Any],
    valued: bool = False,
) -> bytes:
    """Everything the stage needs.

    Args:
        cards: left to right.
        photo: (H, W, 3), exactly the pixels the network sees.
        target: name of the class that is explained.
        steps: names of the steps, "original" first; ["original"] while none is known.
        of: names what is shown, see `hand`.
        start: see `hand.start_of`.
        valued: whether the network answers values.
    """
    blocks = Blocks()
    cascades = [card.result for card in cards if card.result is not None]
    first = max(cascades, key=lambda one: one.known, default=None)
    heads = [_head(card, place, blocks) for place, card in enumerate(cards)]
    for head, twin in zip(heads, twins(cards, _same_map), strict=True):
        head |= {"same": f"at first the same map as {twin}"} if twin else {}
    # While no step is known, room for the one that a link asks for, or the slider would forget it.
    count = len(steps) if first is not None else max(2, min(int(start["at"]), _ROOM) + 1)
    header = {
        "title": "Sanity check",
        "slider": "Randomised from the last layer down to",
        **scene_of(cards, photo, of, start, blocks),
        "points": list(range(count)),
        "names": ["trained", *(steps[1:] or ["…"] * (count - 1))],
        "ranges": [{"key": "all", "title": "", "end": count - 1}],
        "measures": [
            {"key": key, "title": title, "short": short, 
             "axis": f"{axis} with the map of the trained network",
             "low": 0, "high": 1, "cap": 1}
            for key, (title, short, axis) in _MEASURES.items()
        ],
        "chance": [None] * count if first is None else numbers(first.probability),
        "target": target,
        "valued": valued,
        "cards": heads,
        "note": NOTE,
    }  # fmt: skip
    return blocks.framed(header)


def _head(card: Card[Cascade], place: int, blocks: Blocks) -> dict[str, Any]:
    head = head_of(card, place)
    if card.result is not None:
        found = card.result
        codes, notes = found.coded
        likeness = dict(zip(LIKENESS, found.likeness, strict=True))
        head |= {
            "blocks": [blocks.add(codes)],
            "lut": colour_table("blue-orange" if found.signed else "cividis").ravel().tolist(),
            "values": {key: numbers(likeness[key]) for key in _MEASURES},
            "notes": list(notes),
            "there": found.known,
            "means": {key: numbers([_mean(likeness[key][1:])])[0] for key in _MEASURES},
            "known": {key: int(np.isfinite(likeness[key][1:]).sum()) for key in _MEASURES},
        }
    return head


def _same_map(one: Cascade, other: Cascade) -> bool:
    """Whether the maps of the trained network are one."""
    return unmoved(np.stack([one.maps[0], other.maps[0]]))[1]


def _mean(values: NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
