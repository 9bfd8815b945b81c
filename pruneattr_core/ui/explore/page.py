"""The threshold explorer: choices above, the scrubber, numbers and downloads below."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.paths.calibrated import calibrated_sparsity
from pruneattr_core.render import COLOUR_MAPS
from pruneattr_core.render.look import CLIPS, SIGNS, Look
from pruneattr_core.results.levels import DIALS, START, silent_level
from pruneattr_core.results.nearest import level_at, nearest, shortest
from pruneattr_core.results.sweeps import Explained, FirstLook, Question
from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.panels import strip_levels, sweep_panels
from pruneattr_core.share.payload import COLLAPSES, THINGS
from pruneattr_core.share.words import changed, counted, percent
from pruneattr_core.ui import exports, pictures, shell
from pruneattr_core.ui.cache import Waiting, engine, payload
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.component import said
from pruneattr_core.ui.errors import APOLOGY, complain, guarded, logger
from pruneattr_core.ui.explore.ahead import question_of
from pruneattr_core.ui.explore.beside import beside_file
from pruneattr_core.ui.explore.numbers import numbers_of
from pruneattr_core.ui.explore.wrong import FIELD as WRONG
from pruneattr_core.ui.explore.wrong import wrong_class
from pruneattr_core.ui.figures import figure_popover
from pruneattr_core.ui.first_view import show_numbers, show_stored_numbers, stored
from pruneattr_core.ui.hand import last_start, left_behind, name_of, settled, start_of, told
from pruneattr_core.ui.look import choose_look, look_of
from pruneattr_core.ui.menu import FIRST_MODEL, title_row
from pruneattr_core.ui.one_file import one_file_button
from pruneattr_core.ui.sliders import SCRUB, scrubber
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import Field, accept, number, one_of, publish, report, view, viewer

MODES = {"zero": "Zero", "freeze": "Freeze"}
CONTRIBUTIONS = {"taylor": "Taylor", "intgrad": "Integrated"}
UNITS = {"neuron": "Neurons", "channel": "Channels, heads"}
_SCALES = {"shared": "One for all levels", "own": "One per level"}
_START, _RUNNING, _FAILED = "_explore_start", "_explore_running", "_explore_failed"
#: Seconds between two looks at a sweep that is being computed, and how long the page waits for all of it.
LOOK, FIRST_LOOK = 0.5, 0.3

FIELDS = (
    Field("mode", "zero", one_of(MODES), "the mode"),
    Field("contribution", "taylor", one_of(CONTRIBUTIONS), "the contribution"),
    Field("unit", "neuron", one_of(UNITS), "the unit"),
    Field("collapse", "signed_max", one_of(COLLAPSES), "the collapse"),
    Field("sign", "signed", one_of(SIGNS), "the sign"),
    Field(
        "clip", 99.5, lambda text: CLIPS[CLIPS.index(float(text))], "the clip percentile", lambda v: f"{v:g}"
    ),
    Field("scale", "own", one_of(_SCALES), "the scale"),
    Field("colours", "blue-orange", one_of(COLOUR_MAPS), "the colour map"),
    Field("dial", "", one_of(DIALS), "the dial"),
    Field("at", START, number(0, 1), "the sparsity", lambda v: f"{v:.12g}"),
    WRONG,
)


def draw(chosen: shell.Selection) -> None:
    """The page."""
    report(FIELDS)
    look = _choices(chosen.answer.heads)
    publish(FIELDS)
    with guarded():
        unit = st.session_state["unit"]
        question = Question(
            chosen.contrast,
            mode=st.session_state["mode"],
            contribution=st.session_state["contribution"],
            calibrated=calibrated_sparsity(chosen.answer.weights) if unit == "neuron" else None,
            unit=unit,
        )
        running = _begin(chosen, question, look)
        # The frame is drawn again by the clock only while levels arrive.
        st.fragment(_scrub, run_every=LOOK if running else None)(chosen, question, look, running)
        wrong_class(chosen, question.contribution, engine().sweep(question))


def _begin(chosen: shell.Selection, question: Question, look: Look) -> bool:
    """See to it that there is something to look at, and that all is computed; whether it still is."""
    former = st.session_state.get(_RUNNING)
    if former not in (None, question):
        engine().jobs.leave(former, viewer())
    st.session_state[_RUNNING] = question
    photo = chosen.photo
    waiting = Waiting(300, photo, chosen.picture.title, over="levels")  # always: what follows keeps its place
    failed: dict[Question, str] = st.session_state.setdefault(_FAILED, {})
    if engine().sweep(question) is not None or question in failed:
        return False
    start = last_start(_START, _position())
    if not _stored(name_of(question), look, (start["token"], start["dial"], start["share"])):
        engine().first_look(question, chosen.picture, waiting)
    engine().start_sweep(question, chosen.picture, viewer())
    job = engine().jobs.watch(question, viewer())
    if job is not None:
        job.finished.wait(FIRST_LOOK)
    waiting.clear()
    return engine().sweep(question) is None


def _so_far(question: Question, running: bool) -> Explained | None:
    """The sweep as far as it is there; starts the run again when that changes what the clock does."""
    found = engine().sweep(question)
    job = engine().jobs.watch(question, viewer()) if found is None else None
    if job is not None and job.finished.is_set() and job.error is not None:
        st.session_state[_FAILED][question] = (
            str(job.error) if isinstance(job.error, PruneAttrError) else APOLOGY
        )
        if not isinstance(job.error, PruneAttrError):
            logger.error("unexpected error in a sweep", exc_info=job.error)
        engine().jobs.leave(question, viewer())
        st.rerun()
    if running and (found is not None or job is None):
        st.rerun()
    if found is None and job is not None and job.partial is not None:
        return cast(Explained, job.partial)
    return found or engine().jobs.results.get(FirstLook(question))


def _choices(heads: bool) -> Look:
    with title_row("Threshold explorer"):
        segments(
            "Pruned neurons",
            MODES,
            "mode",
            help="Zero multiplies pruned activations by 0, so later layers change. Freeze keeps their values "
            "as constants that pass no gradient, so the answer stays.",
        )
        segments(
            "Contribution",
            CONTRIBUTIONS,
            "contribution",
            help="How neurons are ranked. Taylor: |activation x gradient|, one backward pass. Integrated: "
            "the gradient averaged while the layer is scaled from 0, slower.",
        )
        if heads or st.session_state["unit"] != "neuron":
            segments(
                "Removed as one",
                UNITS,
                "unit",
                help="Neurons: every activation at every place by itself, as in the papers. Channels, heads: "
                "all places of a channel, all tokens of a feature, the whole output of an attention head.",
            )
        if is_spare():
            return look_of("")
        with st.popover("How the map is drawn", icon=":material/palette:"):
            return choose_look("", COLLAPSES, _SCALES)


def prepare(maps: bool) -> None:
    """Have what the app shows without an address computed: the answer at once, beside it `maps` if asked."""
    first = _first_question()  # asks for the answer, which names the weights
    if maps and first is not None:
        engine().start_sweep(*first, "prepared")


def first_view() -> tuple[bytes, list[list[dict[str, Any]]]] | None:
    """What the app shows without an address: the payload with every level, and the numbers of each.

    None without weights.
    """
    first = _first_question()
    if first is None:
        return None
    prepare(maps=True)
    question, picture = first
    job = engine().jobs.watch(question, "prepared")
    if job is not None:
        job.finished.wait()
    sweep = engine().sweep(question)
    if sweep is None:
        return None
    count, classes = len(sweep.requested), model_card(FIRST_MODEL).classes
    numbers = [numbers_of(sweep, classes, question.mode, level) for level in range(count)]
    return payload(question, Look(), (0, DIALS[0], START), count, True, sweep, picture), numbers


def _first_question() -> tuple[Question, pictures.Picture] | None:
    if shell.default_model() != FIRST_MODEL:
        return None
    picture = pictures.from_dataset(shell.default_source(FIRST_MODEL), 0)
    return question_of(FIRST_MODEL, picture, None, FIELDS[0].default, FIELDS[1].default), picture


def _scrub(chosen: shell.Selection, question: Question, look: Look, running: bool) -> None:
    sweep = _so_far(question, running)
    of = name_of(question)
    late = left_behind(_START, of, _position(), said(SCRUB, "at"))
    _hear(late, None if running else sweep)
    start = start_of(_START, of, _position())
    begin = start["token"], start["dial"], start["share"]
    kept = _stored(of, look, begin) if running else None
    if kept:
        _hear(told(_START, of, scrubber(kept, SCRUB)), None)
        settled(_START, _position())
        publish(FIELDS)
        show_stored_numbers(kept, _dial(), st.session_state["at"])
        return
    if sweep is None:
        # Computed long ago and gone, or the hand has left the stored view before anything else is there.
        if not _failure(question):
            st.rerun()
        return
    data = payload(question, look, begin, len(sweep.requested), not running, sweep, chosen.picture)
    _hear(told(_START, of, scrubber(data, SCRUB)), sweep)
    if not running and st.session_state["at"] != START:  # a link says no more than finds the level again
        level = _level(sweep)
        st.session_state["at"] = shortest(st.session_state["at"], lambda at: _level(sweep, at) == level)
    settled(_START, _position())
    level = _level(sweep)
    publish(FIELDS)
    _failure(question)
    show_numbers(numbers_of(sweep, chosen.card.classes, question.mode, level))
    early = early_change(sweep, chosen.card.classes)
    if early:
        st.caption(early)
    if chosen.answer.theory:
        st.caption(f"{chosen.answer.theory} The map is the slope at this very picture.")
    if not is_spare():
        photo = chosen.photo
        _take_away(chosen, question, sweep, look, photo, level)


def _failure(question: Question) -> bool:
    """Say why the levels are not there, where that is known; whether it is."""
    failure = st.session_state[_FAILED].get(question)
    if failure:
        complain(failure)
        st.button("Try again", icon=":material/refresh:", on_click=st.session_state[_FAILED].clear)
    return bool(failure)


def _hear(news: Mapping[str, Any] | None, among: Explained | None) -> None:
    """Go where the hand let go, if it did; among: the levels it had, None for some of more than are there."""
    if news is None:
        return
    accept(FIELDS, {"dial": news.get("dial"), "at": news.get("share")})
    if among is not None and _dial() == DIALS[0]:
        shares = among.shares(_dial())
        if nearest(shares, st.session_state["at"]) == nearest(shares, START):
            st.session_state.update(dial="", at=START)


def _stored(of: str, look: Look, begin: tuple[int, str, float]) -> bytes | None:
    """The whole first view, which stands from the start, for as long as its computation takes."""
    data = stored() if look == Look() and begin == (0, DIALS[0], START) else None
    return data if data and header_of(data)["of"] == of else None


def _dial() -> str:
    """The scale of the slider; links from before there was a dial count all neurons."""
    said: str = st.session_state["dial"]
    return said or (DIALS[0] if st.session_state["at"] == START else "all")


def _level(sweep: Explained, at: float | None = None) -> int:
    """The level shown, or at another place: of output change the first that changes more than is allowed."""
    at = st.session_state["at"] if at is None else at
    return level_at(_dial(), at, sweep.shares(_dial()), sweep.change.tolist())


def _position() -> dict[str, Any]:
    return {"dial": _dial(), "share": st.session_state["at"]}


def early_change(sweep: Explained, classes: Sequence[str]) -> str:
    """Why the answer changes before anything goes that contributes to first order; "" if it does not."""
    level = silent_level(sweep.sparsity.tolist(), sweep.quiet)
    if level is None:
        return ""
    change, answer = float(sweep.change[level]), int(sweep.prediction[level])
    gone = f"Removing the {percent(sweep.quiet)} of {THINGS[sweep.unit]} without a first-order contribution"
    alive = f"{percent(sweep.quiet - sweep.dead)} of all are not dead"
    if change > 0.01:
        return (
            f"{gone} already changes the output by {changed(change)}: {alive}. Some of those are at work, "
            "though no gradient reaches them, as at the upper end of a ReLU6."
        )
    if answer != sweep.prediction[0]:
        return (
            f"{gone} already changes the answer to {sweep.named(classes, answer)}, without a change of what "
            f"is explained: {alive}, and some of those spoke for or against other classes only."
        )
    return ""


def _take_away(
    chosen: shell.Selection,
    question: Question,
    sweep: Explained,
    look: Look,
    photo: NDArray[np.uint8],
    level: int,
) -> None:
    dial = _dial()
    at = st.session_state["at"] if dial == "change" else sweep.shares(dial)[level]
    texts = {**view((*shell.FIELDS, *FIELDS), every=True), "dial": dial, "at": f"{at:.12g}"}
    settings = exports.record(question, sweep, look, chosen.picture, chosen.card, level, texts)
    model = chosen.card.id.replace("/", "-")
    stem = f"prunegrad_{model}_{chosen.picture.sha256[:8]}_{sweep.sparsity[level]:.4f}"
    with st.container(horizontal=True):
        st.download_button(
            "PNG",
            lambda: exports.picture_png(sweep, look, photo, level, settings),
            f"{stem}.png",
            "image/png",
            key="png",
            icon=":material/image:",
            on_click="ignore",
            help="Picture and map, with every setting inside the file.",
        )
        st.download_button(
            "Arrays (NPZ)",
            lambda: exports.arrays_npz(sweep, look, photo, level, settings),
            f"{stem}.npz",
            "application/octet-stream",
            key="npz",
            icon=":material/dataset:",
            on_click="ignore",
        )
        st.download_button(
            "Settings (JSON)",
            json.dumps(settings, indent=2),
            f"{stem}.json",
            "application/json",
            key="json",
            icon=":material/data_object:",
            on_click="ignore",
            help="Upload it in the sidebar to come back to this view.",
        )
        one_file_button(
            SCRUBBER,
            lambda shades: payload(
                question, look, (0, dial, at), len(sweep.requested), True, sweep, chosen.picture, shades
            ),
            f"{chosen.card.title}: {sweep.what(chosen.card.classes)}",
            settings,
            stem,
            "one_file",
            (chosen.card, [chosen.picture]),
            beside=lambda: beside_file(chosen, question, (dial, at)),
        )
        figure_popover("Figure", lambda: sweep_panels(sweep, look, photo, [level]), settings, stem, "figure")
        figure_popover(
            "Film strip", lambda: sweep_panels(sweep, look, photo, strip_levels(sweep)), settings,
            f"{stem}_strip", "strip_figure",
        )  # fmt: skip
        with st.popover("Python for this view", icon=":material/code:"):
            st.code(exports.python_code(question, sweep, look, chosen.picture, level), language="python")
        st.caption(
            f"Computed in {sweep.seconds:.1f} s on {question.subject.device}; "
            f"{counted(len(sweep.sparsity), 'levels')}. The address of this page restores the view."
        )
