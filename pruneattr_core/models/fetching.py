"""Files of the hub, from this machine or fetched, and the optional packages that read them."""

from __future__ import annotations

import importlib
import os
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

from pruneattr_core.errors import ModelError
from pruneattr_core.given import check_progress
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.models.description import short
from pruneattr_core.models.download import TIMEOUT
from pruneattr_core.models.hub_cache import cache, cached, commit_of
from pruneattr_core.models.hub_names import HUB, MAIN, with_revision
from pruneattr_core.runtime import Tick

#: The file of a repository that holds its weights.
WEIGHTS = "model.safetensors"


def fetched(
    repo: str, file: str, revision: str = MAIN, commit: str = "", progress: Tick | None = None
) -> Path:
    """A file of the hub, from this machine or fetched.

    Where a branch or tag is here, what is missing of it is fetched from the commit that it was then: files of
    two commits never make one network.

    Args:
        repo: OWNER/NAME.
        file: its name there.
        revision: a branch, tag or commit.
        commit: the one that is meant, where the branch may have moved on; "" for what is here of it.
        progress: told how much of it is here.

    Raises:
        ModelError: there is no network, no such repository, revision or file.
    """
    check_progress(progress)
    commit = commit or commit_of(repo, revision)
    found = cached(repo, file, commit)
    if found is not None:
        return found
    hub, errors = package("huggingface_hub"), package("huggingface_hub.errors")
    said = with_revision(repo, revision).removeprefix(HUB)
    if not _answers():
        raise _unreachable(said, file)
    asked = {"revision": commit or revision, "cache_dir": str(cache()), **_told(progress)}
    try:
        return Path(hub.hf_hub_download(repo, file, **asked))
    except errors.LocalEntryNotFoundError as error:  # a kind of EntryNotFoundError that means: no answer
        raise _unreachable(said, file) from error
    except errors.EntryNotFoundError as error:
        kept = "safetensors" if file == WEIGHTS else file
        raise ModelError(f"{said} has no {file}: only repositories with {kept} can be opened.") from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{repo} has no branch, tag or commit {revision!r}: its page on the hub lists them."
        ) from error
    except Exception as error:  # httpx, OSError, the hub's own
        if getattr(error, "response", None) is not None:
            raise ModelError(f"The hub does not give {said} ({short(error)}): check the name.") from error
        raise _unreachable(said, file) from error


def _answers() -> bool:
    """Whether the hub can be reached; asked once, where huggingface_hub would try for half a minute."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        with urllib.request.build_opener().open(address, timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _unreachable(said: str, file: str) -> ModelError:
    return ModelError(
        f"{file} of {said} is not on this machine and the hub cannot be reached: connect to the network, or "
        "choose a model that is available offline."
    )


def _told(progress: Tick | None) -> dict[str, Any]:
    """How huggingface_hub reports: through a bar of tqdm's make."""
    if progress is None:
        return {}
    bar: Any = package("tqdm.auto").tqdm
    tell = progress

    class Bar(bar):
        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            tell(int(self.n), int(self.total or 0))
            return shown

    return {"tqdm_class": Bar}


def package(name: str) -> ModuleType:
    """An optional package.

    Raises:
        ModelError: it is not installed; the sentence says how it is.
    """
    try:
        with one_at_a_time:
            return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"Networks of the hub need the package {name}, which is not installed: "
            "pip install 'pruneattr[hubs]'."
        ) from error
