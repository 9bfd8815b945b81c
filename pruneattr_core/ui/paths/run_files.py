"""Runs of path analyses that come with the repository: assets/runs/paths/<name>/."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pruneattr_core.analysis.study_run import HEADER, Study, read_study
from pruneattr_core.errors import StoreError
from pruneattr_core.ui.errors import logger

FOLDER = Path(__file__).parents[3] / "assets" / "runs" / "paths"


def path_runs() -> dict[str, Study]:
    """Name -> run, in the order of names; a damaged one is logged and left out."""
    files = sorted(FOLDER.glob(f"*/{HEADER}"))
    return _read(tuple((file.parent, file.stat().st_mtime_ns) for file in files))


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(folders: tuple[tuple[Path, int], ...]) -> dict[str, Study]:
    found = {}
    for folder, _ in folders:
        try:
            found[folder.name] = read_study(folder)
        except StoreError as error:
            logger.error("%s", error)
    return found


def label_of(run: Study) -> str:
    """What a reader needs to judge and repeat it: n, model, data, seed, device, date."""
    header = run.header
    counts = {method["n"] for method in header["methods"].values()}
    fewer = "" if counts == {run.n} else f" (dear methods: at least {min(counts)})"
    return (
        f"n = {run.n}{fewer} pictures of {header['data']['title']}, {header['model']['title']} (weights "
        f"{header['model']['weights_sha256'][:8]}), predicted class, seed {header['config']['seed']}, "
        f"{header['device']}, {header['finished']}; means with {header['config']['interval']}"
    )
