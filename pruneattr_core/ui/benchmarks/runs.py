"""Benchmark runs that can be shown: those shipped in assets/runs/bench, and this session's imports."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.runs.stored import HEADER
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
