"""From a comparison that was made without the app to the page Compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Target
from pruneattr_core.share.way_back import PICTURES, WayBack, asked_in_address, carried
from pruneattr_core.ui.compare.entries import entry_of


def way_back(
    card: ModelCard,
    photos: Sequence[NDArray[np.uint8]],
    target: Target,
    given: Sequence[str],
    plans: Sequence[Mapping[str, Any]],
    titles: Sequence[str],
    reference: str,
) -> WayBack | str:
    """What brings the page to the same methods, pictures and class; else the key of why not in `WHY_NOT`.

    Args:
        card: of the network.
        photos: (H, W, 3) each, what the network saw.
        target: what is explained.
        given: methods as the caller wrote them.
        plans: the same, read.
        titles: of the pictures.
        reference: method that the others are compared with.
    """
    asked = asked_in_address(target)
    if asked is None:
        return "target"
    if len(photos) > PICTURES:
        return "pictures"
    if any(plan["id"] not in METHODS for plan in plans):
        return "methods"
    entries = [
        entry_of(plan["id"], {name: plan["options"][name] for name in options_given(text)})
        for text, plan in zip(given, plans, strict=True)
    ]
    texts = {"model": card.id, **asked, "methods": ",".join(entries), "reference": reference}
    pictures = (carried(photo, card, title) for photo, title in zip(photos, titles, strict=True))
    return WayBack("compare", texts, tuple(pictures))


def options_given(text: str) -> set[str]:
    """Names of the options that a method was given."""
    return {part.partition("=")[0].strip() for part in text.partition(":")[2].split(",") if part}
