"""Sanity check, live: pull the slider, and the network forgets layer by layer while the maps are watched."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.sanity import VARIANTS
from pruneattr_core.render import colour_table, colourise, describe_map, scale_map, scale_of
from pruneattr_core.render.series import QUIET, series
from pruneattr_core.ui.bench_cascade import LIKENESS, Ladder, fitting_methods, ladder
from pruneattr_core.ui.bench_charts import MEASURES
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.state import Field, adopt, one_of, publish

#: Methods offered: one map costs a few passes at most, and every step needs one.
OFFERED = (
    "prunegrad",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "deconvolution",
    "gradcam",
    "guided_gradcam",
    "rectgrad",
    "input_mct",
    "lrp_alpha1_beta0",
    "excitation_backprop",
    "edges",
    "random",
)
_FIRST = "prunegrad,saliency,guided_backprop,edges"
_LABELS = {"text": "N(0, 0.01), as the paper's text", "released": "N(0, 0.1), as its released code"}


def _methods(text: str) -> str:
    asked = text.split(",")
    if any(name not in OFFERED for name in asked):
        raise ValueError(text)
    return text


FIELDS = (
    Field("sane_methods", _FIRST, _methods, "the methods"),
    Field("sane_variant", "released", one_of(VARIANTS), "the new weights"),
    Field("sane_measure", "spearman_abs", one_of(LIKENESS), "the likeness"),
)


def draw(chosen: Selection) -> None:
    """The page."""
    for text in adopt(FIELDS):
        st.warning(text, icon=":material/link_off:")
    st.markdown("## Sanity check, live")
    st.caption(
        "The slider gives the network's layers new random weights, from the last to the first. A map that "
        "explains the network must change; one that stays draws the picture (Adebayo et al. 2018)."
    )
    with guarded():
        waiting = Waiting(height=420)
        fits = fitting_methods(engine(), chosen.card.id, OFFERED, waiting).reasons
        names = _choose(fits)
        publish(FIELDS)
        ladders = {}
        for name in names:
            ladders[name] = ladder(
                engine(),
                chosen.card.id,
                chosen.picture,
                chosen.target,
                name,
                st.session_state["sane_variant"],
                waiting,
            )
        waiting.clear()
        if ladders:
            _show(ladders)
        else:
            st.info("Choose at least one method above.")


def _choose(fits: dict[str, str]) -> list[str]:
    fitting = [name for name in OFFERED if not fits[name]]
    if "sane_pills" not in st.session_state:
        asked = st.session_state["sane_methods"].split(",")
        st.session_state["sane_pills"] = [name for name in asked if name in fitting]
    st.session_state["sane_pills"] = [name for name in st.session_state["sane_pills"] if name in fitting]
    names = st.pills(
        "Methods",
        fitting,
        selection_mode="multi",
        key="sane_pills",
        format_func=lambda name: METHODS[name].title,
        persist_state="session",
    )
    st.session_state["sane_methods"] = ",".join(names) or _FIRST
    with st.container(horizontal=True, gap="medium"):
        st.segmented_control(
            "New weights and biases",
            list(VARIANTS),
            key="sane_variant",
            required=True,
            format_func=_LABELS.__getitem__,
            persist_state="session",
        )
        st.segmented_control(
            "Likeness to the original's map",
            LIKENESS,
            key="sane_measure",
            required=True,
            format_func=MEASURES.__getitem__,
            persist_state="session",
        )
    left_out = [METHODS[name].title for name in OFFERED if fits[name]]
    if left_out:
        st.caption(f"Do not fit this network: {', '.join(left_out)}.")
    return list(names)


@st.fragment
def _show(ladders: dict[str, Ladder]) -> None:
    first = next(iter(ladders.values()))
    steps = first.steps
    if st.session_state.get("sane_step") not in steps:
        st.session_state["sane_step"] = steps[0]
    step = steps.index(
        st.select_slider(
            "Randomised from the last layer down to",
            steps,
            key="sane_step",
            format_func=lambda name: "nothing yet" if name == "original" else name,
        )
    )
    st.markdown(
        f"**{step} of {len(steps) - 1}** steps randomised. Probability of the explained class: "
        f"{first.probability[step]:.3f}; at first {first.probability[0]:.3f}."
    )
    measure = LIKENESS.index(st.session_state["sane_measure"])
    with st.container(horizontal=True, gap="medium"):
        for name, one in ladders.items():
            with st.container(width=230):
                _map(name, one, step, measure)
    st.plotly_chart(
        _chart(ladders, step, measure),
        key="sane_chart",
        config={"displayModeBar": False},
        alt="Likeness to the original's map per step: "
        + ", ".join(
            f"{METHODS[n].title} now {one.likeness[measure, step]:.2f}" for n, one in ladders.items()
        ),
    )
    st.caption(
        "One picture, seed 0. Each map has its own colour scale (99.5 % of values). Channels are collapsed "
        "to the signed value of largest magnitude; maps are divided by their largest magnitude before they "
        "are compared."
    )


def _map(name: str, one: Ladder, step: int, measure: int) -> None:
    values = np.nan_to_num(one.maps[step])
    signed = METHODS[name].signed
    scale = scale_of(values, signed)
    pixels = colourise(scale_map(values, scale=scale), colour_table("blue-orange" if signed else "cividis"))
    likeness = one.likeness[measure, step]
    said = "undefined (a constant map has no ranks)" if np.isnan(likeness) else f"{likeness:.3f}"
    st.markdown(f"**{METHODS[name].title}**  \n{said}")
    st.image(pixels, width="stretch", output_format="PNG", alt=describe_map(values, signed))
    if scale.note:
        st.caption(scale.note)


def _chart(ladders: dict[str, Ladder], step: int, measure: int) -> go.Figure:
    figure = go.Figure()
    for place, (name, one) in enumerate(ladders.items()):
        look = series(place)
        figure.add_scatter(
            x=list(range(len(one.steps))),
            y=one.likeness[measure],
            name=METHODS[name].title,
            mode="lines+markers",
            line={"color": look.colour, "dash": look.dash, "width": 3},
            marker={"symbol": look.symbol, "size": 8},
            customdata=one.steps,
            hovertemplate="%{customdata}: %{y:.3f}<extra>" + METHODS[name].title + "</extra>",
        )
    figure.add_vline(x=step, line={"color": QUIET, "width": 2, "dash": "dot"})
    figure.add_hline(y=0, line={"color": QUIET, "width": 1})
    names = next(iter(ladders.values())).steps
    figure.update_xaxes(
        title_text="randomised down to this layer",
        tickvals=list(range(len(names))),
        ticktext=names,
        tickangle=-35,
        automargin=True,
    )
    figure.update_yaxes(title_text=MEASURES[LIKENESS[measure]], range=[-0.35, 1.06], automargin=True)
    figure.update_layout(
        height=420,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font_size=14,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 14},
    )
    return figure
