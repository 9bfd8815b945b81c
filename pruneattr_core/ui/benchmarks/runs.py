"""Benchmark runs to show: those shipped in assets/runs/bench, and what this session imports, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, read_run, run_from_files, run_from_zip
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.benchmarks.names import full_title
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.shipped import shipped

FOLDER = ASSETS / "runs" / "bench"
#: Imports a session keeps; the oldest goes first.
IMPORTS_KEPT = 6
_IMPORTS = "_bench_imports"


def bench_runs() -> dict[str, Run]:
    """Name -> run: shipped ones by name, then imports; a damaged shipped one is logged and left out."""
    return {**shipped(FOLDER, HEADER, read_run), **imports()}


def imports() -> Mapping[str, Run]:
    """This session's imported runs."""
    kept: dict[str, Run] = st.session_state.setdefault(_IMPORTS, {})
    return kept


def keep_run(run: Run) -> str:
    """Keep an imported run for this session; returns its name."""
    kept: dict[str, Run] = st.session_state.setdefault(_IMPORTS, {})
    name = f"import-{run.id}"
    kept[name] = run
    while len(kept) > IMPORTS_KEPT:
        del kept[next(iter(kept))]
    return name


def provenance_line(run: Run) -> str:
    """What a reader needs to judge and repeat a run, one line."""
    plan, versions = run.plan, run.plan.versions
    note = f" {plan.model['note']}" if plan.model.get("note") else ""
    seconds, date = run.timing.get("seconds"), str(run.timing.get("date", ""))
    when = date if date.replace("-", "").isdecimal() else "no date"  # not covered by the hashes: from anybody
    return (
        f"n = {plan.n} {BENCHMARKS[plan.benchmark].unit}, {plan.data['title']} (seed {plan.data['seed']}), "
        f"{plan.model['title']} (weights {plan.model['weights_sha256'][:8]}), "
        f"{versions.get('device', 'unknown device')}, "
        f"torch {versions.get('torch', '?')}, {seconds if isinstance(seconds, (int, float)) else '?'} s of "
        f"computing, {when}, run {run.id}.{note}"
    )


#: What stands on the page after an import, until the next run of the script; and why one was refused.
_SAID, _REFUSED = "_bench_imported", "_bench_refused"
#: Counts the imports, so that each begins with an empty box.
_COUNT = "_bench_uploads"


def importer(show: Callable[[str, Run], None]) -> None:
    """Draw the box.

    Args:
        show: called with the name of an imported run, to open it.
    """
    count = st.session_state.setdefault(_COUNT, 0)
    key = f"bench_upload_{count}"

    def arrived() -> None:
        files = st.session_state[key]
        if not files:
            return  # an empty box has nothing to say, also not that the last run was all right
        st.session_state[_REFUSED] = ""
        st.session_state[_COUNT] += 1
        try:
            run = _read(files)
        except PruneAttrError as error:
            st.session_state[_REFUSED] = str(error)
            return
        name = keep_run(run)
        show(name, run)
        st.session_state[_SAID] = f"Imported: {full_title(name, run)}. Schema and hashes are right."

    st.file_uploader(
        "Drop the zip or the folder of a run here", type=["zip", "json", "npy", "csv", "png"], key=key,
        accept_multiple_files=True, on_change=arrived,
        help="Checked before it is shown; it stays in this session and is never unpacked to disk.",
    )  # fmt: skip
    if st.session_state.get(_REFUSED):
        complain(st.session_state[_REFUSED])


def imported() -> None:
    """Say once what was imported."""
    if st.session_state.get(_SAID):
        st.success(st.session_state.pop(_SAID), icon=":material/check:")


def _read(files: list[Any]) -> Run:
    zips = [file for file in files if file.name.lower().endswith(".zip")]
    if zips:
        return run_from_zip(zips[-1].getvalue())
    return run_from_files({file.name: file.getvalue() for file in files})
