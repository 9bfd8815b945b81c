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
#: No step leads further.
_MOST = 10**7
_KEY = "picture_strip"
_mount = register("pruneattr_strip", Component("strip", ("strip/strip.js",)))


def choose_from_strip(
    source: str,
    count: int,
    at: int,
    stands: Callable[[], tuple[str, int, int]],
    chosen: Callable[[int], None],
) -> None:
    """Draw the strip.

    Args:
        source: id of the data set.
        count: of its pictures.
        at: index of the one that is chosen.
        stands: the same three when something has been pressed; a choice beside it may have moved them.
        chosen: called with another index when the reader has picked one.
    """

    def picked() -> None:
        index = _index(said(_KEY, "picked"), *stands())
        if index is not None:
            chosen(index)

    first = at // SHOWN * SHOWN
    # A tuple: for a list Streamlit imports pandas, to see whether it is a table.
    thumbs = tuple(_thumbnail(source, index) for index in range(first, min(first + SHOWN, count)))
    data = {"of": source, "count": count, "at": at, "thumbs": thumbs}
    _mount(data=data, key=_KEY, default={"picked": None}, on_picked_change=picked)


def _index(news: Any, source: str, count: int, at: int) -> int | None:
    """Where the browser goes in the data set; None where it names a picture that is not there.

    "The next one", pressed on the strip of the data set before, means the one after that which is shown now.
    """
    if not isinstance(news, dict) and not hasattr(news, "get"):
        return None
    index, step = news.get("index"), news.get("step")
    if news.get("of") != source and isinstance(step, int | float) and abs(step) < _MOST and count:
        index = (at + int(step)) % count
    elif news.get("of") != source:
        return None
    return int(index) if isinstance(index, int | float) and 0 <= index < count else None


def _thumbnail(source: str, index: int) -> dict[str, Any]:
    try:
        image, title = pictures.thumbnail(source, index)
    except PruneAttrError as error:  # a damaged picture says why where it is chosen
        image, title = "", f"Picture {index + 1}: {error}"
    return {"index": index, "title": title, "image": image}
