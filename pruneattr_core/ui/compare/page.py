"""The Compare page: every method side by side, judged by numbers and not by looks."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from torch import Tensor

from pruneattr_core.render.figure import figure
from pruneattr_core.results.cells import Place
from pruneattr_core.results.numbers import seconds_text
from pruneattr_core.share.component import GRID
from pruneattr_core.share.grid import Grid, grid_payload
from pruneattr_core.share.panels import grid_panels
from pruneattr_core.share.words import counted
from pruneattr_core.ui import pictures, shell
from pruneattr_core.ui.browser_store import keep_in_browser
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.clocks import seldom
from pruneattr_core.ui.compare import exports as compare_exports
from pruneattr_core.ui.compare.assembly import assemble
from pruneattr_core.ui.compare.choices import choose, make_plan
from pruneattr_core.ui.compare.plan import Plan, Standing, standing
from pruneattr_core.ui.compare.state import FIELDS
from pruneattr_core.ui.compare.work import compute
from pruneattr_core.ui.component import said
from pruneattr_core.ui.dial import dial_of
from pruneattr_core.ui.errors import complain, guarded
from pruneattr_core.ui.figures import figure_popover
from pruneattr_core.ui.hand import left_behind, settled, start_of, told
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.kept import kept
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.one_file import one_file_button
from pruneattr_core.ui.results import fits
from pruneattr_core.ui.sliders import show_grid
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import accept, publish, report, view
from pruneattr_core.ui.watching import LOOK, begin, came_to_its_end, failure, keep_only, running, so_far, stop

#: Seconds for which the first look at a grid waits for a first map.
FIRST_LOOK = 0.35
#: Seconds between two drawings while numbers and curves come: each sends the whole grid, maps and all.
NUMBERS = 2.0
_START, _PLACE, _TRIED, _GRID = "_compare_start", "_grid", "_grid_tried", "compare_grid"


def draw(chosen: shell.Selection) -> None:
    """The page."""
    report(FIELDS)
    title_row("Compare")
    publish(FIELDS)  # a reload while what follows is computed keeps what was chosen
    with guarded():
        waiting = Waiting(over="grid")
        found = fits(chosen.subject, chosen.picture, waiting)
        waiting.clear()
        look = choose(chosen, found.reasons, found.layers)
        plan = make_plan(chosen, look, found.reasons, found.layers)
        publish(FIELDS)
        if not plan.options:
            st.info("Choose a method, or one of the presets.", icon=":material/touch_app:")
            return
        if found.theory:
            st.caption(f":material/warning: {found.theory}")
        _start(plan)
        going = running(_PLACE) is not None
        # The frame is drawn again by the clock only while something is computed.
        st.fragment(_frame, run_every=LOOK if going else None)(plan, going)
        for picture in plan.pictures[1:]:
            if picture.source == pictures.UPLOAD:
                keep_in_browser(picture.place)  # the sidebar keeps its own


@dataclass(frozen=True)
class _GridKey:
    """Names a computation of everything on a grid; `dear` says whether expensive maps are a part of it."""

    parts: tuple[Hashable, ...]
    dear: bool


def _key(plan: Plan, dear: bool) -> _GridKey:
    return _GridKey(tuple(step.key for step in plan.steps()), dear)


def _dear(plan: Plan) -> bool:
    """Whether this session asked for the expensive methods of this model, or finds this grid on its way."""
    asked = (plan.card.id, tuple(plan.options)) in st.session_state.setdefault("_dear", set())
    return asked or engine().jobs.going(_key(plan, True))


def _within_reach(key: Hashable, still: frozenset[Hashable]) -> bool:
    """Whether something is open that this grid, which came to its end, was not begun again for yet.

    A ranking that another page made meanwhile brings maps within reach that were too expensive.
    """
    tried = st.session_state.setdefault(_TRIED, {})
    if not came_to_its_end(_PLACE, key) or still <= tried.get(key, frozenset()):
        return False
    st.session_state[_TRIED] = {key: still | tried.get(key, frozenset())}
    return True


def _start(plan: Plan, again: bool = False) -> None:
    """Let the missing cells be computed, unless this grid was stopped by hand; a former grid is left."""
    shelf, steps, dear = engine().jobs.results, plan.steps(), _dear(plan)
    before = standing(plan, shelf, dear)

    def work(task: Job) -> None:
        network = engine().network(plan.subject(plan.pictures[0]), task)
        inputs = [engine().inputs(plan.card.id, picture) for picture in plan.pictures]

        def see(place: Place) -> Tensor:
            return engine().inputs(plan.card.id, pictures.from_dataset(*place))

        compute(task, steps, network, inputs, shelf, dear, see)

    key = _key(plan, dear)
    if not before.open:
        keep_only(_PLACE, key)
        return
    if not begin(_PLACE, key, work, again or _within_reach(key, before.open)):
        return
    end = time.monotonic() + FIRST_LOOK
    while time.monotonic() < end and standing(plan, shelf, dear).ready == before.ready:
        time.sleep(0.01)


def _start_all(plan: Plan) -> None:
    st.session_state["_dear"].add((plan.card.id, tuple(plan.options)))
    _start(plan)


def _wanted(plan: Plan) -> None:
    """What is pressed in a cell without a map does as the button above the grid."""
    if said(_GRID, "wanted") == "dear":
        _start_all(plan)
    else:
        _start(plan, again=True)


def _frame(plan: Plan, was_running: bool) -> None:
    """The grid with its state line and downloads; runs again by itself while cells arrive."""
    task, dear = running(_PLACE), _dear(plan)
    if was_running != (task is not None):
        st.rerun()  # start or stop the clock
    if failure(_PLACE):
        complain(failure(_PLACE))
    shelf = engine().jobs.results
    now = standing(plan, shelf, dear)
    if task is not None:
        pending, job = now.pictured, task
        seldom(lambda: job.finished.is_set() or standing(plan, shelf, dear).pictured != pending, NUMBERS)
    _state_line(plan, task, now)
    late = left_behind(_START, plan.name, _position(), said(_GRID, "at"))
    if late is not None:
        _move(late)
    start = start_of(_START, plan.name, _position())
    if late is not None:
        settled(_START, _position())
        st.rerun()  # the numbers are asked for where the hand let go

    def made() -> tuple[Grid, bytes]:
        grid, _ = assemble(plan, shelf, task.note if task else None, dear, start)
        return grid, grid_payload(grid, plan.look)

    grid: Grid | None = None
    if is_spare() and not now.open:
        data: bytes = kept(("grid", *plan.whole, *start.items()), lambda: made()[1])
    else:
        grid, data = made()
    news = told(_START, plan.name, show_grid(data, _GRID, wanted=lambda: _wanted(plan)))
    if news is not None:
        _move(news)
        settled(_START, _position())
        st.rerun()
    settled(_START, _position())
    if grid is not None and not is_spare():
        _take_away(plan, grid)


def _move(news: Mapping[str, Any]) -> None:
    accept(FIELDS, {"grid_dial": news.get("dial"), "prune": news.get("share")})
    if dial_of("", st.session_state["prune"])[0] == st.session_state["grid_dial"]:
        st.session_state["grid_dial"] = ""


def _position() -> dict[str, Any]:
    dial, share = dial_of(st.session_state["grid_dial"], st.session_state["prune"])
    return {"dial": dial, "share": share}


def _state_line(plan: Plan, task: Job | None, now: Standing) -> None:
    with st.container(horizontal=True, vertical_alignment="center", height=52, border=False):
        if task is not None:
            place = engine().jobs.place(task)
            text = f"Waiting: {place} before you" if place else so_far(now.ready, now.wanted, task.note)
            st.progress(min(1.0, task.done / max(1, task.total)), text=text)
            st.button("Cancel", key="cancel_grid", icon=":material/close:", on_click=stop, args=(_PLACE,))
            return
        if now.open:
            st.markdown(f"Stopped at {now.ready} of {counted(now.wanted, 'maps')}.")
            st.button(
                "Continue",
                key="continue_grid",
                icon=":material/play_arrow:",
                on_click=lambda: _start(plan, again=True),
            )
        elif now.dear:
            st.markdown(
                f"{now.ready} of {counted(now.wanted, 'maps')}. "
                f"**{counted(now.dear, 'expensive maps')}** would take "
                f"about {seconds_text(now.dear_seconds)} on {plan.device}."
            )
            st.button(
                "Compute",
                key="compute_dear",
                type="primary",
                icon=":material/play_arrow:",
                on_click=lambda: _start_all(plan),
            )
        else:
            maps = counted(now.wanted, "maps that fit", "map that fits")
            st.caption(f"{now.ready} of {maps} this network, computed on {plan.device}.")


def _take_away(plan: Plan, grid: Grid) -> None:
    position = _position()
    settings = compare_exports.record(
        plan, grid, engine().jobs.results, view((*shell.FIELDS, *FIELDS), every=True)
    )
    stem = f"compare_{plan.card.id.replace('/', '-')}_{plan.pictures[0].sha256[:8]}"
    with st.container(horizontal=True):
        st.download_button(
            "Picture of the grid (PNG)",
            lambda: figure(*grid_panels(grid, plan.look), "png", settings=settings),
            f"{stem}.png",
            "image/png",
            key="grid_png",
            icon=":material/image:",
            on_click="ignore",
            help="With every setting inside the file: upload it in the sidebar to come back.",
        )
        st.download_button(
            "All arrays (NPZ)",
            lambda: compare_exports.arrays_npz(plan, grid, engine().jobs.results, settings),
            f"{stem}.npz",
            "application/octet-stream",
            key="grid_npz",
            icon=":material/dataset:",
            on_click="ignore",
        )
        one_file_button(
            GRID,
            lambda _: grid_payload(replace(grid, start={"token": 0, **position}), plan.look),
            f"{plan.card.title}: {counted(len(plan.options), 'methods')}",
            settings,
            stem,
            "grid_one_file",
            (plan.card, plan.pictures),
        )
        figure_popover("Figure", lambda: grid_panels(grid, plan.look), settings, stem, "grid_figure")
        with st.popover("Python for this grid", icon=":material/code:"):
            st.code(compare_exports.python_code(plan), language="python")
        st.caption("The address of this page restores the grid.")
