"""Critical paths: which neurons carry this answer, and do methods agree?"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pruneattr_core.critical_path import Path
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import ComparisonKey, Ground, Timed, compare
from pruneattr_core.ui import shell
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.errors import complain, guarded
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.one_file import folio_button
from pruneattr_core.ui.paths import carries as path_carries
from pruneattr_core.ui.paths import holds as path_holds
from pruneattr_core.ui.paths import runs as path_runs
from pruneattr_core.ui.paths import tasks as path_tasks
from pruneattr_core.ui.paths import views as path_views
from pruneattr_core.ui.paths import where as path_where
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.files import path_from_bytes
from pruneattr_core.ui.paths.state import (
    FIELDS,
    UPLOADED,
    VIEWS,
    own_path,
)
from pruneattr_core.ui.paths.tasks import choose_paths, choose_sparsity, find_ground
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import publish, report


def draw(chosen: shell.Selection) -> None:
    """The page."""
    report(FIELDS)
    title_row("Critical paths")
    target = chosen.target if chosen.target is not None else int(chosen.answer.probabilities.argmax())
    st.caption(
        f"Which neurons of {chosen.card.title} carry its answer *{chosen.card.classes[target]}* for this "
        "picture, and do methods agree? A path is the set of neurons that stay when a share of them, the "
        "sparsity, is removed."
    )
    view = segments("View", VIEWS, "show", shown=False)
    with st.container(key="choices_paths"):
        methods, kappa = _choices(view)
    publish(FIELDS)  # a reload while what follows is computed keeps what was chosen
    with guarded():
        subject = chosen.subject
        waiting = Waiting(height=420, over="ground")
        ground = find_ground(subject, chosen, waiting)
        waiting.clear()
        own = None
        if view not in OF_ONE_PATH:
            _own_path(ground)
            own = own_path()
        found = path_tasks.collect(chosen, subject, ground, methods, kappa, st.session_state["path_seed"])
        paths = {key: one.path(kappa) for key, one in found.items()}
        if own is not None and _fits(own[1], ground):
            paths[UPLOADED] = own[1]
        folio = Folio()
        board = _board(chosen, subject, ground, kappa, paths, found, folio) if paths else None
        if view == "published":
            path_runs.papers(chosen.card.id, board, folio)
        elif board is None:
            st.info(
                "No path yet: choose NeuronMCT or Random above, which take one pass, or start a computation."
            )
        else:
            _VIEWS[view](board)
        publish(FIELDS)
        if folio.parts:
            folio_button("paths", lambda: folio, chosen, target, FIELDS)


#: Views of NeuronMCT's path alone -> whether it is cut at the sparsity of the page.
OF_ONE_PATH = {"carries": False, "holds": True}
_VIEWS = {
    "carries": path_carries.carries,
    "holds": path_holds.holds,
    "agreement": path_views.agreement,
    "dead": path_views.dead,
    "where": path_where.where,
    "sets": path_views.sets,
}


def _choices(view: str) -> tuple[list[str], float]:
    """Methods and sparsity; asked for where the view has a use for them."""
    if view not in OF_ONE_PATH:
        return choose_paths(None if is_spare() else own_path_popover)
    return ["taylor"], choose_sparsity() if OF_ONE_PATH[view] else st.session_state["kappa"]


def own_path_popover() -> None:
    """Where a saved path comes back."""
    with st.popover("Your own path", icon=":material/upload_file:"):
        st.file_uploader("A path saved here (.npz)", type=["npz"], key="path_file", on_change=_path_arrived)


def _path_arrived() -> None:
    file = st.session_state["path_file"]
    st.session_state["_path_bytes"] = None if file is None else (file.name, file.getvalue())
    st.session_state["_path_refused"] = ""


def _own_path(ground: Ground) -> None:
    """Read an upload now that the network it has to fit is known."""
    waiting = st.session_state.pop("_path_bytes", None)
    if waiting is not None:
        name, data = waiting
        try:
            st.session_state["_own_path"] = (
                name,
                path_from_bytes(data, name, ground.scores.names, ground.scores.layers),
            )
        except PruneAttrError as error:
            st.session_state["_path_refused"] = str(error)
    refused = st.session_state.get("_path_refused")
    if refused and st.session_state.get("path_file") is not None:  # as long as the box holds that file
        complain(refused, ":material/broken_image:")
    own = own_path()
    if own is None:
        return
    name, path = own
    with st.container(horizontal=True, vertical_alignment="center"):
        if _fits(path, ground):
            known = {key: path.meta.get(key) for key in ("title", "picture", "target", "sparsity", "seed")}
            said = [f"{key} {value!s:.60}" for key, value in known.items() if value is not None]
            st.caption(markdown_text(" · ".join([f"Your path: {name}", *said])), width="content")
        else:
            st.info(
                f"Your path {markdown_text(name)} was made with another network and is left out.",
                icon=":material/link_off:",
            )
        st.button("Remove it", key="path_remove", icon=":material/close:", on_click=_remove_own)


def _remove_own() -> None:
    st.session_state.pop("_own_path", None)


def _fits(path: Path, ground: Ground) -> bool:
    return path.names == ground.scores.names and all(
        mask.shape == layer.shape for mask, layer in zip(path.layers, ground.scores.layers, strict=True)
    )


def _board(
    chosen: shell.Selection,
    subject: Subject,
    ground: Ground,
    kappa: float,
    paths: Mapping[str, Path],
    found: Mapping[str, Timed],
    folio: Folio,
) -> Board:
    own = own_path()
    mark = id(own[1]) if own is not None and UPLOADED in paths else None
    key = ComparisonKey(subject, kappa, st.session_state["path_seed"], tuple(paths), mark)
    waiting = Waiting(height=420, over="comparison")
    comparison = engine().jobs.run(
        key, lambda job: compare(list(paths.values()), ground.scores.dead), waiting, "coarse"
    )
    waiting.clear()
    pending = tuple(method for method in st.session_state["paths"].split(",") if method not in paths)
    return Board(chosen, subject, ground, kappa, paths, found, comparison, key, pending, folio)
