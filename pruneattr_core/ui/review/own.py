"""Bring your own pair: two checkpoints of named architectures, and a folder of pictures."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import model_title
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.machine import browser_here, serves_group
from pruneattr_core.ui.own_weights import architectures
from pruneattr_core.ui.review.lineup import Lineup, own_pair
from pruneattr_core.ui.review.state import KEEP

_NEEDED = ("own_teacher_file", "own_student_file", "own_folder")


def choose_own() -> Lineup | None:
    """The form and what it describes; None until it is complete and right. What was typed stays."""
    if not browser_here():
        st.info(
            "Checkpoints and folders are named by their path on the machine that runs this app, so "
            + (
                "nobody may open them while it serves a group."
                if serves_group()
                else "only a browser on that machine may open them."
            ),
            icon=":material/lock:",
        )
        return None
    names = architectures()
    complete = all(st.session_state[name] for name in _NEEDED)
    with st.expander("Checkpoints and pictures", icon=":material/folder_open:", expanded=not complete):
        for role in ("teacher", "student"):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                key = f"own_{role}"
                if st.session_state[key] not in names:
                    st.session_state[key] = names[0]
                st.selectbox(
                    f"Architecture of the {role}",
                    names,
                    key=key,
                    format_func=model_title,
                    **KEEP,
                )
                st.text_input(
                    f"Checkpoint of the {role}", key=f"{key}_file", **KEEP,
                    placeholder="/path/to/weights.safetensors",
                    help="A safetensors file or a PyTorch state dict; pickled objects are refused unread.",
                )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "Folder of pictures", key="own_folder", placeholder="/path/to/pictures", **KEEP,
                help="Flat, sorted into class folders, or with a labels.json. Masks may be missing; they are "
                "masks/<picture>.png, not 0 on the object.",
            )  # fmt: skip
            st.selectbox(
                "A picture shows", ("no", "yes"), key="own_many", **KEEP,
                format_func={"no": "one class (largest logit)", "yes": "several (logits > 0)"}.__getitem__,
            )  # fmt: skip
    if not complete:
        st.info(
            "Name two checkpoints and a folder. Everything stays on this machine; the address of this page "
            "keeps what you typed.",
            icon=":material/folder_open:",
        )
        return None
    try:
        texts = {
            name: str(st.session_state[name]) for name in (*_NEEDED, "own_teacher", "own_student", "own_many")
        }
        lineup = own_pair(texts)
    except PruneAttrError as error:
        complain(error)
        return None
    st.session_state["judged"] = ""
    return lineup
