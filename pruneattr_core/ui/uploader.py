"""The sidebar's door for files: a picture, or a view saved here, which turns the app to its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.ui import exports, pictures
from pruneattr_core.ui.crop import FIELD as CROP
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.state import Field, restore, view

#: Path of the page that a saved view is of, until the app has turned to it.
_TURN = "_turn_to_page"
#: (whether the last upload was taken, what is to be said of it, the view that this is said of: the one that
#: stood then, or the one that the upload brought, None until it is drawn).
_SAID = "_upload_said"
_PICTURES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "heif")


def turn(page: Any, listed: Sequence[Any]) -> None:
    """Go to the page of the view that has just been uploaded, if it is not this one.

    Args:
        page: the one that would run.
        listed: all of them.
    """
    wanted = st.session_state.pop(_TURN, page.url_path)
    if wanted != page.url_path and (there := [one for one in listed if one.url_path == wanted]):
        st.switch_page(there[0])


def uploader(fields: Sequence[Field]) -> None:
    """Draw it.

    Args:
        fields: shared by all pages.
    """
    usual = {field.name: field.default for field in fields}

    def arrived() -> None:
        file = st.session_state["uploader"]
        st.session_state[_SAID] = None
        if file is None:
            return
        try:
            saved = exports.read_view(file.name, file.getvalue())
            if saved is not None:
                texts = _with_picture(saved)
                names = {*texts, *(field.name for field in fields)}
                restore(texts, [Field(name, "", str, name) for name in names])
                st.session_state[_TURN] = saved.page
                st.session_state[_SAID] = True, saved.left_out, None
                return
            st.session_state["upload"] = pictures.keep_upload(file.name, file.getvalue())
            st.session_state["source"], st.session_state["target"] = pictures.UPLOAD, usual["target"]
        except PruneAttrError as error:
            st.session_state[_SAID] = False, str(error), view(fields)

    st.file_uploader(
        "Upload a picture, or a view saved here (HTML, PNG, JSON)",
        type=[*_PICTURES, "json", "html"],
        key="uploader",
        on_change=arrived,
        help="Pictures stay in this browser and in your session; the server stores none.",
    )
    refused(fields)


def _with_picture(saved: exports.SavedView) -> dict[str, str]:
    """The settings of a saved view; what it is about is kept as if it had been uploaded, unless it is here.

    Raises:
        ImageError: that is no picture.
    """
    held, asked = saved.pictures, saved.texts.get("upload")
    wanted = [asked, *filter(None, saved.texts.get("uploads", "").split(","))]
    if not held or saved.texts.get("source") != pictures.UPLOAD or set(wanted) <= set(pictures.uploads()):
        return saved.texts
    first, *rest = [pictures.keep_upload(one.name, one.data) for one in held]
    # They hold what was seen, no more.
    return {**saved.texts, "upload": first, "uploads": ",".join(rest), CROP.name: CROP.default}


def refused(fields: Sequence[Field]) -> None:
    """Why the last upload was not taken, or not all of it, until something else is chosen."""
    taken, text, at = st.session_state.get(_SAID) or (True, "", None)
    if not text or at not in (None, now := view(fields)):
        return
    st.session_state[_SAID] = taken, text, now
    if taken:
        st.warning(f"Of this file not all can be shown here. {text}", icon=":material/info:")
    else:
        complain(text, ":material/broken_image:")
