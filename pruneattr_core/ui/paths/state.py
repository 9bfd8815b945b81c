"""The critical-paths page: its settings, and what is kept for the whole session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruneattr_core.analysis.alike import sparsities
from pruneattr_core.analysis.nudging import BLOCKS, FACTORS
from pruneattr_core.circuits.curve import SIZES
from pruneattr_core.critical_path import Path
from pruneattr_core.paths.table import METHODS
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.paths.alike import nestings, path_runs
from pruneattr_core.ui.state import Field, number, one_of, several_of, whole

#: Key of the user's own path among the methods.
UPLOADED = "upload"
UPLOADED_TITLE = "Your path"
VIEWS = {
    "carries": "What it carries",
    "holds": "How far does it hold?",
    "agreement": "Do methods agree?",
    "dead": "Dead neurons",
    "where": "Where it lives",
    "sets": "Both or only one",
    "published": "Papers and runs",
}
#: What the neurons outside a path become -> how readers meet it.
REPLACED = {
    "zero": "Zero",
    "freeze": "Their own value",
    "mean": "Their mean",
    "resample": "Another picture's value",
    "counterfactual": "Their value without the object",
}
#: Ways to move a picture -> how readers meet them.
NUDGES = {
    "noise": "Noise",
    "brightness": "Brightness",
    "block": "One block",
    "edge": "Nearest switch",
}
MODES = {"zero": "Zero", "freeze": "Freeze"}
SCALES = {"own": "One per map", "shared": "One for all"}
PRESETS = (0.8, 0.9, 0.99)
FIRST_METHODS = ("taylor", "intgrad", "random")
SEED_LIMIT = 2**31 - 1
KEEP: dict[str, Any] = {"persist_state": "session"}


def parse_methods(text: str) -> str:
    """Comma-separated method keys, in the table's order; raises ValueError for an unknown or empty list."""
    asked = several_of(text, METHODS)
    return ",".join(key for key in METHODS if key in asked)


def _chosen(text: str) -> str:
    """One of the methods chosen, which are adopted before, or the user's own path."""
    own = (UPLOADED,) if own_path() is not None else ()
    return one_of((*st.session_state["paths"].split(","), *own))(text)


def _removed() -> list[str]:
    """The sparsities of all runs of overlaps."""
    return [at for run in nestings().values() for at in sparsities(run)]


FIELDS = (
    Field("show", "carries", one_of(VIEWS), "the view"),
    Field("paths", ",".join(FIRST_METHODS), parse_methods, "the methods"),
    Field("kappa", 0.9, number(0, 1), "the sparsity", lambda value: f"{value:.6g}"),
    Field("path_seed", 0, whole(0, SEED_LIMIT), "the seed"),
    Field("against", FIRST_METHODS[0], _chosen, "the method to compare with"),
    Field("of", FIRST_METHODS[0], _chosen, "the path to look into"),
    Field("a", FIRST_METHODS[0], _chosen, "path A"),
    Field("b", FIRST_METHODS[1], _chosen, "path B"),
    Field("call", 1, whole(1, 10**5), "the activation call", part=True),
    Field("channel", -1, whole(-1, 10**6), "the channel", part=True),
    Field("mode", "zero", one_of(MODES), "the mode"),
    Field("run", "", lambda text: one_of(path_runs())(text), "the run"),
    Field("run_at", 0.9, number(0, 1), "the sparsity of the run", lambda value: f"{value:.6g}"),
    Field("alike", "", lambda text: one_of(nestings())(text), "the run of overlaps"),
    Field("alike_at", "0.9", lambda text: one_of(_removed())(text), "the sparsity of the overlaps"),
    Field("kept", 0.1, lambda text: SIZES[SIZES.index(float(text))], "the path's size", "{:g}".format),
    Field("instead", "zero", one_of(REPLACED), "the replacement"),
    Field("nudge", "noise", one_of(NUDGES), "the nudge"),
    Field(
        "nudge_by", 10.0, lambda text: FACTORS[FACTORS.index(float(text))], "the nudge's size", "{:g}".format
    ),
    Field("nudge_seed", 0, whole(0, SEED_LIMIT), "the seed of the noise"),
    Field("nudge_row", 4, whole(1, BLOCKS), "the block's row"),
    Field("nudge_column", 4, whole(1, BLOCKS), "the block's column"),
    Field("set_scale", "own", one_of(SCALES), "the colour scale"),
)


def own_path() -> tuple[str, Path] | None:
    """The path uploaded in this session, with its file's name."""
    kept: tuple[str, Path] | None = st.session_state.get("_own_path")
    return kept


def choose_from(label: str, key: str, options: Mapping[str, str], avoid: str | None = None) -> str:
    """A select box over the chosen methods; a choice that is not among them gives way to the first one."""
    if st.session_state[key] not in options:
        st.session_state[key] = next((name for name in options if name != avoid), next(iter(options)))
    return select(label, list(options), key, options.__getitem__)
