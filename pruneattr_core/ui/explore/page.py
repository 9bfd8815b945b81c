"""The threshold explorer: choices above, the scrubber, numbers and downloads below."""

from __future__ import annotations

import json

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.paths.calibrated import calibrated_sparsity
from pruneattr_core.render import COLOUR_MAPS
from pruneattr_core.ui import exports, pictures, shell
from pruneattr_core.ui.cache import Waiting, engine, payload
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.explore.scrubber import scrubber
from pruneattr_core.ui.figures import figure_popover
from pruneattr_core.ui.hand import name_of, settled, start_of, told
from pruneattr_core.ui.levels import nearest
from pruneattr_core.ui.look import CLIPS, SIGNS, Look, choose_look
from pruneattr_core.ui.menu import FIRST_MODEL
from pruneattr_core.ui.payload import COLLAPSES
from pruneattr_core.ui.state import Field, accept, number, one_of, publish, report, view
from pruneattr_core.ui.subject import Subject
from pruneattr_core.ui.sweeps import Explained, Question

MODES = {"zero": "Zero", "freeze": "Freeze"}
CONTRIBUTIONS = {"taylor": "Taylor", "intgrad": "Integrated"}
_SCALES = {"shared": "One for all levels", "own": "One per level"}
#: Sparsity shown before anybody moves the slider.
START = 0.9
_START = "_explore_start"

FIELDS = (
    Field("mode", "zero", one_of(MODES), "the mode"),
    Field("contribution", "taylor", one_of(CONTRIBUTIONS), "the contribution"),
    Field("collapse", "signed_max", one_of(COLLAPSES), "the collapse"),
    Field("sign", "signed", one_of(SIGNS), "the sign"),
    Field(
        "clip", 99.5, lambda text: CLIPS[CLIPS.index(float(text))], "the clip percentile", lambda v: f"{v:g}"
    ),
    Field("scale", "own", one_of(_SCALES), "the scale"),
    Field("colours", "blue-orange", one_of(COLOUR_MAPS), "the colour map"),
    Field("at", START, number(0, 1), "the sparsity", lambda v: f"{v:.5g}"),
)


def draw(chosen: shell.Selection) -> None:
    """The page."""
    report(FIELDS)
    look = _choices()
    publish(FIELDS)
    with guarded():
        question = Question(
            chosen.subject,
            mode=st.session_state["mode"],
            contribution=st.session_state["contribution"],
            calibrated=calibrated_sparsity(chosen.answer.weights),
        )
        waiting = Waiting(height=520)
        sweep = engine().sweep(question, chosen.picture, waiting)
        waiting.clear()
        _scrub(chosen, question, sweep, look)


def _choices() -> Look:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.markdown("## Threshold explorer")
        st.segmented_control(
            "Pruned neurons",
            list(MODES),
            key="mode",
            required=True,
            format_func=MODES.__getitem__,
            help="Zero multiplies pruned activations by 0, so later layers change. Freeze keeps their values "
            "as constants that pass no gradient, so the answer stays.",
            persist_state="session",
        )
        st.segmented_control(
            "Contribution",
            list(CONTRIBUTIONS),
            key="contribution",
            required=True,
            format_func=CONTRIBUTIONS.__getitem__,
            help="How neurons are ranked. Taylor: |activation x gradient|, one backward pass. Integrated: "
            "the gradient averaged while the layer is scaled from 0, slower.",
            persist_state="session",
        )
        with st.popover("How the map is drawn", icon=":material/palette:"):
            return choose_look("", COLLAPSES, _SCALES)


def prepare() -> bytes | None:
    """Compute what the app shows when it is opened without an address; its payload, None without weights."""
    if shell.default_model() != FIRST_MODEL:
        return None
    picture = pictures.from_dataset(shell.default_source(FIRST_MODEL), 0)
    answer = engine().answer(FIRST_MODEL, picture, lambda *_: None)
    question = Question(
        Subject(FIRST_MODEL, answer.weights, picture.sha256, None, engine().device.type),
        mode=FIELDS[0].default,
        contribution=FIELDS[1].default,
        calibrated=calibrated_sparsity(answer.weights),
    )
    sweep = engine().sweep(question, picture, lambda *_: None)
    return payload(question, Look(), (0, START), sweep, picture)


