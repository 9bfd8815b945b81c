"""The areas under the removal curves as a table, to sort and to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.benchmarks.run import Run, read_run, statistics
from pruneattr_core.benchmarks.summary import areas
from pruneattr_core.render.plain import markdown_text, sheet_cell
from pruneattr_core.results.removal import FRACTIONS, ORDERS, RULES, SIGNED, Removal, RemovalKey
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.share.words import counted, likelihood, percent
from pruneattr_core.ui.kept import dataframe
from pruneattr_core.ui.method_cards import Card
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.shipped import shipped
from pruneattr_core.ui.spare import is_spare

_COLUMNS = {
    (0.1, 0): "change AUC, 0 to 10 %",
    (1.0, 0): "change AUC, 0 to 100 %",
    (0.1, 1): "probability AUC, 0 to 10 %",
    (1.0, 1): "probability AUC, 0 to 100 %",
}


def table(chosen: Selection, asked: Mapping[str, RemovalKey], cards: Mapping[str, Card[Removal]]) -> None:
    """Areas per method; below it the curves as CSV and what was asked."""
    order = next(iter(asked.values())).order
    number = likelihood(chosen.answer.head == "values").lower()
    rows: list[dict[str, Any]] = []
    for card in cards.values():
        if card.result is None:
            continue
        areas = {end: card.result.areas(end) for end, _ in _COLUMNS}
        shown = {
            title.replace("probability", number): areas[end][which]
            for (end, which), title in _COLUMNS.items()
            if which or order != "insertion"
        }
        rows.append({"method": card.title, **shown})
    if not rows:
        return
    columns = {
        key: st.column_config.NumberColumn(
            key, format="%.3e" if any(abs(row[key]) >= 1000 for row in rows) else "%.4f"
        )
        for key in rows[0]
        if key != "method"
    }
    dataframe(rows, "gone_table", width="stretch", column_config=columns)
    one = next(iter(asked.values()))
    with st.container(horizontal=True, vertical_alignment="center"):
        if not is_spare():
            st.download_button(
                "Curves (CSV)", curves_csv(asked, cards),
                f"removal_{chosen.picture.sha256[:8]}_{order}_{one.fill}.csv", "text/csv",
                key="gone_csv", on_click="ignore", icon=":material/table:",
            )  # fmt: skip
        st.caption(
            f"One picture ({markdown_text(chosen.picture.title)}), {chosen.card.title} "
            f"(weights {one.map.subject.weights[:8]}), {one.map.subject.device}; {ORDERS[one.order]}, "
            f"fill: {FILLS[one.fill].lower()}, {RULES[one.rule].title.lower()}; "
            "equal pixels go at random. A click on a column's head sorts. Many pictures: page Benchmarks."
        )
    if not is_spare() and (said := over_many(list(asked.values()))):
        st.caption(markdown_text(said))


def curves_csv(asked: Mapping[str, RemovalKey], cards: Mapping[str, Card[Removal]]) -> str:
    """One line per method and fraction, with every choice that made it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["method", "options", "order", "fill", "relevance", "model", "weights", "image", "target", "fraction",
         "probability", "change", "answer"]
    )  # fmt: skip
    for name, one in asked.items():
        found, subject = cards[name].result, one.map.subject
        if found is None:
            continue
        for k, fraction in enumerate(FRACTIONS):
            row = [
                one.map.method, _options(one), one.order, one.fill, one.rule, subject.model, subject.weights,
                subject.image, found.target, fraction, float(found.probability[k]), float(found.change[k]),
                int(found.answer[k]),
            ]  # fmt: skip
            writer.writerow(map(sheet_cell, row))
    return out.getvalue()


def _options(one: RemovalKey) -> str:
    """What is not as the method has it by itself, or is a place of the dial."""
    table = METHODS[one.map.method].options
    shown = [f"{name}={value}" for name, value in one.map.options if value != table[name].default]
    return " ".join(shown)


_BETTER = {"lerf": "lower", "morf": "higher"}


def over_many(asked: Sequence[RemovalKey]) -> str:
    """Mean areas of the methods on the screen in the run that asked the same; "" without one.

    Of several that which removed most, as the page does, then that of most pictures.

    The same are weights, order and fill, and that pixels count by magnitude; methods are as they come.
    """
    runs = shipped(ASSETS / "runs" / "bench", HEADER, read_run)
    name = max(
        (one for one in runs if _asks_the_same(runs[one], asked[0])),
        key=lambda one: (runs[one].plan.x[-1], runs[one].plan.n),
        default="",
    )
    if not name:
        return ""
    run, order = runs[name], asked[0].order
    titles = [METHODS[one.map.method].title for one in asked]
    found = []
    for title in (title for title in titles if title in run.plan.labels):
        mean = statistics(areas(run, title, order)[None])[0]
        found.append(f"{title} {float(mean[0]):.3f}")
    if len(found) < 2:
        return ""
    of_run = f"{run.plan.data['title']}, run {name} on page Benchmarks"
    area = (
        f"mean area of the change up to {percent(float(run.plan.x[-1]))} removed, {_BETTER[order]} is better"
    )
    return (
        f"One picture can turn out either way. Over {counted(run.plan.n, 'pictures')} ({of_run}; by "
        f"magnitude, {area}; "
        f"methods as they are by themselves): {', '.join(found)}."
    )


def _asks_the_same(run: Run, one: RemovalKey) -> bool:
    plan = run.plan
    return (
        plan.benchmark == "pixels"
        and plan.model["weights_sha256"] == one.map.subject.weights
        and one.order in plan.measures
        and plan.protocol["fill"] == one.fill
        and plan.protocol["order_by"] == "magnitude"
        and one.rule not in SIGNED
    )
