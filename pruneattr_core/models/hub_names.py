"""What a name of the hub says: a network of timm, or a repository and perhaps one state of it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from pruneattr_core.errors import ModelError

TIMM, HUB = "timm/", "hf-hub:"
#: The state of a repository that is meant where none is named.
MAIN = "main"
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/")
#: Of the page of one state: a slash inside its name is written %2F there, but for that of a pull request.
_STATE = re.compile(r"/(?:tree|commit|blob|resolve)/(refs/pr/\d+|[^/]+)(?:/.*)?")
#: What begins like an owner and is none.
_TAKEN = ("torchvision/", "own/")
_FILES = (".pt", ".pth", ".bin", ".ckpt", ".onnx", ".safetensors", ".tar", ".py")
#: Names that git allows for branches and tags, without what a path or an address would read otherwise.
_REVISION = re.compile(r"(?=.{1,160}\Z)[A-Za-z0-9_][\w.+=-]*(?:/[A-Za-z0-9_][\w.+=-]*)*", re.ASCII)
_UNFIT = re.compile(r"\.\.|\.lock(?:/|\Z)|\.(?:/|\Z)")


def is_hub(name: str) -> bool:
    """Whether a name means a network of the hub."""
    return name.startswith((TIMM, HUB))


def of_the_hub(name: str) -> str:
    """`hf-hub:OWNER/NAME`, and the revision where one is named, of OWNER/NAME or of the address of its page.

    Returns:
        "" of other names and of files.
    """
    found, at, revision = _PAGE.sub("", name.strip()).split("?")[0].removesuffix("/").partition("@")
    parts = found.split("/")
    if len(parts) > 2 and not at and (state := _STATE.fullmatch("/" + "/".join(parts[2:]))):
        found, at, revision = "/".join(parts[:2]), "@", unquote(state[1])
    named = _REPOSITORY.fullmatch(found) and all(part.strip(".") for part in found.split("/"))
    if not named or found.endswith(_FILES) or found.startswith(_TAKEN):
        return ""
    return HUB + found + (at + revision if revision != MAIN else "")


def named(name: str) -> tuple[str, str]:
    """(OWNER/NAME, revision) of "hf-hub:OWNER/NAME@REVISION"; `MAIN` where no revision is named.

    Raises:
        ModelError: it is no such name, or no branch, tag or commit can be called so.
    """
    found, at, revision = name.removeprefix(HUB).partition("@")
    if not _REPOSITORY.fullmatch(found):
        raise ModelError(f"Expected hf-hub:OWNER/NAME, got {name[:80]!r}.")
    if at and (not _REVISION.fullmatch(revision) or _UNFIT.search(revision)):
        raise ModelError(f"Expected a branch, tag or commit after {HUB}{found}@, got {revision[:80]!r}.")
    return found, revision or MAIN


def with_revision(repo: str, revision: str) -> str:
    """The id of a state of a repository; that of `MAIN` names no revision."""
    return HUB + repo + ("" if revision == MAIN else f"@{revision}")
