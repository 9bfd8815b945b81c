"""The Compression review page: does the small network still look at the right thing?"""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.errors import complain, guarded
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.review.choices import choose_lineup, choose_sheet_options, open_pictures
from pruneattr_core.ui.review.desk import desk
from pruneattr_core.ui.review.lineup import Lineup
from pruneattr_core.ui.review.own import choose_own
from pruneattr_core.ui.review.pictures import Pictures
from pruneattr_core.ui.review.state import FIELDS, SOURCES, VIEWS
from pruneattr_core.ui.review.tables import show_tables
from pruneattr_core.ui.state import publish, report


def draw() -> None:
    """The page."""
    report(FIELDS)
    with title_row("Compression review"):
        segments("View", VIEWS, "desk", shown=False)
        if st.session_state["desk"] != "tables":
            segments("Networks", SOURCES, "desk_source", shown=False)
    with guarded():
        if st.session_state["desk"] == "tables":
            publish(FIELDS)
            show_tables()
            return
        form = st.container()
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="choices_desk")
        with form:
            found = _opened(row)
        publish(FIELDS)
        if found is None:
            return
        lineup, pictures = found
        if st.session_state["desk"] == "paths":
            from pruneattr_core.ui.review.paths_view import show_paths  # plotly: the desk can do without

            show_paths(lineup, pictures)
            return
        with row:
            options = choose_sheet_options(lineup, pictures)
        publish(FIELDS)
        desk(lineup, pictures, options)


def _opened(row: DeltaGenerator) -> tuple[Lineup, Pictures] | None:
    """The networks and pictures chosen; None when the page says what to do first."""
    lineup = choose_own() if st.session_state["desk_source"] == "own" else choose_lineup(row)
    if lineup is None:
        return None
    try:
        return lineup, open_pictures(lineup)
    except PruneAttrError as error:
        complain(error, ":material/folder_off:")
        return None
