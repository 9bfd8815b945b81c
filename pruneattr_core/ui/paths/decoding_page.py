"""Path decoding: what the network, and each path through it, would like to see."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import streamlit as st

from pruneattr_core.analysis.decoding import Recipe
from pruneattr_core.paths.table import METHODS
from pruneattr_core.render import png_bytes
from pruneattr_core.render.series import Series, series
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import Ground, path_key
from pruneattr_core.runtime import provenance
from pruneattr_core.share.words import counted, signed
from pruneattr_core.ui import shell
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.one_file import folio_button
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths.decoding import (
    MOVES,
    Canvas,
    Drawn,
    Place,
    Source,
    active_subnet,
    decoding_key,
    decoding_work,
    picture_so_far,
    place_of,
    predicted_decoding,
    recipe,
    source,
)
from pruneattr_core.ui.paths.state import FIELDS as PATH_FIELDS
from pruneattr_core.ui.paths.state import KEEP, SEED_LIMIT
from pruneattr_core.ui.paths.tasks import AT_ONCE, choose_paths, collect, find_ground
from pruneattr_core.ui.state import Field, one_of, publish, report, viewer, whole
from pruneattr_core.ui.watching import LOOK, duration

ORIGINAL, ACTIVE = "Original network", "Active subnet"
STEPS = (32, 64, 128, 256, 512)
PARAMETRISATIONS = {"fourier": "Fourier", "pixel": "Pixels"}
COLOURS = {"decorrelated": "Decorrelated", "rgb": "RGB"}
MOVE_TITLES = {"none": "None", "shift": "Shifts", "all": "Shifts, zoom, turns"}
FIELDS = (
    *(field for field in PATH_FIELDS if field.name in ("paths", "kappa", "path_seed")),
    Field("drawn_in", "fourier", one_of(PARAMETRISATIONS), "the parametrisation"),
    Field("colour_space", "decorrelated", one_of(COLOURS), "the colours"),
    Field("moves", "all", one_of(MOVES), "the transformations"),
    Field("steps", 128, lambda text: STEPS[STEPS.index(int(text))], "the number of steps"),
    Field("decode_seed", 0, whole(0, SEED_LIMIT), "the seed of the decoding"),
)
#: Cards in one row of a wide window.
MOST_ABREAST = 5


def draw(chosen: shell.Selection) -> None:
    """The page."""
    report(FIELDS)
    target = chosen.target if chosen.target is not None else int(chosen.answer.probabilities.argmax())
    name = chosen.card.classes[target]
    with title_row("Path decoding"), st.popover("How they are drawn", icon=":material/palette:"):
        how = _recipe(chosen)
    st.caption(
        f"Gradient ascent from noise towards *{name}*: in the original network, in the active subnet, "
        "and restricted to each path (mode zero). A path that carries the answer draws something like the "
        "network's own picture."
    )
    with st.container(key="choices_paths"):
        methods, kappa = choose_paths()
    publish(FIELDS)
    with guarded():
        subject = chosen.subject
        waiting = Waiting(height=420, over="ground")
        ground = find_ground(subject, chosen, waiting)
        waiting.clear()
        found = collect(chosen, subject, ground, methods, kappa, st.session_state["path_seed"])
        sources = [
            source("original", ORIGINAL, None, ground),
            source("active", ACTIVE, active_subnet(ground), ground),
        ]
        for method, one in found.items():
            key = (path_key(subject, method, kappa, st.session_state["path_seed"]), kappa)
            sources.append(source(key, METHODS[method].title, one.path(kappa), ground))
        canvases = [
            Canvas(decoding_key(subject, one, how, neuron), one, neuron)
            for one in sources
            for neuron in (False, True)
            if not neuron or one.top is not None
        ]
        _start(canvases, chosen, subject, ground, target, how)
        running = any(engine().jobs.watch(canvas.key, viewer()) for canvas in canvases)
        cards = st.fragment(_cards, run_every=LOOK if running else None)
        photo = chosen.photo
        places = {one.key: place_of(one, ground, photo, "#e69f00") for one in sources}
        cards(sources, canvases, places, chosen, ground, target, how, running)


def _recipe(chosen: shell.Selection) -> Recipe:
    segments(
        "Drawn in",
        PARAMETRISATIONS,
        "drawn_in",
        help="Fourier optimises amplitudes scaled by 1 / frequency, so large shapes come first.",
    )
    segments(
        "Colours",
        COLOURS,
        "colour_space",
        help="Decorrelated: channels are combined by the colour covariance of photographs (Lucid).",
    )
    segments(
        "Transformations",
        MOVE_TITLES,
        "moves",
        "Random ones before every step; the picture must please from each of them.",
    )
    st.select_slider("Steps", STEPS, key="steps", width=170, **KEEP)
    st.number_input("Seed of pictures", 0, SEED_LIMIT, step=1, key="decode_seed", width=140, **KEEP)
    state = st.session_state
    return recipe(
        state["drawn_in"],
        state["colour_space"] == "decorrelated",
        state["steps"],
        state["moves"],
        state["decode_seed"],
        chosen.card.size,
    )


def _start(
    canvases: Sequence[Canvas],
    chosen: shell.Selection,
    subject: Subject,
    ground: Ground,
    target: int,
    how: Recipe,
) -> None:
    """The button that starts what is missing, with its price; a short first picture starts by itself."""

    def begin(some: Sequence[Canvas]) -> None:
        for canvas in some:
            work = decoding_work(engine(), subject, chosen, canvas.source, target, how, canvas.neuron)
            engine().jobs.start(canvas.key, work, viewer())

    first = canvases[0]
    offered = st.session_state.setdefault("_offered", set())
    if first.key not in offered and predicted_decoding(ground, 1, how.steps) <= AT_ONCE:
        offered.add(first.key)
        begin([first])
    missing = [canvas for canvas in canvases if engine().jobs.results.get(canvas.key) is None]
    idle = {canvas.key: canvas for canvas in missing if engine().jobs.watch(canvas.key, viewer()) is None}
    busy = len({canvas.key for canvas in missing}) - len(idle)
    with st.container(horizontal=True, vertical_alignment="center"):
        if idle:
            seconds = predicted_decoding(ground, len(idle), how.steps)
            st.button(
                f"Decode {counted(len(idle), 'pictures')} · about {duration(seconds)} here",
                key="decode",
                type="primary",
                icon=":material/play_arrow:",
                on_click=begin,
                args=(list(idle.values()),),
            )
        if busy:
            st.button(
                "Cancel", key="cancel_decoding", icon=":material/close:", on_click=_leave, args=(missing,)
            )


def _leave(canvases: Sequence[Canvas]) -> None:
    for canvas in canvases:
        engine().jobs.leave(canvas.key, viewer())


def _cards(
    sources: Sequence[Source],
    canvases: Sequence[Canvas],
    places: Mapping[Hashable, Place],
    chosen: shell.Selection,
    ground: Ground,
    target: int,
    how: Recipe,
    running: bool,
) -> None:
    """All cards; a fragment that looks again while something runs."""
    by_source = {(canvas.source.key, canvas.neuron): canvas for canvas in canvases}
    if running and not any(engine().jobs.watch(canvas.key, viewer()) for canvas in canvases):
        st.rerun()  # the last one is finished: stop looking, offer what was cancelled
    lines, folio = {}, Folio()
    rows = -(-len(sources) // MOST_ABREAST)
    abreast = max(3, -(-len(sources) // rows))
    for start in range(0, len(sources), abreast):
        columns = st.columns(abreast)
        for column, one in zip(columns, sources[start : start + abreast], strict=False):
            place = sources.index(one)
            with column, st.container(border=True):
                drawn = _card(one, by_source, places[one.key], chosen, ground, target, how, place, folio)
            if drawn is not None:
                lines[one.title] = drawn
    if lines:
        folio.markdown("### How the response grew")
        folio.plotly_chart(
            path_charts.response_lines(
                {title: (drawn.steps, drawn.responses) for title, drawn in lines.items()},
                _styles(),
                f"logit of {chosen.card.classes[target]}",
            ),
            config={"displayModeBar": False},
            key="chart_responses",
            alt="Response at the end: "
            + ", ".join(f"{title} {signed(drawn.responses[-1], '.2f')}" for title, drawn in lines.items()),
        )
        folio.caption(
            "Measured without transformations, in the network that is decoded. Logits of differently pruned "
            "networks are not on one scale: compare the pictures first."
        )
        folio.table([{"choice": key.replace("_", " "), "is": str(value)} for key, value in vars(how).items()])
        folio_button("decoding", lambda: folio, chosen, target, FIELDS)


def _styles() -> dict[str, Series]:
    """Title -> how its line is drawn: methods as on the page of critical paths."""
    methods = {route.title: series(place) for place, route in enumerate(METHODS.values())}
    return {ORIGINAL: series(8), ACTIVE: series(7), **methods}


def _card(
    one: Source,
    by_source: Mapping[tuple[Hashable, bool], Canvas],
    top: Place,
    chosen: shell.Selection,
    ground: Ground,
    target: int,
    how: Recipe,
    place: int,
    folio: Folio,
) -> Drawn | None:
    kept = ground.neurons if one.path is None else int(one.path.kept.sum())
    st.markdown(f"**{one.title}**")
    counted = f"{kept:,} of {ground.neurons:,} neurons · sparsity {1 - kept / ground.neurons:.4f}"
    st.caption(counted)
    name = chosen.card.classes[target]
    drawn = picture_so_far(by_source[one.key, False], f"{one.title} decoded for {name}", how)
    spot, words = top
    left, right = st.columns(2)
    with left:
        if (one.key, True) in by_source:
            seen = picture_so_far(
                by_source[one.key, True], f"Top neuron of {one.title} decoded", how, small=True
            )
            if seen is not None and seen.steps[-1] == how.steps and seen.responses[-1] <= 0:
                words += "; not above 0 after the last step: more steps may raise it"
    with right:
        if spot is not None:
            st.image(inline(spot), width="stretch", alt=f"Place of the top neuron: {words}")
    st.caption(f"Top neuron and its place: {words}")
    if drawn is not None:
        alt = f"{one.title} decoded for {name}, step {drawn.steps[-1]} of {how.steps}"
        folio.picture(
            inline(drawn.pixels), alt,
            f"**{one.title}**. {counted}. Logit {signed(drawn.responses[-1], '.2f')} at "
            f"step {drawn.steps[-1]} of {how.steps}. Top neuron: {words}",
        )  # fmt: skip
        st.download_button(
            "PNG",
            lambda: png_bytes(
                drawn.pixels,
                {
                    "made_by": "path decoding",
                    "network": one.title,
                    "model": chosen.card.id,
                    "picture_sha256": chosen.picture.sha256,
                    "target": name,
                    "sparsity": round(1 - kept / ground.neurons, 6),
                    "recipe": vars(how),
                    "response": drawn.responses[-1],
                    "made_with": provenance(),
                },
            ),
            f"decoded_{place}_{chosen.card.id.replace('/', '-')}_{chosen.picture.sha256[:8]}.png",
            "image/png",
            key=f"decoded_{place}",
            icon=":material/download:",
            on_click="ignore",
        )
    return drawn
