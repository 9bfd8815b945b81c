"""A strip of thumbnails to choose a picture of a data set from: by click, by key, by number or by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.share.component import Component
from pruneattr_core.ui import pictures
from pruneattr_core.ui.component import register, said

#: Thumbnails shown at once.
SHOWN = 6
_KEY = "picture_strip"
_mount = register("pruneattr_strip", Component("strip", ("strip/strip.js",)))


def choose_from_strip(source: str, count: int, at: int, chosen: Callable[[int], None]) -> None:
    """Draw the strip.

    Args:
        source: id of the data set.
        count: of its pictures.
        at: index of the one that is chosen.
        chosen: called with another index when the reader has picked one.
    """

    def picked() -> None:
        index = _index(said(_KEY, "picked"), source, count)
        if index is not None:
            chosen(index)

    first = at // SHOWN * SHOWN
    thumbs = [_thumbnail(source, index) for index in range(first, min(first + SHOWN, count))]
    _mount(data={"of": source, "count": count, "at": at, "thumbs": thumbs}, key=_KEY, on_picked_change=picked)


def _index(news: Any, source: str, count: int) -> int | None:
    """What the browser said, if it speaks of this data set and of a picture that is there."""
    if not isinstance(news, dict) and not hasattr(news, "get"):
        return None
    index = news.get("index")
    right = news.get("of") == source and isinstance(index, int | float) and 0 <= index < count
    return int(index) if right else None


def _thumbnail(source: str, index: int) -> dict[str, Any]:
    try:
        image, title = pictures.thumbnail(source, index)
    except PruneAttrError as error:  # a damaged picture says why where it is chosen
        image, title = "", f"Picture {index + 1}: {error}"
    return {"index": index, "title": title, "image": image}
