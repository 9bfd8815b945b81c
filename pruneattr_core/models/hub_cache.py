"""Where huggingface_hub keeps what it has downloaded; asked without the package and without a network."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The folder of the hub's files; it need not be there."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def cached(repo: str, file: str) -> Path | None:
    """A file of the hub that is on this machine; None where it is not."""
    place = cache() / ("models--" + repo.replace("/", "--"))
    try:
        revision = (place / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    found = place / "snapshots" / Path(revision).name / file
    return found if found.is_file() else None
