"""The Compare page's choices: methods, pictures, drawing, numbers; and the plan they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.render.look import COLLAPSES, Look
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.results.cells import CURVES, Place
from pruneattr_core.share.entries import follows, in_order, method_of, options_of
from pruneattr_core.ui import pictures, shell
from pruneattr_core.ui.browser_store import LOOKING, ask_browser
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.choose import box_of, labels_of, segments, select
from pruneattr_core.ui.compare.copies import choose_copies
from pruneattr_core.ui.compare.game import CANDIDATES
from pruneattr_core.ui.compare.plan import Plan
from pruneattr_core.ui.compare.state import (
    FRONT,
    GROUPS,
    LAYOUTS,
    LEFT,
    MORE,
    ORDERS,
    PRESETS,
    SCALES,
    SMOOTHED,
    Preset,
    by_layer,
    group_of,
)
from pruneattr_core.ui.dial import dial_of, on_the_dial
from pruneattr_core.ui.kept import kept
from pruneattr_core.ui.look import choose_look, look_of
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import refuse, remark, retract

_KEEP: dict[str, Any] = {"persist_state": "session"}
_USE = "use_"
#: Letters of an upload's hash by which a sentence names it: the last of a whole grid is still shown.
_HASH = 7
#: What was typed for a picture and names none.
_NO_NUMBER = "_more_typed"
#: Method with an option `layer` -> what it may be.
Layers = Mapping[str, tuple[str, ...]]


def choose(chosen: shell.Selection, reasons: Mapping[str, str], layers: Layers) -> Look:
    """Draw all choices in one row.

    Args:
        chosen: model, picture and target.
        reasons: per method why it does not fit, or "".
        layers: method with an option `layer` -> what it may be.
    """
    with st.container():  # always there, or what comes below would be put there anew
        if chosen.picture.source == pictures.UPLOAD:
            _find_uploads()
    if is_spare():
        return look_of("grid_")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="choices_grid"):
        for name in FRONT:
            _preset(name, PRESETS[name])
        with st.popover("Figures", icon=":material/view_column:"):
            for name, preset in PRESETS.items():
                if name not in FRONT:
                    _preset(name, preset)
            if layers.get("prunegrad_mid"):
                _preset("layers", by_layer(layers["prunegrad_mid"]))
        with st.popover(f"Methods ({len(st.session_state['methods'])})", icon=":material/checklist:"):
            _choose_methods(reasons, layers)
        with st.popover("Pictures", icon=":material/photo_library:"):
            _choose_pictures(chosen)
        with st.popover("Colours", icon=":material/palette:"):
            look = choose_look(
                "grid_", COLLAPSES, SCALES,
                "Curves, Spearman, SSIM and mass are those of the map as drawn, before clipping.",
                "Methods have different units; one scale for all shows which are larger.",
            )  # fmt: skip
        with st.popover("Numbers", icon=":material/sort:"):
            _choose_numbers()
    return look


def _preset(name: str, preset: Preset) -> None:
    active = st.session_state["methods"] == preset.methods
    st.button(
        preset.title,
        key=f"preset_{name}",
        help=preset.help,
        type="primary" if active else "secondary",
        on_click=lambda: st.session_state.update(methods=preset.methods),
    )


def _choose_methods(reasons: Mapping[str, str], layers: Layers) -> None:
    def changed() -> None:
        plain = [name for name in METHODS if st.session_state.get(_USE + name)]
        copies = [entry for entry in st.session_state["methods"] if entry not in METHODS]
        st.session_state["methods"] = in_order((*plain, *copies))

    st.caption("Greyed out: does not fit this network; the question mark says why.")
    columns = st.columns(2)
    for group, title in GROUPS.items():
        with columns[group not in LEFT]:
            st.caption(f"**{title}**")
            for name, method in METHODS.items():
                if group_of(name) != group:
                    continue
                st.session_state[_USE + name] = name in st.session_state["methods"]
                st.checkbox(
                    method.title,
                    key=_USE + name,
                    disabled=bool(reasons[name]),
                    help=reasons[name] or f"{method.note} {method.citation}",
                    on_change=changed,
                )
    choose_copies(layers)
    known = list(dict.fromkeys(name for names in layers.values() for name in names))
    if st.session_state["layer"] and st.session_state["layer"] not in known:
        refuse("layer")
        st.session_state["layer"] = ""
    select(
        "Layer of PruneGrad-Mid and Grad-CAM",
        ["", *known],
        "layer",
        lambda name: name or "Chosen from the network",
        help="An activation call. By default that of the papers: in the second-to-last residual block for "
        "PruneGrad-Mid, the last feature maps for Grad-CAM.",
    )
    st.selectbox(
        "SmoothGrad smooths",
        list(SMOOTHED),
        key="smooth",
        format_func=lambda name: METHODS[name].title,
        help="Ten times as many passes as the method alone; a long one waits for a second click.",
        **_KEEP,
    )


def _choose_pictures(chosen: shell.Selection) -> None:
    if chosen.picture.source == pictures.UPLOAD:
        _choose_uploads(chosen.picture.place)
    else:
        _choose_of_data(chosen)
    segments("Arrangement", LAYOUTS, "arrange")


def _find_uploads() -> None:
    """Ask the browser for the uploads of the grid that this session has not."""
    kept, wanted = pictures.uploads(), st.session_state["uploads"]
    gone = [one for one in wanted if one not in kept]
    if any(map(ask_browser, gone)):  # one after the other
        st.caption(LOOKING)
    elif gone:
        refuse("uploads", [one[:_HASH] for one in gone], "what is missing is left out: upload it again")
        st.session_state["uploads"] = tuple(one for one in wanted if one in kept)


def _choose_uploads(shown: str) -> None:
    """Beside an upload, others of this session."""
    kept = pictures.uploads()
    others = [place for place in kept if place != shown]
    if not others:
        st.info("Upload another picture to set it beside this one.", icon=":material/upload:")
        return
    labels = labels_of(others, lambda place: kept[place][0])
    box = box_of("uploads_box", labels)
    st.session_state[box] = [place for place in st.session_state["uploads"] if place in labels]

    def changed() -> None:
        st.session_state["uploads"] = tuple(one for one in st.session_state[box] if one in labels)

    st.multiselect(
        "Beside the sidebar's picture, of your uploads", others, key=box,
        select_all=False, format_func=lambda place: labels.get(place, place), on_change=changed,
    )  # fmt: skip


def _choose_of_data(chosen: shell.Selection) -> None:
    """Beside a picture of a data set, others of it."""
    data = pictures.dataset(chosen.picture.source)
    wrong = [place for place in st.session_state["more"] if place >= len(data)]
    if wrong:
        refuse("more", wrong, "what this data set does not hold is left out")
        st.session_state["more"] = tuple(p for p in st.session_state["more"] if p not in wrong)
    box = f"more_box_{chosen.picture.source}"  # another one for other labels, see `choose.select`
    st.session_state[box] = [str(place) for place in st.session_state["more"]]

    def changed() -> None:
        texts = st.session_state[box]
        kept = [text for text in texts if text.isdecimal() and int(text) < len(data)]
        st.session_state["more"] = tuple(dict.fromkeys(map(int, kept)))[:MORE]
        retract("more")
        st.session_state[_NO_NUMBER] = next((text for text in texts if text not in kept), "")

    if typed := st.session_state.pop(_NO_NUMBER, ""):
        named = f"“{markdown_text(typed[:40])}” is no picture of {markdown_text(data.title)}"
        remark("more", f"{named}: type a number, 0 to {len(data) - 1}.")
    around = pictures.titles(chosen.picture.source, min(len(data), 100))
    options = sorted({*range(len(around)), *st.session_state["more"]})

    def title(text: str) -> str:
        if not text.isdecimal() or int(text) >= len(data):
            return text
        return around[int(text)] if int(text) < len(around) else data.name(int(text))

    st.multiselect(
        f"Beside the sidebar's picture, up to {MORE} of {data.title}",
        [str(place) for place in options],
        key=box,
        max_selections=MORE,
        select_all=False,
        format_func=title,
        accept_new_options=len(data) > len(around),
        help="Type a number for a picture that is not in the list.",
        on_change=changed,
    )


def _choose_numbers() -> None:
    st.selectbox("Order, best first", list(ORDERS), key="order", format_func=ORDERS.__getitem__, **_KEEP)
    st.selectbox(
        "Compare with (Spearman, SSIM)",
        list(METHODS),
        key="reference",
        format_func=lambda name: METHODS[name].title,
        **_KEEP,
    )
    st.selectbox(
        "Removal curve", list(CURVES), key="curve", format_func=lambda name: CURVES[name].title, **_KEEP
    )
    st.toggle(
        "Grid pointing game",
        key="game",
        help="For pictures without a mask, too: each stands in a grid of four with pictures of other "
        "predicted classes, the chosen ones first, else the next of its data set. The number is the share of "
        "positive values in its own quarter; 25 % by chance. Costs four times the passes of each map.",
        **_KEEP,
    )
    st.selectbox("Removed pixels become", list(FILLS), key="fill", format_func=FILLS.__getitem__, **_KEEP)


def make_plan(chosen: shell.Selection, look: Look, reasons: Mapping[str, str], layers: Layers) -> Plan:
    """The plan of what the sidebar and the page's settings ask for."""
    shown: list[Picture] = [chosen.picture]
    source = chosen.picture.source
    if source != pictures.UPLOAD:
        count = len(pictures.dataset(source))
        places = [
            place
            for place in st.session_state["more"]
            if place < count and str(place) != chosen.picture.place
        ]
        shown += [pictures.from_dataset(source, place) for place in places]
    else:
        kept = [place for place in st.session_state["uploads"] if place in pictures.uploads()]
        shown += [pictures.from_upload(place) for place in kept if place != chosen.picture.place]
    wanted, dial = (
        st.session_state["methods"],
        dial_of(st.session_state["grid_dial"], st.session_state["prune"]),
    )
    reasons = {entry: reasons[method_of(entry)] or _no_layer(entry, layers) for entry in wanted}
    return Plan(
        card=chosen.card,
        weights=chosen.answer.weights,
        pictures=tuple(shown),
        masks=tuple(mask_seen(chosen.card, _mask(picture)) for picture in shown),
        target=chosen.contrast.target,
        options={entry: _options(entry, layers, dial) for entry in wanted},
        blocked={name: reasons[name] for name in wanted if reasons[name]},
        look=look,
        reference=st.session_state["reference"],
        order=st.session_state["order"],
        curve=st.session_state["curve"],
        fill=st.session_state["fill"],
        layout=st.session_state["arrange"],
        device=engine().device.type,
        rivals=tuple(map(_rivals, shown, repeat(shown))) if st.session_state["game"] else None,
        dial=dial,
        against=chosen.against,
    )


