"""Below a chart: what lies behind its points, and a check that computes one curve anew."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, standard_error, statistics
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.images import decode_image
from pruneattr_core.models import model_card
from pruneattr_core.share.component import Component
from pruneattr_core.share.words import counted, signed
from pruneattr_core.ui import pictures, watching
from pruneattr_core.ui.benchmarks.recompute import (
    Check,
    check_key,
    computed_again,
    obstacle,
    pictures_again,
)
from pruneattr_core.ui.benchmarks.words import short, where
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.component import register
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.kept import dataframe
from pruneattr_core.ui.stage import Blocks, numbers
from pruneattr_core.ui.watching import LOOK, progress

#: Pictures shown of either end.
ENDS = 5
_SIDE = 96
_mount = register("pruneattr_behind", Component("behind", ("behind/behind.js",)))


def behind(runs: dict[str, Run], measure: str, chart: str) -> tuple[str, str, int]:
    """Draw the strip below a chart; it follows the pointer there.

    Args:
        runs: title -> run, as in the chart's customdata.
        measure: of the chart.
        chart: beginning of its key.

    Returns:
        Run, method and point that were clicked last; the last point of the first method before that.
    """
    data = payload(tuple(run.id for run in runs.values()), tuple(runs), measure, chart, runs)
    kept: Any = _mount(
        data=data, key="bench_behind", default={"point": None}, on_point_change=lambda: None
    ).point
    title, run = next(iter(runs.items()))
    if isinstance(kept, (list, tuple)) and len(kept) == 3 and kept[0] in runs:
        asked, label, place = runs[kept[0]], str(kept[1]), int(kept[2])
        if label in asked.plan.labels and 0 <= place < len(asked.plan.x):
            return str(kept[0]), label, place
    return title, run.plan.labels[0], len(run.plan.x) - 1


@st.cache_resource(max_entries=24, show_spinner=False)
def payload(
    ids: tuple[str, ...], titles: tuple[str, ...], measure: str, chart: str, _runs: dict[str, Run]
) -> bytes:
    """The strip's bytes; `ids` name the runs in the cache."""
    blocks = Blocks()
    heads = [_head(title, run, measure, blocks) for title, run in _runs.items()]
    first = next(iter(_runs.values()))
    pictured = any(one["block"] for head in heads for one in head["pictures"].values())
    unit = BENCHMARKS[first.plan.benchmark].unit
    note = (
        f"Each {unit.removesuffix('s')} with its own value. Move over the chart to look, click to keep."
        if pictured or unit != "pictures"
        else f"The pictures ({first.plan.data['title']}) are not on this machine; their names and values are."
    )
    return blocks.framed({"runs": heads, "chart": chart, "note": note})


def _head(title: str, run: Run, measure: str, blocks: Blocks) -> dict[str, Any]:
    points = [[_point(values) for values in run.of(label, measure)] for label in run.plan.labels]
    used = {number for row in points for point in row for number, _ in (*point["low"], *point["high"])}
    return {
        "title": title,
        "labels": list(run.plan.labels),
        "x": [f"at {x:g}" if isinstance(x, (int, float)) else f"down to {x}" for x in run.plan.x],
        "points": points,
        "pictures": {
            number: {
                "name": run.plan.data["names"][number].split("/")[-1],
                "block": _thumbnail(run, number, blocks),
            }
            for number in sorted(used)
        },
    }


def _point(values: NDArray[np.float64]) -> dict[str, Any]:
    known = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    mean, deviation, count = statistics(values[None])
    ends = (known, []) if len(known) <= 2 * ENDS else (known[:ENDS], known[-ENDS:])
    low, high = ([[i, round(float(values[i]), 4)] for i in end] for end in ends)
    return {
        "n": int(count[0]),
        "mean": numbers(mean)[0],
        "error": numbers(standard_error(deviation, count))[0],
        "low": low,
        "high": high,
    }


def _thumbnail(run: Run, number: int, blocks: Blocks) -> dict[str, Any] | None:
    image = picture(run, number)
    if image is None:
        return None
    out = io.BytesIO()
    image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(out, "JPEG", quality=88)
    return blocks.add(np.frombuffer(out.getvalue(), np.uint8))


