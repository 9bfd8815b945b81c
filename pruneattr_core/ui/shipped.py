"""What comes with the repository in folders of assets/runs: read once, and again when a file changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from pruneattr_core.errors import StoreError
from pruneattr_core.ui.errors import logger

Found = TypeVar("Found")


def shipped(place: Path, header: str, read: Callable[[Path], Found]) -> dict[str, Found]:
    """Name of a folder -> what it holds, in the order of names; a damaged one is logged and left out.

    Args:
        place: the folders are in it.
        header: file that makes a folder one of these.
        read: reads a folder; raises `StoreError` where it is damaged.
    """
    files = sorted(place.glob(f"*/{header}"))
    edition = "\n".join(f"{file} {file.stat().st_mtime_ns}" for file in files)  # one text is hashed at once
    return _read(edition, read, [file.parent for file in files])


# The reader has no part in the key: each place has one. Two editions of each of four places.
@st.cache_resource(max_entries=8, show_spinner=False)
def _read(edition: str, _one: Callable[[Path], Any], _folders: Sequence[Path]) -> dict[str, Any]:
    found = {}
    for folder in _folders:
        try:
            found[folder.name] = _one(folder)
        except StoreError as error:
            logger.error("%s", error)
    return found
