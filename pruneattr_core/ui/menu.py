"""The pages of the app, in the order of the menu. Imports nothing heavy: the first screen needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.assets import ASSETS
from pruneattr_core.ui.component import mind_history

#: The model of the first view; without its weights, the first model that is on this machine.
FIRST_MODEL = os.environ.get("PRUNEATTR_FIRST_MODEL") or "efficientnet-lite0"
#: A file of ours: a name of an icon would be fetched from a server elsewhere.
_ICON = str(ASSETS / "icon.svg")


def configure() -> None:
    """Title and layout of the browser tab."""
    st.set_page_config(page_title="PruneAttr", page_icon=_ICON, layout="wide")
    mind_history()


def pages(first: str | Callable[[], None] = "pages/1_explore.py") -> list[Any]:
    """All pages, in the order of the menu; `first` is what the first one runs."""
    return [
        st.Page(first, title="Threshold explorer", icon=":material/tune:", default=True),
        st.Page("pages/2_compare.py", title="Compare", icon=":material/grid_view:"),
        st.Page("pages/3_paths.py", title="Critical paths", icon=":material/route:"),
        st.Page("pages/4_decoding.py", title="Path decoding", icon=":material/blur_on:"),
        st.Page("pages/5_benchmarks.py", title="Benchmarks", icon=":material/leaderboard:"),
        st.Page("pages/6_sanity.py", title="Sanity check", icon=":material/shuffle:"),
        st.Page("pages/7_removal.py", title="Pixel removal", icon=":material/opacity:"),
        st.Page("pages/8_review.py", title="Compression review", icon=":material/compare:"),
        st.Page("pages/9_reproduction.py", title="Reproduction", icon=":material/fact_check:"),
        st.Page("pages/10_lessons.py", title="Lessons", icon=":material/school:"),
    ]


def in_frame() -> None:
    """Start again through app.py where a fresh server runs a deep-linked page without it.

    Called before a page imports anything heavy, so that the opening screen stands while that is loaded.
    """
    if not st.session_state.get(FRAMED):
        configure()  # or the page's icon, from a server elsewhere, stands in the browser's tab
        st.navigation(pages())
        st.rerun()


#: Set in the session while app.py runs a page.
FRAMED = "_framed"
#: Room for a projector on wide screens, none wasted on a phone.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.2rem 2.2rem 3rem; max-width: 1700px; }
/* Beside a folded sidebar the bar at the top would cover the first line. */
[data-testid="stHeader"] { background: transparent; }
/* What only minds the history takes no room. */
[data-testid="stElementContainer"]:has(> .stHtml > script:only-child) { display: none; }
[data-testid="stSidebarContent"] img { border-radius: .5rem; }
/* White on the dark theme's light blue would be 2.3 to 1. */
[data-testid="stBaseButton-primary"]:not(:disabled) :is(p, span),
[data-testid="stMultiSelect"] [data-tag] :is(span, svg) { color: light-dark(#fff, #101418); }
/* What comes a moment later finds its place kept. */
:is(.st-key-choices, .st-key-lessons_title) { min-height: 61px; }
.st-key-desk_state { min-height: 3.25rem; }
.st-key-bench { min-height: 69px; }
:is(.st-key-scrub, .st-key-compare_grid, .st-key-sanity, .st-key-removal, .st-key-desk_grid) {
  min-height: min(100svh, 50rem);
}
@media (min-width: 900px) { .st-key-scrub { min-height: 56rem; } }
/* Beside the menu the explorer's choices may take two lines; of a phone on its side they are folded. */
@media (min-width: 769px) and (max-width: 1123px) and (min-height: 481px) {
  body:has(.st-key-scrub):not(:has([data-testid="stExpandSidebarButton"])) .st-key-choices {
    min-height: 116px;
    @media (max-width: 915px) { min-height: 136px; }
  }
}
/* While the next picture is worked on, that is told over the last one: nothing moves away and back again. */
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-waiting_"]) {
  height: 0; margin-bottom: -1rem; z-index: 2; overflow: visible;
}
[class*="st-key-waiting_"] { position: relative; background: light-dark(#fff, #101418); }
/* A row grows once its controls are there; what is below comes with them, where it stays. */
[data-testid="stLayoutWrapper"]:has([data-testid="stHorizontalBlock"] > * > [data-testid="stSkeleton"])
  ~ :not(:has(.st-key-scrub)) { visibility: hidden; }
/* Options that a line does not hold take another one, where Streamlit would hide them behind its end. */
[data-testid="stButtonGroup"] > [role] {
  flex-wrap: wrap; row-gap: .3rem; overflow-x: visible; mask-image: none;
}
/* Beside its text the button of a folded menu lies over nothing. */
@media (min-width: 641px) and (min-height: 481px) {
  body:has([data-testid="stExpandSidebarButton"]) [data-testid="stMainBlockContainer"] {
    padding-left: 3.8rem;
  }
}
/* On a phone, upright or on its side, a page's choices fold away behind one button beside its title. */
[class*="st-key-choices"] :has(> .stHtml .fold) { display: none; }
/* Where Plotly's toolbar cannot come and go with a pointer it lies over titles and legends. */
@media (hover: none), (max-width: 640px) { .modebar-container { display: none; } }
@media (max-width: 640px), (max-height: 480px) {
  [data-testid="stMainBlockContainer"] { padding: 4rem .9rem 2rem; }
  .st-key-choices { min-height: 0; }
  .st-key-desk_state:has([data-testid="stProgress"]) { flex-wrap: nowrap; }
  .st-key-desk_state:has([data-testid="stProgress"]) > :first-child { display: none; }
  [class*="st-key-lesson_ways"] { min-height: 9.5rem; }
  .st-key-show { min-height: 142px; }
  .st-key-waiting_levels [data-testid="stColumn"] ~ * { display: none; }
  /* The menu's button stays while the page is scrolled below the bar, and lies over nothing. */
  [data-testid="stHeader"] { background: light-dark(#fff, #101418); }
  :root { --bar-height: 3.75rem; }
  [class*="st-key-choices"] :has(> .stHtml .fold) { display: block; margin: 0 0 -.7rem auto; }
  .fold summary {
    cursor: pointer; min-height: 2.5rem; padding: .45rem .8rem; border-radius: .5rem;
    border: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  }
  body:not(:has(.fold[open])) :is(.st-key-choices > :not(:has(h2, .fold)), [class*="st-key-choices_"]) {
    display: none;
  }
}
</style>"""


def title_row(title: str) -> DeltaGenerator:
    """The first row of a page: its title, and room for choices, which on a phone a button folds away.

    Containers whose key begins with `choices_` fold with it.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="choices")
    row.markdown(f"## {title}")
    row.html('<details class="fold"><summary>Choices</summary></details>', width="content")
    return row