def picture(run: Run, number: int) -> Image.Image | None:
    """From the run itself, else from the data set if it is here."""
    try:
        if number in run.samples:
            return decode_image(run.samples[number], f"sample {number}")
        name = run.plan.data["id"]
        if name not in pictures.sources() or name == pictures.UPLOAD:
            return None
        data, index = pictures.dataset(name), run.plan.data["indices"][number]
        if index >= len(data) or data[index].name != run.plan.data["names"][number]:
            return None
        card = model_card(run.plan.model["id"], ask=False)
        return Image.fromarray(card.display(data[index].image))
    except PruneAttrError:
        return None


_PLACE = "_bench_check"


def point(runs: dict[str, Run], measure: str, chart: str) -> None:
    """Draw both for the point that was clicked last; `chart` begins the chart's key."""
    title, label, place = behind(runs, measure, chart)
    run = runs[title]
    if BENCHMARKS[run.plan.benchmark].unit != "pictures":
        return  # computing again would train networks
    check(run, label, measure, place)


def check(run: Run, label: str, measure: str, place: int, begin: str = "") -> None:
    """Draw the check of a run's method, told at its point number `place`; `begin` sets the keys apart."""
    running = _running(run, label) is not None
    st.fragment(_check, run_every=LOOK if running else None)(run, label, measure, place, running, begin)


def _running(run: Run, label: str) -> Job | None:
    """The check of this very curve, if it runs."""
    return watching.running(_PLACE) if watching.asked_for(_PLACE) == check_key(run, label) else None


def _check(run: Run, label: str, measure: str, place: int, was_running: bool, begin: str) -> None:
    """The button, then progress, then the verdict; looks again by itself while it computes."""
    key, task = check_key(run, label), _running(run, label)
    if was_running != (task is not None):
        st.rerun()  # start or stop the clock
    if task is not None:
        with st.container(border=True):
            progress(task, f"Computing {label} again", "pictures", f"{begin}cancel_check")
        return
    reason = obstacle(run)
    st.button(
        f"Compute {label} again on {counted(pictures_again(run.plan), 'pictures')}",
        icon=":material/refresh:",
        key=f"{begin}bench_check_{run.id}",
        on_click=_start,
        args=(run, label),
        disabled=bool(reason),
        help="The stored numbers of these pictures are compared with new ones, one by one.",
    )
    if reason:
        st.caption(f"Cannot be computed again here. {reason}")
    if watching.asked_for(_PLACE) == key:
        found: Check | None = engine().jobs.results.get(key)
        if found is not None:
            _verdict(run, label, measure, place, found)
        elif failure := watching.failure(_PLACE):
            complain(failure)


def _start(run: Run, label: str) -> None:
    ours = engine()
    watching.begin(
        _PLACE, check_key(run, label), lambda task: computed_again(ours, run, label, task), again=True
    )


def _verdict(run: Run, label: str, measure: str, place: int, found: Check) -> None:
    good, said = found.verdict(run)
    index, count = run.plan.measures.index(measure), found.new.shape[-1]
    then, now = (statistics(values[index])[0] for values in (found.stored, found.new))
    at = f", {where(run.plan.x[place])}" if len(run.plan.x) > 1 else ""
    text = (
        f"**{label}{at}**, {short(measure)}, mean over {counted(count, 'pictures')}: "
        f"stored {signed(then[place], '.6f')}, now {signed(now[place], '.6f')}. {said}"
    )
    if good:
        st.success(text, icon=":material/check:")
    else:
        st.warning(text, icon=":material/difference:")
    if len(run.plan.x) > 1:
        with st.expander("Every point", icon=":material/table_rows:"):
            gaps = found.gaps[index].max(-1)
            rows = [
                {"point": where(x), "stored": then[k], "now": now[k], "largest difference": gaps[k]}
                for k, x in enumerate(run.plan.x)
            ]
            dataframe(
                rows, "bench_again", width="stretch", height=min(420, 38 + 35 * len(run.plan.x)),
                column_config={
                    "stored": st.column_config.NumberColumn("stored, mean", format="%.6f"),
                    "now": st.column_config.NumberColumn("now, mean", format="%.6f"),
                    "largest difference": st.column_config.NumberColumn(
                        "largest difference of a picture", format="%.2g"
                    ),
                },
            )  # fmt: skip
