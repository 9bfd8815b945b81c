"""Where huggingface_hub keeps what it has downloaded; asked without the package and without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pruneattr_core.models.hub_names import MAIN


def cache() -> Path:
    """The folder of the hub's files; it need not be there."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def commit_of(repo: str, revision: str = MAIN) -> str:
    """The commit that a branch or tag was when it was fetched, or a commit that is here; else ""."""
    place = _folder(repo)
    try:
        return Path((place / "refs" / revision).read_text("utf-8").strip()).name
    except (OSError, UnicodeDecodeError):
        here = "/" not in revision and (place / "snapshots" / revision).is_dir()
        return revision if here else ""


def cached(repo: str, file: str, commit: str) -> Path | None:
    """A file of a commit of the hub that is on this machine; None where it is not."""
    found = _folder(repo) / "snapshots" / commit / file
    return found if commit and found.is_file() else None


def states_here() -> Iterator[tuple[str, str]]:
    """(OWNER/NAME, revision) of all that is here: branches and tags by their name, then bare commits."""
    for folder in sorted(cache().glob("models--*--*")):
        parts = folder.name.split("--")[1:]
        if len(parts) != 2:
            continue
        repo, refs = "/".join(parts), folder / "refs"
        by_name = sorted(one.relative_to(refs).as_posix() for one in refs.rglob("*") if one.is_file())
        reached = {commit_of(repo, name) for name in by_name}
        bare = (one.name for one in (folder / "snapshots").glob("*"))
        yield from ((repo, name) for name in (*by_name, *sorted(set(bare) - reached)))


def _folder(repo: str) -> Path:
    return cache() / ("models--" + repo.replace("/", "--"))
