"""The first view as it is stored in assets/opening.bin: the payload, and the weights it was made with."""

from __future__ import annotations

from collections.abc import Mapping

from pruneattr_core.assets import ASSETS
from pruneattr_core.registry import LITE0_SHA256, lite0_is_here
from pruneattr_core.ui.menu import FIRST_MODEL

#: Where it lies.
FILE = ASSETS / "opening.bin"
#: What it shows, as an address may spell it out.
FIRST = {"model": "efficientnet-lite0", "source": "samples", "picture": "0"}
_HASH = 64


def is_first(query: Mapping[str, str]) -> bool:
    """Whether an address asks for nothing else: by the names and texts after its question mark."""
    return all(FIRST.get(name) == text for name, text in query.items())


def stored() -> bytes | None:
    """The stored payload of the first view; None when the first view is another, or was not stored."""
    if FIRST["model"] != FIRST_MODEL or not lite0_is_here():
        return None
    try:
        data = FILE.read_bytes()
    except OSError:
        return None
    return data[_HASH:] if data[:_HASH] == LITE0_SHA256.encode() else None