def _rivals(picture: Picture, shown: Sequence[Picture]) -> tuple[Place, ...]:
    """Whom a picture may play with: the others on screen, then those that follow it in its data set."""
    own = picture.source != pictures.UPLOAD
    beside = [(other.source, int(other.place)) for other in shown if other is not picture and own]
    following = shell.others(picture, st.session_state["model"], CANDIDATES)
    return tuple(dict.fromkeys([*beside, *following]))


def _mask(picture: Picture) -> NDArray[np.bool_] | None:
    if picture.source == pictures.UPLOAD:
        return None
    place = picture.source, int(picture.place)
    key = ("mask", pictures.stamp_of(place[0]), *place, picture.sha256)
    (mask,) = kept(key, lambda: (pictures.dataset(place[0])[place[1]].mask,))
    found: NDArray[np.bool_] | None = mask
    return found


def _no_layer(entry: str, layers: Layers) -> str:
    """Why an entry of another network's layer does not fit, or ""."""
    layer, known = options_of(entry).get("layer"), layers.get(method_of(entry), ())
    return f"This network has no layer {layer}." if layer and layer not in known else ""


def _options(entry: str, layers: Layers, dial: tuple[str, float]) -> tuple[tuple[str, Any], ...]:
    method, own = method_of(entry), options_of(entry)
    found = on_the_dial(method, dial) if follows(entry) else {}
    if method == "noise_tunnel":
        found["of"] = st.session_state["smooth"]
    layer = st.session_state["layer"]
    if layer in layers.get(method, ()):
        found["layer"] = layer
    return tuple({**found, **own}.items())
