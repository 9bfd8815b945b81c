"""What a command that was stopped has left."""

from __future__ import annotations

from pathlib import Path


def left(what: str, folder: Path, *patterns: str) -> str:
    """A sentence: `what` is kept in `folder`; "" while nothing there fits one of the patterns."""
    there = any(any(folder.glob(pattern)) for pattern in patterns)
    return f"{what} are kept in {folder}." if there else ""
