"""What was said on a desk in the last moment of a page: said again by the browser's tab, and heard once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from pruneattr_core.compression.review_verdicts import Verdict

#: Words of all sessions that are remembered as heard; a tab says nothing again after a minute.
MOST = 4096
_heard: OrderedDict[str, str] = OrderedDict()
_guard = threading.Lock()


def heard_by(name: object) -> str:
    """The session in which the word of this name has been kept; "" where none has."""
    with _guard:
        return _heard.get(name, "") if isinstance(name, str) else ""


def heard(words: Iterable[Mapping[str, Any]], session: str) -> None:
    """Remember that these were kept, by their `id`."""
    with _guard:
        _heard.update((str(one["id"])[:64], session) for one in words if one.get("id"))
        while len(_heard) > MOST:
            _heard.popitem(last=False)


def unheard(told: Any, review: str, now: Mapping[str, Verdict]) -> dict[str, Mapping[str, Any]]:
    """What of it nobody has heard, and nobody has said otherwise since.

    Args:
        told: {review, rows: row key -> {said, before}}, whatever a browser sends; before: (verdict, note, id)
            of what stood in the row then, the oldest first.
        review: that is open.
        now: row key -> what stands there now.

    Returns:
        Row key -> {verdict, note, level, n, id}.
    """
    rows = told.get("rows") if isinstance(told, Mapping) and told.get("review") == review else None
    found: dict[str, Mapping[str, Any]] = {}
    for key, one in rows.items() if isinstance(rows, Mapping) else ():
        said, before = (one.get("said"), one.get("before")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(said, Mapping) or not isinstance(before, list) or heard_by(said.get("id")):
            continue
        steps = [step for step in before if isinstance(step, list) and len(step) == 3]
        last = max((k for k, step in enumerate(steps) if heard_by(step[2])), default=0)
        stands = now.get(key)
        words = ["", ""] if stands is None else [stands.verdict, stands.note]
        if words in [step[:2] for step in steps[last:]]:
            found[str(key)] = said
    return found
