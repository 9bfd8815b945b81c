"""The popover in which a page gives away a figure for a paper: PDF, SVG or PNG, caption, BibTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from pruneattr_core.render.figure import KINDS, WIDTHS, Panel, figure
from pruneattr_core.share.words import in_words, said

#: What a figure of a method cites beside this software: its paper.
BIBTEX = """@misc{khakzar2019pruning,
  title = {Improving Feature Attribution through Input-specific Network Pruning},
  author = {Khakzar, Ashkan and Baselizadeh, Soroosh and Khanduja, Saurabh and Rupprecht, Christian
            and Kim, Seong Tae and Navab, Nassir},
  year = {2019}, eprint = {1911.11081}, archivePrefix = {arXiv}}
@misc{pruneattr,
  title = {PruneAttr: feature attribution through input-specific network pruning},
  author = {{PruneAttr contributors}}, year = {2026}, note = {version 0.1.0}}"""
_DPI = (150, 300, 600)
#: Of what is unfolded, in pixels.
_HEIGHT = 400


def caption(settings: Mapping[str, Any]) -> str:
    """Every setting of a view as one paragraph, in the order of its record.

    Args:
        settings: the record that goes into the file, see `exports.record`; without the view's address.
    """
    parts = []
    for name, value in settings.items():
        if name in ("format", "page", "view", "results") or value in (None, "", [], {}):
            continue
        parts.append(f"{in_words(name)}: {said(value)}")
    return "; ".join(parts) + "."


def figure_popover(
    title: str,
    panels: Callable[[], tuple[list[Panel], int]],
    settings: Mapping[str, Any],
    stem: str,
    key: str,
) -> None:
    """Draw it once it is opened; the figure is made when a button is pressed.

    Args:
        title: on the popover.
        panels: makes the panels and says how many stand in a row.
        settings: goes into the file and into the caption.
        stem: of the file's name.
        key: of the widgets, unique on the page.
    """
    popover = st.popover(title, icon=":material/picture_as_pdf:", key=f"{key}_opened", on_change="rerun")
    # Of its height from the start: a browser places it when it opens, and what comes then would be cut.
    with popover, st.container(height=_HEIGHT, border=False):
        if not popover.open:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            wide = st.selectbox(
                "Width", list(WIDTHS), index=2, key=f"{key}_width", width=210, persist_state="session"
            )
            dpi = st.selectbox(
                "Dots per inch (PNG)", _DPI, index=1, key=f"{key}_dpi", width=150, persist_state="session"
            )

        def made(kind: str) -> bytes:
            found, across = panels()
            return figure(found, across, kind, WIDTHS[wide], dpi, settings)

        with st.container(horizontal=True):
            for kind, mime in KINDS.items():
                st.download_button(
                    kind.upper(), partial(made, kind), f"{stem}.{kind}", mime, key=f"{key}_{kind}",
                    icon=":material/download:", on_click="ignore",
                )  # fmt: skip
        st.caption("In PDF and SVG the text is text; a PNG is as wide as its dots say. Settings are inside.")
        st.markdown("Caption, with every setting")
        st.code(caption(settings), language=None, wrap_lines=True)
        st.markdown("BibTeX")
        st.code(BIBTEX, language="bibtex", wrap_lines=True)
