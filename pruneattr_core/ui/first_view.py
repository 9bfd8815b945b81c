"""The first view as it is stored in assets/opening.bin: the weights it was made with, numbers and payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.registry import LITE0_SHA256, lite0_is_here
from pruneattr_core.results.nearest import level_at
from pruneattr_core.share.framing import framed, header_of
from pruneattr_core.store import write_atomically
from pruneattr_core.ui.menu import FIRST_MODEL

#: Where it lies.
FILE = ASSETS / "opening.bin"
#: What it shows, as an address may spell it out.
FIRST = {"model": "efficientnet-lite0", "source": "samples", "picture": "0"}
_HASH = 64
#: The cards of one level, each as `st.metric` takes it.
Numbers = Sequence[Mapping[str, Any]]


def is_first(query: Mapping[str, str]) -> bool:
    """Whether an address asks for nothing else: by the names and texts after its question mark."""
    return all(FIRST.get(name) == text for name, text in query.items())


def stored() -> bytes | None:
    """The stored payload of the first view; None when the first view is another, or was not stored."""
    found = _read()
    return None if found is None else found[1]


def write(payload: bytes, numbers: Sequence[Numbers]) -> int:
    """Store the first view, with the numbers of each of its levels; how many bytes that takes."""
    data = LITE0_SHA256.encode() + framed({"bytes": len(payload), "numbers": numbers}, [payload])
    write_atomically(FILE, data)
    return len(data)


def _read() -> tuple[list[Numbers], bytes] | None:
    if FIRST["model"] != FIRST_MODEL or not lite0_is_here():
        return None
    try:
        data = FILE.read_bytes()
    except OSError:
        return None
    if data[:_HASH] != LITE0_SHA256.encode():
        return None
    header = header_of(data[_HASH:])
    return header["numbers"], data[-header["bytes"] :]


def show_numbers(cards: Numbers) -> None:
    """Draw the cards of a level."""
    with st.container(horizontal=True, gap="small"):
        for card in cards:
            st.metric(**card, border=True)


def show_stored_numbers(payload: bytes, dial: str, at: float) -> None:
    """Draw those of the stored view where the dial stands.

    Args:
        payload: the stored one.
        dial: a key of `levels.DIALS`.
        at: where it stands.
    """
    found = _read()
    if found is not None:
        levels = header_of(payload)["levels"]
        shares = [level["sparsity" if dial == "all" else "contributing"] for level in levels]
        show_numbers(found[0][level_at(dial, at, shares, [level["change"] for level in levels])])