@st.fragment
def _scrub(chosen: shell.Selection, question: Question, sweep: Explained, look: Look) -> None:
    of, sparsity = name_of(question), sweep.sparsity.tolist()
    start = start_of(_START, of, {"sparsity": st.session_state["at"]})
    data = payload(question, look, (start["token"], start["sparsity"]), sweep, chosen.picture)
    news = told(_START, of, scrubber(data, key="scrub"))
    if news is not None:
        accept(FIELDS, {"at": news.get("sparsity")})
        if nearest(sparsity, st.session_state["at"]) == nearest(sparsity, START):
            st.session_state["at"] = START
    settled(_START, {"sparsity": st.session_state["at"]})
    level = nearest(sparsity, st.session_state["at"])
    publish(FIELDS)
    _numbers(chosen, question, sweep, level)
    _explain_early_change(sweep)
    photo = np.asarray(chosen.card.display(chosen.picture.image))
    _take_away(chosen, question, sweep, look, photo, level)


def _numbers(chosen: shell.Selection, question: Question, sweep: Explained, level: int) -> None:
    classes, left = chosen.card.classes, round(sweep.neurons * (1 - sweep.sparsity[level]))
    change, probability = float(sweep.change[level]), float(sweep.probability[level])
    first = float(sweep.probability[0])
    where = " (mode zero)" if question.mode == "freeze" else ""
    with st.container(horizontal=True, gap="small"):
        st.metric(
            "Neurons left",
            f"{left:,}",
            f"of {sweep.neurons:,}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        st.metric(
            f"Output change{where}", f"{change:.1%}" if np.isfinite(change) else "infinite", border=True
        )
        st.metric(
            f"Probability of {classes[sweep.target]}{where}",
            f"{probability:.3f}",
            f"{probability - first:+.3f}",
            border=True,
        )
        st.metric(
            f"Target logit{where}",
            f"{sweep.logit[level]:.2f}",
            f"{sweep.logit[level] - sweep.logit[0]:+.2f}",
            border=True,
        )
        st.metric(f"Answer{where}", sweep.named(classes, int(sweep.prediction[level])), border=True)


def _explain_early_change(sweep: Explained) -> None:
    """Say why the answer can change while no map does (SqueezeNet ends in a ReLU over its classes)."""
    change = float(sweep.change[nearest(sweep.sparsity.tolist(), sweep.quiet)])
    if change > 0.01:
        st.caption(
            f"Removing the {sweep.quiet:.0%} of neurons that contribute nothing to this class already "
            f"changes its probability by {change:.0%}: some of them carry the scores of other classes."
        )


def _take_away(
    chosen: shell.Selection,
    question: Question,
    sweep: Explained,
    look: Look,
    photo: NDArray[np.uint8],
    level: int,
) -> None:
    texts = {**view((*shell.FIELDS, *FIELDS), every=True), "at": f"{sweep.sparsity[level]:.6g}"}
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
        figure_popover(
            "Figure", lambda: exports.panels(sweep, look, photo, [level]), settings, stem, "figure"
        )
        figure_popover(
            "Film strip", lambda: exports.panels(sweep, look, photo, exports.strip_levels(sweep)), settings,
            f"{stem}_strip", "strip_figure",
        )  # fmt: skip
        with st.popover("Python for this view", icon=":material/code:"):
            st.code(exports.python_code(question, sweep, look, chosen.picture, level), language="python")
        st.caption(
            f"Computed in {sweep.seconds:.1f} s on {question.subject.device}; {len(sweep.sparsity)} levels. "
            "The address of this page restores the view."
        )
