"""A number that stands in two places is the same one: tables, scoreboard and reproduction of shipped runs."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.protocols.kind import RELEASED_COLLAPSE
from pruneattr_core.benchmarks.run import Run, read_run, statistics
from pruneattr_core.benchmarks.scoreboard import CONTROLS, agreement, rankings, shared_methods
from pruneattr_core.benchmarks.summary import areas, printed_areas, summary
from pruneattr_core.reproduction.page import all_claims
from pruneattr_core.ui.benchmarks import board, tables, words


@cache
def runs() -> dict[str, Run]:
    return {one.name: read_run(one) for one in sorted((ASSETS / "runs" / "bench").iterdir()) if one.is_dir()}


def test_the_scoreboard_says_what_the_tables_say() -> None:
    """Of a sanity check one took magnitudes of correlations, the other none: Grad-CAM had -.07 and .31."""
    seen = 0
    for name, run in runs().items():
        if run.plan.benchmark == "circuits":
            continue  # medians there
        rows = {row["method"]: row for row in summary(run)}
        for ranking in rankings({name: run}):
            measure = max(
                (one for one in run.plan.measures if ranking.measure.startswith(one.replace("_", " "))),
                key=len,
            )
            for line in ranking.lines:
                row = rows[line.label]
                assert line.interval.mean == pytest.approx(
                    row.get(measure, row.get(f"{measure} AUC")), abs=1e-8
                )
                seen += 1
    assert seen > 500


def test_a_ranking_holds_runs_of_one_protocol() -> None:
    """Two runs that trained on other numbers of pictures stood in one ranking of ROAR."""
    for ranking in rankings(runs()):
        plans = [runs()[line.run].plan for line in ranking.lines]
        assert len({(tuple(map(str, plan.x)), str(plan.protocol.get("reduction"))) for plan in plans}) == 1
    names = [(one.network, one.data, one.measure) for one in rankings(runs())]
    assert len(set(names)) == len(names)


def test_controls_that_no_class_moves_are_equal() -> None:
    """One was "worse" than the other by the last bit of 1."""
    found = 0
    for ranking in rankings(runs()):
        equal = [
            line for line in ranking.lines if line.label in CONTROLS and round(line.interval.mean, 8) == 1
        ]
        if len(equal) > 1:
            found += 1
            assert len({line.rank for line in equal}) == 1
            assert {line.against_random for line in equal} <= {"", "open"}
    assert found


def test_signed_orders_are_of_runs_with_signed_maps() -> None:
    """Sums of magnitudes by value are in the order of magnitudes: a verdict rested on such a run."""
    signed = [claim for claim in all_claims() if "signed value" in claim.text and claim.ours is not None]
    gradient = defaultdict(set)
    for claim in signed:
        name = claim.ours.run.removeprefix("bench/")
        assert runs()[name].plan.protocol.get("collapse", RELEASED_COLLAPSE) == RELEASED_COLLAPSE
        gradient[name].add(claim.ours.second)
    assert signed
    assert all(len(values) == 1 for values in gradient.values())


def test_the_papers_table_is_of_the_papers_range() -> None:
    """Beside a published area up to a tenth of the pixels stood ours of nearly all of them."""
    for name, run in runs().items():
        if "lerf" not in run.plan.measures:
            continue
        found = tables._areas("lerf", [run])
        for label in run.plan.labels:
            assert found[label][0] == pytest.approx(
                float(statistics(printed_areas(run, label, "lerf"))[0])
            ), name
            assert found[label][0] <= float(np.nanmean(areas(run, label, "lerf"))) + 1e-12


def test_what_stays_without_a_path_begins_at_all() -> None:
    run = next(run for run in runs().values() if "rest_kept" in run.plan.measures)
    label, x = run.plan.labels[0], [float(one) for one in run.plan.x]
    kept = run.of(label, "rest_kept")
    expected = areas(run, label, "rest_kept") - np.trapezoid(kept, x, axis=0)
    np.testing.assert_allclose(expected, x[0] * (1 + kept[0]) / 2)


def test_every_measure_has_its_sentence_and_no_column_a_direction_that_the_measure_has_not() -> None:
    for name, run in runs().items():
        for measure in run.plan.measures:
            said = words.meaning(run, measure)
            assert said[0].isupper(), (name, measure)
            assert said.endswith(".")
            for column in (measure, f"{measure} AUC", f"{measure} CPR"):
                told, way = tables._help(column, run), words.better(measure)
                assert (f"{way.capitalize()} is better" in told) if way else ("is better" not in told)


def test_the_sentence_on_agreement_names_another_ranking_and_how_many_methods() -> None:
    found = board.rankings(runs())
    told = 0
    for one in found:
        if said := board._agreement(one, list(found)):
            told += 1
            assert f"network {one.measure}, {one.data}" not in said
            others = [other for other in found if other is not one and other.network == one.network]
            best = max(
                (other for other in others if math.isfinite(agreement(one, other))),
                key=lambda o: agreement(one, o),
            )
            assert f"{agreement(one, best):+.2f} over {len(shared_methods(one, best))} methods" in said
    assert told
