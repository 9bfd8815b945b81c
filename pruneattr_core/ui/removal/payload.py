"""From ranks and curves to the bytes the removal stage draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.render import colour_table
from pruneattr_core.results.removal import FRACTIONS, STEADY, Removal
from pruneattr_core.share.words import likelihood, likely, named
from pruneattr_core.ui.method_cards import Card, head_of, scene_of, twins
from pruneattr_core.ui.stage import Blocks, numbers

RANGES = (
    {"key": "tenth", "title": "0 to 10 %", "end": 0.1, "help": "The paper's range: 1 to 10 %"},
    {"key": "all", "title": "0 to 100 %", "end": 1.0},
)
_TITLES = {"change": "Output change", "probability": "Probability"}


#: A probability below which changes relative to it say little: any other answer is many times as large.
_FAINT = 0.005


def measures_of(order: str, target: str, valued: bool = False, original: float = 1.0) -> list[dict[str, Any]]:
    """What the curves can show; an insertion has no change, as it does not start from the answer."""
    number, whole = ("y", "|y₀|") if valued else ("p", "p₀")
    tells = "0 = the answer stays as it was"
    if not valued and original < _FAINT:
        tells = f"p₀ is only {likely(original, True)}, so the probability tells more"
    change = {
        "key": "change", "title": _TITLES["change"], "short": "change",
        "axis": f"|{number}₀ - {number}| / {whole} of {target}: {tells}",
        "low": 0, "high": 1, "cap": 3,
    }  # fmt: skip
    probability = {
        "key": "probability", "title": likelihood(valued), "short": number,
        "axis": f"{likelihood(valued).lower()} of {target}", "low": 0, "high": 1, "cap": 1,
    }  # fmt: skip
    if valued:
        probability |= {"high": 1e-6, "cap": 1e12, "valued": True}  # as large as the values are
    return [probability] if order == "insertion" else [change, probability]


def payload_of(
    cards: Sequence[Card[Removal]],
    photo: NDArray[np.uint8],
    classes: Sequence[str],
    first: int,
    target: int,
    order: str,
    fill: str,
    signed: bool,
    of: str,
    start: Mapping[str, Any],
    valued: bool = False,
) -> bytes:
    """Everything the stage needs.

    Args:
        cards: left to right.
        photo: (H, W, 3), exactly the pixels the network sees.
        classes: names by index.
        first: what is answered with every pixel in place, as `Explained.prediction`.
        target: class whose probability is watched.
        order: key of `results.removal.ORDERS`.
        fill: key of `benchmarks.fills.FILLS`.
        signed: whether the sign of an attribution counts.
        of: names what is shown, see `hand`.
        start: see `hand.start_of`.
        valued: whether the network answers values.
    """
    blocks = Blocks()
    heads = [_head(card, place, blocks) for place, card in enumerate(cards)]
    for head, twin in zip(heads, twins(cards, _same_order), strict=True):
        head |= {"same": f"the same order as {twin}"} if twin else {}
    original = next((card.result.original for card in cards if card.result is not None), 1.0)
    said = {first, target, *(answer for head in heads for answer in head.get("answers", ()))}
    header = {
        "title": "Pixel removal",
        "slider": "Fraction of pixels shown" if order == "insertion" else "Fraction of pixels removed",
        **scene_of(cards, photo, of, start, blocks),
        "wide": photo.shape[0] * photo.shape[1] > 1 << 16,
        "points": list(FRACTIONS),
        "ranges": list(RANGES),
        "measures": measures_of(order, classes[target], valued, original),
        "order": order,
        "steady": fill in STEADY,
        "first": first,
        "classes": {answer: named(classes, target, answer) for answer in said},
        "lut": colour_table("cividis").ravel().tolist(),
        "cards": heads,
        "note": _note(order, fill, signed),
    }
    return blocks.framed(header)


def _head(card: Card[Removal], place: int, blocks: Blocks) -> dict[str, Any]:
    head = head_of(card, place)
    if card.result is not None:
        found = card.result
        head |= {
            "blocks": [blocks.add(found.rank), blocks.add(found.fills)],
            "values": {"change": numbers(found.change), "probability": numbers(found.probability)},
            "answers": found.answer.tolist(),
            "areas": {
                str(one["key"]): dict(zip(_TITLES, numbers(found.areas(float(str(one["end"])))), strict=True))
                for one in RANGES
            },
        }
    return head


def _same_order(one: Removal, other: Removal) -> bool:
    """Whether pixels are on average less than a thousandth of the picture from one another's places."""
    apart = np.abs(one.rank.astype(np.int64) - other.rank.astype(np.int64))
    return float(apart.mean()) <= apart.size / 1000


def _note(order: str, fill: str, signed: bool) -> str:
    better = {
        "lerf": "Least relevant pixels go first: a good map keeps the curve of the change low.",
        "morf": "Most relevant pixels go first: a good map moves the answer at once.",
        "insertion": "Starts without any pixel, the most relevant come first: a good map lifts the curve.",
    }[order]
    if signed:
        better += (
            " Values count with their sign, as in the released code: pixels against the class rank lowest."
        )
    return (
        f"{better} The original network is asked, never a pruned one. Dots are computed, lines between them "
        f"drawn straight; fill: {FILLS[fill].lower()}. ✕: another answer than with every pixel in place. "
        "AUC: trapezoids, not divided by the range."
    )
