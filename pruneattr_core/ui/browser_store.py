"""Uploads in the reader's own browser, by hash: a reload finds them there, and the server keeps nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import ImageError
from pruneattr_core.share.framing import framed
from pruneattr_core.ui import pictures
from pruneattr_core.ui.component import said
from pruneattr_core.ui.errors import guarded

#: What stands where the browser is asked.
LOOKING = "Looking for the uploaded picture in this browser …"
_KEY = "_browser_store"
#: Hashes that this browser has not.
_MISSING = "_not_in_browser"
_SCRIPTS = ("browser/blocks.js", "uploads/uploads.js")
_mount = st.components.v2.component(
    "pruneattr_uploads", js="\n".join((ASSETS / name).read_text("utf-8") for name in _SCRIPTS)
)


def keep_in_browser(sha256: str) -> None:
    """Let the browser keep an upload of this session, as many of them as a session keeps."""
    name, data = pictures.uploads()[sha256]
    keep = {"id": sha256, "name": name, "most": pictures.UPLOADS_KEPT}
    _mount(data=framed({"keep": keep}, [data]), key=f"{_KEY}_keep_{sha256}")


def at_hand(sha256: str) -> bool:
    """Whether this session has an upload; says that the browser is asked for it, or that nobody has it."""
    if sha256 in pictures.uploads():
        return True
    if ask_browser(sha256):
        st.caption(LOOKING)
    else:
        with guarded():
            pictures.from_upload(sha256)
    return False


def ask_browser(sha256: str) -> bool:
    """Ask the browser for an upload that this session has not; whether the answer is still to come."""
    missing: set[str] = st.session_state.setdefault(_MISSING, set())
    if sha256 in missing:
        return False

    def arrived() -> None:
        found = said(_KEY, "found")
        if found is not None and not take(found, sha256):
            missing.add(sha256)

    _mount(data=framed({"want": sha256}, []), key=_KEY, on_found_change=arrived)
    return sha256 not in missing


def take(found: object, sha256: str) -> bool:
    """Keep what the browser sent in this session, if it is the upload of that hash."""
    if not isinstance(found, Mapping) or found.get("missing") or found.get("id") != sha256:
        return False
    try:
        data = base64.b64decode(str(found.get("data")), validate=True)
        return pictures.keep_upload(str(found.get("name"))[:200], data) == sha256
    except (ValueError, ImageError):  # of letters that no base64 has, or what is no picture
        return False
