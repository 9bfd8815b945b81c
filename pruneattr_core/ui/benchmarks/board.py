"""The scoreboard: every run that is here, imports too, in one ranking per network, pictures and measure."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.scoreboard import CONTROLS, Line, Ranking, agreement, rankings, shared_methods
from pruneattr_core.share.words import signed
from pruneattr_core.ui.benchmarks.point import check
from pruneattr_core.ui.benchmarks.recompute import Check, check_key
from pruneattr_core.ui.benchmarks.runs import imports
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.folio import Folio

_KEY = "bench_board"


def board(shown: str, measure: str, every: dict[str, Run], folio: Folio) -> None:
    """Draw the ranking that holds the run `shown`, and let another be chosen.

    Args:
        shown: name of the run above.
        measure: of the chart above.
        every: name -> run.
        folio: takes what is shown.
    """
    found = _rankings(tuple((name, run.id) for name, run in every.items()), every)
    if not found:
        return
    names = [f"{one.network} · {one.data} · {one.measure}" for one in found]
    usual = next(
        (
            place
            for place, one in enumerate(found)
            if one.measure.startswith(measure.replace("_", " ")) and shown in {line.run for line in one.lines}
        ),
        next(
            (place for place, one in enumerate(found) if one.network == every[shown].plan.model["title"]), 0
        ),
    )
    with st.expander("Scoreboard: every run in one ranking", icon=":material/leaderboard:"):
        at = st.selectbox(
            "Network, pictures and measure", range(len(found)), index=usual, format_func=names.__getitem__,
            key=f"{_KEY}_{shown}_{measure}",
        )  # fmt: skip
        one = found[at]
        folio.note(f"Scoreboard: {names[at]}. {one.better.capitalize()} is better.")
        rows = [_row(line, every) for line in one.lines]
        picked: Any = folio.dataframe(
            rows, width="stretch", height=min(560, 38 + 35 * len(rows)), placeholder="-",
            key=f"{_KEY}_{at}", on_select="rerun", selection_mode="single-row",
            column_config={
                name: st.column_config.NumberColumn(name, format="%.4f") for name in ("mean", "low", "high")
            },
        )  # fmt: skip
        unit = BENCHMARKS[every[one.lines[0].run].plan.benchmark].unit
        again = "; choose a row to compute a sample of it again" if unit == "pictures" else ""
        st.caption(
            f"{one.better.capitalize()} is better. Low and high: Student's interval, 95 %, over {unit}. "
            "Beside the random map: by the paired difference. Schema and hashes of all runs are right"
            f"{again}. "
            f"{_agreement(one, found)}"
        )
        chosen = [row for row in picked["selection"]["rows"] if row < len(rows)] if picked else []
        if chosen:
            line = one.lines[chosen[0]]
            run = every[line.run]
            if BENCHMARKS[run.plan.benchmark].unit == "pictures":
                check(run, line.label, _measure(run, one.measure), 0, _KEY)


@st.cache_resource(max_entries=4, show_spinner=False)
def _rankings(ids: tuple[tuple[str, str], ...], _runs: dict[str, Run]) -> list[Ranking]:
    """Those with two methods or more; `ids` name the runs in the cache."""
    return [one for one in rankings(_runs) if len(one.lines) > 1]


def _row(line: Line, every: dict[str, Run]) -> dict[str, Any]:
    interval = line.interval
    low, high = (None if math.isnan(end) else end for end in (interval.low, interval.high))
    kept: Check | None = engine().jobs.results.get(check_key(every[line.run], line.label))
    again = "" if kept is None else "agrees" if kept.verdict(every[line.run])[0] else "differs"
    return {
        "rank": line.rank,
        "method": f"{line.label} (control)" if line.label in CONTROLS else line.label,
        "mean": interval.mean, "low": low, "high": high, "n": interval.n,
        "beside the random map": line.against_random, "run": line.run,
        "from": "imported" if line.run in imports() else "shipped", "computed again": again,
    }  # fmt: skip


def _measure(run: Run, words: str) -> str:
    """The measure that a ranking's words begin with."""
    fitting = [one for one in run.plan.measures if words.startswith(one.replace("_", " "))]
    return max(fitting, key=len, default=run.plan.measures[0])


def _agreement(one: Ranking, found: list[Ranking]) -> str:
    """The measures on the same network that order the methods most and least alike."""
    alike = [
        (tau, other)
        for other in found
        if other is not one and other.network == one.network and math.isfinite(tau := agreement(one, other))
    ]
    if len(alike) < 2:
        return ""
    most, least = max(alike, key=lambda pair: pair[0]), min(alike, key=lambda pair: pair[0])

    def words(pair: tuple[float, Ranking]) -> str:
        tau, other = pair
        return f"{signed(tau, '+.2f')} over {len(shared_methods(one, other))} methods"

    return (
        f"On this network {most[1].measure}, {most[1].data}, orders the methods most alike (Kendall's tau "
        f"{words(most)}) and {least[1].measure}, {least[1].data}, least ({words(least)})."
    )
