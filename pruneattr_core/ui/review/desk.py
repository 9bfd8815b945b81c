"""The desk: rows of maps, verdicts saved as they are given, numbers of many pictures in the background."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from pruneattr_core.compression.review_triage import Triage
from pruneattr_core.compression.review_verdicts import Verdict
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.share.component import Component
from pruneattr_core.share.words import counted
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.component import register, said
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.review.choices import Options
from pruneattr_core.ui.review.exports import take_away
from pruneattr_core.ui.review.judging import (
    about,
    differ,
    hear_again,
    judged_of,
    last_review,
    live_level,
    read_review,
    receive,
    remember,
    standing,
    take_up,
)
from pruneattr_core.ui.review.lineup import Lineup
from pruneattr_core.ui.review.payload import sheet_payload
from pruneattr_core.ui.review.pictures import Pictures
from pruneattr_core.ui.review.sheet import Sheet, fill_sheet, triage, triage_key
from pruneattr_core.ui.review.state import FIELDS, MADE_UP, ROWS
from pruneattr_core.ui.state import publish, refuse
from pruneattr_core.ui.watching import LOOK, begin, failure, keep_only, running, so_far, stop

_SCRIPTS = tuple(f"review/{name}.js" for name in ("drawing", "rows", "verdicts", "walking", "review"))
_mount = register("pruneattr_review", Component("review", _SCRIPTS))


def show_grid(payload: bytes, key: str, level: int) -> Any:
    """Draw the desk.

    Args:
        payload: from `sheet_payload`; sent again only when it changes, so it never holds the live level.
        key: identity of the component on the page.
        level: before the slider was moved.

    Returns:
        An object with `given` (row key -> {verdict, note, level, n, id}), `level`, `turn` ({step, page, id}),
        the last turn of the page or None, and `again`, see `hear_again`.
    """
    return _mount(
        data=payload,
        key=key,
        default={"given": {}, "level": level, "turn": None, "again": None},
        on_again_change=lambda: take_up(said("desk_grid", "again")),
        on_given_change=_hear,
        on_level_change=lambda: None,
        on_turn_change=lambda: None,
    )


def _hear() -> None:
    """Save what was said before anything is drawn: whoever said it may leave the page at once."""
    state, given = st.session_state, said("desk_grid", "given")
    if not given or "_desk_seen" not in state:
        return
    with suppress(PruneAttrError):  # the desk tries again, and says so
        state["_desk_seen"].update(receive(state["_desk_review"], given, state["_desk_seen"]))


#: Seconds for which the first look waits for maps.
FIRST_LOOK = 0.6
_SHEET, _TRIAGE = "_sheet", "_triage"
SCALE_NOTE = (
    "Every map is divided by its l2 norm, as AP does before comparing; then one colour scale for the row."
)


#: What marks, numbers and keys of the desk mean, for its legend.
LEGEND = (
    ("White outline", "The object of the class explained."),
    ("Circle, cross", "The map's maximum: inside the outline, outside it."),
    ("says", "What the network predicts; marked where the explained class is not among it."),
    ("cos", "Cosine similarity with the teacher's map: 1 is the same map."),
    ("l2", "Distance of the two maps, each of l2 norm 1: 0 to 1.41 for maps without negative values."),
    ("in mask", "Share of the positive values' sum that lies inside the outline."),
    ("plain gradient",
     "Still the map of the whole network: what is gone so far changes nothing in it."),
    ("Colours", SCALE_NOTE),
    ("Keys", "Arrows move, 1 OK, 2 suspicious, 3 broken, 0 clear, Z undo, U next unjudged, N note, "
     "F flicker, Page Up and Page Down turn."),
)  # fmt: skip


def desk(lineup: Lineup, pictures: Pictures, options: Options) -> None:
    """Draw it; the grid runs again by itself while something is computed."""
    st.session_state.pop("_desk_payload", None)  # the page may be entered anew: show what is on the disk
    _enter()
    numbers = _numbers(lineup, pictures, options)
    going = _running()
    st.fragment(_frame, run_every=LOOK if going else None)(lineup, pictures, options, numbers, going)


def _numbers(lineup: Lineup, pictures: Pictures, options: Options) -> Triage | None:
    """The numbers that the order needs, if they are there; else they are started."""
    if not options.needs_numbers:
        keep_only(_TRIAGE, None)
        return None
    key = triage_key(lineup, pictures, options.method, options.count, options.wanted)
    found: Triage | None = engine().jobs.results.get(key)
    if found is None:
        method, count, wanted = options.method, options.count, options.wanted
        begin(_TRIAGE, key, lambda task: triage(task, lineup, pictures, method, count, wanted))
    return found


def ordered(
    options: Options, numbers: Triage | None, sheet: Sheet, verdicts: Mapping[str, Verdict]
) -> Sequence[int]:
    """Positions of all pictures that pass, in order; as they come while numbers are missing."""
    if numbers is None or not options.needs_numbers:
        places: Sequence[int] = range(options.count)
    else:
        places = numbers.order(options.order, options.shown, options.wanted)
    if options.todo == "any":
        return places
    given = {one.picture: one.verdict for one in about(verdicts, sheet)}
    # What is judged on this very page stays until the page is left, or rows would jump away.
    filtered, held = st.session_state.get("_desk_held", ("", ()))
    return [
        place
        for place in places
        if given.get(place, "") == _asked(options) or (filtered == options.todo and place in held)
    ]


def _asked(options: Options) -> str:
    """The verdict of the pictures that are shown; "" for those without one."""
    return "" if options.todo == "open" else options.todo


def _frame(
    lineup: Lineup, pictures: Pictures, options: Options, numbers: Triage | None, was_running: bool
) -> None:
    name = st.session_state["review"]
    if name != st.session_state["_desk_review"]:
        st.rerun()  # the whole page goes on with another one
    verdicts = read_review(name)
    level = live_level(st.session_state["desk_level"])
    blank = Sheet(lineup, pictures, (), options.method, options.wanted)
    places = ordered(options, numbers, blank, verdicts)
    pages = max(1, -(-len(places) // ROWS))
    if st.session_state.pop("_desk_open", False):
        st.session_state["desk_page"] = _open_page(places, verdicts, blank)
    page = min(st.session_state["desk_page"], pages)
    if page < st.session_state["desk_page"]:
        refuse("desk_page", instead=f"the last page, `{page}`, is shown")
    st.session_state["desk_page"] = page
    here = tuple(places[(page - 1) * ROWS : page * ROWS])
    st.session_state["_desk_held"] = (options.todo, here)
    sheet = Sheet(lineup, pictures, here, options.method, options.wanted)
    _start(sheet)
    if _running() != was_running:
        st.rerun()
    with st.container():  # holds its place, or what comes below would be put there anew
        offered = _offer_last(blank, options.count)
    nothing = st.empty()
    summary = _state_line(sheet, options, numbers, standing(verdicts, sheet, options.count))
    if not places:
        nothing.info(
            "No picture passes these filters. Choose another, or more pictures.",
            icon=":material/filter_alt_off:",
        )
    words = {
        "review": name,
        "made_up": name == st.session_state.get(MADE_UP),
        "corner": pictures.title,
        "scale_note": SCALE_NOTE,
        "legend": LEGEND,
        "pages": pages,
        "refills": options.todo != "any",
    }
    payload = _payload(sheet, verdicts, words, level, page, name)
    told = show_grid(payload, "desk_grid", level)
    saved: Mapping[str, Verdict | None] = {}
    try:
        saved = receive(name, told.given, st.session_state.get("_desk_seen", {}))
        again = hear_again(name, getattr(told, "again", None))
    except PruneAttrError as error:
        again = False
        complain(f"Not saved: {error}")
    if again:
        st.session_state.pop("_desk_payload")
        st.rerun()
    st.session_state["_desk_seen"] = seen = st.session_state["_desk_payload"][2]
    seen.update(saved)
    if saved and not places:
        st.rerun()  # what was taken back may pass the filters again
    verdicts = read_review(name)
    if verdicts and offered:
        st.rerun()
    rows = [key for key, (owner, _) in st.session_state["_desk_rows"].items() if owner.key == sheet.key]
    gone = any(key in verdicts and verdicts[key].verdict != _asked(options) for key in rows)
    st.session_state["_desk_settled"] = options.todo != "any" and gone
    if int(told.level) != level and options.method == "prunegrad":
        st.session_state["desk_level"] = int(told.level)
    turn: Any = getattr(told, "turn", None)
    if isinstance(turn, Mapping) and turn.get("id") != st.session_state.get("_desk_turn"):
        st.session_state["_desk_turn"] = turn.get("id")
        if turn.get("page") == page:
            step = int(turn.get("step", 0))
            st.session_state["_desk_open"] = step == 0
            _turn(step, pages)
            st.rerun()
    publish(FIELDS)
    summary.markdown(standing(verdicts, sheet, options.count))
    if places:
        _pager(page, pages, len(places))
    take_away(name, lineup, pictures, live_level(st.session_state["desk_level"]))


def _open_page(places: Sequence[int], verdicts: Mapping[str, Verdict], sheet: Sheet) -> int:
    """The page with the first picture without a verdict; the first one if there is none."""
    judged = {one.picture for one in about(verdicts, sheet) if one.verdict}
    return next((k for k, place in enumerate(places) if place not in judged), 0) // ROWS + 1


def _enter() -> None:
    """A review that is resumed opens where it ended."""
    name = st.session_state["review"]
    if st.session_state.get("_desk_review") != name:
        st.session_state["_desk_open"] = "desk_page" not in st.query_params
        st.session_state["_desk_review"] = name


def _offer_last(blank: Sheet, count: int) -> bool:
    """Offer to go on with the last review while this one is fresh; whether there is one."""
    if read_review(st.session_state["review"]):
        return False
    last = last_review()
    judged = judged_of(read_review(last), blank, count) if last else 0
    if not judged:
        return False

    def resume() -> None:
        st.session_state["review"] = last

    if st.button(
        f"Go on with {markdown_text(last)} ({judged} of {count})", key="desk_go_on", on_click=resume,
        icon=":material/resume:", type="primary",
    ):  # fmt: skip
        st.rerun()
    return True


def _payload(
    sheet: Sheet, verdicts: Mapping[str, Verdict], words: Mapping[str, str], level: int, page: int, name: str
) -> bytes:
    """The bytes of a page, made once per state of it: verdicts given here meanwhile live in the browser."""
    shelf = engine().jobs.results
    key = (sheet.key, sheet.lineup.judged, sheet.missing(shelf), page, name)
    kept = st.session_state.get("_desk_payload")
    if kept is None or kept[0] != key or differ(verdicts, kept[2], st.session_state["_desk_rows"]):
        heard = st.session_state.get("_desk_given")
        payload, rows = sheet_payload(sheet, shelf, verdicts, words, level, page, heard)
        remember(sheet, rows)
        kept = st.session_state["_desk_payload"] = (key, payload, dict(verdicts))
    return bytes(kept[1])


def _start(sheet: Sheet, again: bool = False) -> None:
    """Let the missing cells be computed; a former page is left, one stopped by hand stays stopped."""
    shelf = engine().jobs.results
    if sheet.missing(shelf) == 0:
        keep_only(_SHEET, sheet.key)
    elif begin(_SHEET, sheet.key, lambda task: fill_sheet(task, sheet, shelf), again):
        end = time.monotonic() + FIRST_LOOK
        while time.monotonic() < end and sheet.missing(shelf):
            time.sleep(0.01)


def _running() -> bool:
    """Whether this session waits for something."""
    maps, numbers = running(_SHEET), running(_TRIAGE)
    return maps is not None or numbers is not None


def _state_line(sheet: Sheet, options: Options, numbers: Triage | None, judged: str) -> Any:
    """Where the work stands; returns the spot of the review's summary."""
    failed = failure(_SHEET) or failure(_TRIAGE)
    if failed:
        complain(failed)
    task = running(_TRIAGE)
    if task is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            left = task.remaining
            text = f"Numbers of {task.done} of {counted(task.total, 'pictures')}" + (
                "" if left is None else f", {left:.0f} s left"
            )
            st.progress(min(1.0, task.done / max(1, task.total)), text=f"{text}; as they come until then")
            st.button("Cancel", key="cancel_triage", icon=":material/close:", on_click=_stop_triage)
    elif options.needs_numbers and numbers is None and not failed:
        keep_only(_TRIAGE, None)  # finished this moment, or given up: the next run takes or starts it
        st.rerun()
    elif numbers is not None and options.needs_numbers:
        counts = numbers.counts()
        unread = f" {len(numbers.problems)} could not be read." if numbers.problems else ""
        st.caption(
            f"Of {len(numbers)} pictures, {counts['right']} are right in both networks; in {counts['left']} "
            f"of these the maximum left the mask; in {counts['changed']} the answer changed.{unread} "
            + ("PruneGrad at 90 % of all neurons removed." if sheet.method == "prunegrad" else "")
        )
    missing, task = sheet.missing(engine().jobs.results), running(_SHEET)
    with st.container(horizontal=True, vertical_alignment="center", key="desk_state"):
        summary = st.empty()  # first, as what is done with leaves the row later than this comes
        summary.markdown(judged)  # not only at the end of a run, or it would blink
        if task is not None:
            wanted = len(sheet.places) * len(sheet.lineup.columns)
            st.progress((wanted - missing) / max(1, wanted), text=so_far(wanted - missing, wanted, task.note))
            st.button("Cancel", key="cancel_sheet", icon=":material/close:", on_click=stop, args=(_SHEET,))
        elif missing:
            st.markdown(f"Stopped, {counted(missing, 'maps are', 'map is')} missing.")
            st.button(
                "Continue",
                key="continue_sheet",
                icon=":material/play_arrow:",
                on_click=lambda: _start(sheet, True),
            )
    return summary


def _stop_triage() -> None:
    keep_only(_TRIAGE, None)
    st.session_state["desk_order"], st.session_state["desk_show"] = "series", "all"
    st.session_state["desk_class"] = -1


def _turn(step: int, pages: int) -> None:
    # Rows that were judged vanish from a list of open ones, and the next ones come up to this very page.
    moved = 0 if step > 0 and st.session_state.pop("_desk_settled", False) else step
    st.session_state["desk_page"] = min(pages, max(1, st.session_state["desk_page"] + moved))
    st.session_state["_desk_held"] = ("", ())


def _pager(page: int, pages: int, rows: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        back, forth = ":material/chevron_left:", ":material/chevron_right:"
        st.button(
            "Previous", key="desk_back", icon=back, disabled=page == 1, on_click=_turn, args=(-1, pages)
        )
        st.markdown(f"Page {page} of {pages} · {counted(rows, 'pictures')}")
        st.button(
            "Next", key="desk_forth", icon=forth, disabled=page == pages, on_click=_turn, args=(1, pages)
        )
