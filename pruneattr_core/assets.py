"""Where the files that come with PruneAttr are: weights, runs, published figures, the browser's parts.

In a checkout they lie in `assets/` beside the package; a wheel carries them inside it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_INSIDE = Path(__file__).resolve().parent / "_assets"
_BESIDE = Path(__file__).resolve().parents[1] / "assets"

#: The folder itself.
ASSETS = _INSIDE if _INSIDE.is_dir() else _BESIDE
#: The folder with app.py, pages/ and .streamlit/.
APP = _INSIDE.with_name("_app") if _INSIDE.is_dir() else _BESIDE.parent


@cache
def published(name: str) -> dict[str, Any]:
    """What papers printed, never ours: figure -> source and values, of a file "published..." here."""
    found: dict[str, Any] = json.loads((ASSETS / f"{name}.json").read_text("utf-8"))
    return found
