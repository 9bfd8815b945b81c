"""The reproduction page: verdicts follow from numbers, numbers from runs, and nothing is left out."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from pruneattr_core.analysis.interval import Interval
from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.compression.table import read_study
from pruneattr_core.reproduction import benchmarks, compression
from pruneattr_core.reproduction.claim import HOLDS, NOT, OPEN, OUT, PARTLY, Claim, Ours
from pruneattr_core.reproduction.page import COLUMNS, all_claims, markdown, texts
from pruneattr_core.runs.stored import HEADER


def claim(mean: float, low: float, high: float, tolerance: float = 0.0, first: float = 0.1) -> Claim:
    ours = Ours(0, 0, Interval(mean, low, high, 5), "pictures", "bench/x", "a network", "pictures")
    return Claim("SCP", "table 2", "A against B", first, 0.2, ours, "", tolerance=tolerance)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (claim(-0.3, -0.4, -0.2), HOLDS),
        (claim(-0.3, -0.7, 0.1), OPEN),
        (claim(-0.3, math.nan, math.nan), OPEN),
        (claim(0.3, 0.2, 0.4), NOT),
        (claim(0.3, -0.1, 0.7), OPEN),
        (claim(0.3, math.nan, math.nan), OPEN),
        (claim(0.3, 0.2, 0.4, first=0.9), HOLDS),
        (claim(-0.05, -0.1, 0.0, tolerance=0.1), HOLDS),
        (claim(0.15, 0.1, 0.2, tolerance=0.1), PARTLY),
        (claim(-0.05, -0.15, 0.05, tolerance=0.1), PARTLY),
        (claim(0.05, -0.25, 0.35, tolerance=0.1), OPEN),
        (claim(-0.25, -0.3, -0.2, tolerance=0.1), NOT),
        (claim(0.0, math.nan, math.nan, tolerance=0.1), OPEN),
        (Claim("AP", "table 11", "", math.nan, math.nan, None, "needs ImageNet"), OUT),
    ],
)
def test_verdicts(given: Claim, verdict: str) -> None:
    assert given.verdict == verdict


def test_every_published_table_has_its_rows_and_most_have_ours() -> None:
    found = all_claims()
    assert len([one for one in found if one.ours is not None]) >= 40
    where = {(one.paper, one.where.partition(",")[0]) for one in found}
    tables = {("AP", f"table {k}") for k in (2, 3, 4, 5, 6, 7, 8, 11, 12)}
    tables |= {("AP", f"tables 1 and {k}") for k in (9, 10)} | {("AP", "fig. 3"), ("AP", "fig. 7")}
    tables |= {("SCP", "fig. 2b"), ("SCP", "ROAR"), ("PG2", "fig. 7")}
    assert where >= {
        ("SCP", "table 1"),
        ("SCP", "table 2"),
        ("PG2", "sanity check"),
        ("PG2", "fig. 2a"),
        *tables,
    }
    made = [one for one in found if one.where == "table 1, CIFAR10" and one.ours]
    assert made, "ROAR's own fill hides its runs"
    assert all(one.differs for one in found if one.ours is None)
    text = markdown(found)
    assert text.count("\n") == len(found) + 4
    assert all(line.count("|") == len(COLUMNS) + 1 for line in text.splitlines()[2:])


def test_a_row_is_the_paired_difference_of_its_run() -> None:
    published = json.loads((ASSETS / "published_benchmarks.json").read_text("utf-8"))["lerf_auc"]["data"][
        "CIFAR10"
    ]
    row = next(
        one
        for one in all_claims()
        if one.where == "table 2, CIFAR10"
        and "PruneGrad" in one.text
        and "magnitude" in one.text
        and one.ours
    )
    assert (row.first, row.second) == (published["prunegrad"], published["saliency"])
    ours = row.ours
    assert ours is not None
    run = read_run(ASSETS / "runs" / ours.run)
    labels = {method["id"]: method["label"] for method in reversed(run.plan.methods)}
    x = [float(point) for point in run.plan.x]
    first = [0.0, *(point for point in x if point <= 0.1)]  # the paper's curve ends there
    one, other = (
        np.trapezoid(
            np.vstack([np.zeros(run.plan.n), run.of(label, "lerf")[: len(first) - 1]]), first, axis=0
        )
        for label in (labels["prunegrad"], labels["saliency"])
    )
    np.testing.assert_allclose([ours.first, ours.second], [one.mean(), other.mean()])
    np.testing.assert_allclose(ours.difference.mean, (one - other).mean())
    assert texts(row)["run"] == ours.run


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_two_runs_the_one_counts_in_which_equal_pixels_go_at_random(names: str) -> None:
    published = json.loads((ASSETS / "published_benchmarks.json").read_text("utf-8"))
    run = read_run(ASSETS / "runs" / "bench" / "resnet8-pixels-table2")
    fair = replace(run, plan=replace(run.plan, protocol={**run.plan.protocol, "ties": "random"}))
    runs = dict(sorted({names[0]: run, names[1]: fair}.items()))
    row = next(one for one in benchmarks.claims(runs, published) if one.ours and "table 2" in one.where)
    assert row.ours is not None
    assert row.ours.run == f"bench/{names[1]}"
    assert "at random" in row.differs


def test_a_row_of_likeness_shows_the_interval_that_its_verdict_comes_from() -> None:
    shown = texts(claim(-0.05, -0.15, 0.05, tolerance=0.1))["difference"]
    assert shown == "-0.05 [-0.15, +0.05] n = 5 pictures"


def test_sanity_rows_compare_both_maps_at_the_same_steps() -> None:
    """A flat map has no rank, so a step can be missing of one method alone."""
    rows = [one for one in all_claims() if one.where == "sanity check, spearman_abs" and one.ours]
    missing = 0
    for row in rows:
        ours = row.ours
        assert ours is not None
        run = read_run(ASSETS / "runs" / ours.run)
        labels = {str(method["label"]) for method in run.plan.methods}
        theirs = run.of("Guided Backprop", "spearman_abs")[1:]
        found = []
        for label in labels - {"Guided Backprop"}:
            gap = run.of(label, "spearman_abs")[1:] - theirs
            missing += int(np.isnan(gap).sum())
            per_picture = [np.mean(some[np.isfinite(some)]) for some in gap.T if np.isfinite(some).any()]
            found.append(float(np.mean(per_picture)) if per_picture else math.nan)
        assert np.isclose(found, ours.difference.mean, rtol=0, atol=1e-12).any(), row.text
    assert rows
    assert missing


def test_no_shipped_row_of_prunegrad_is_the_gradient_without_saying_so():
    found = 0
    for file in sorted(ASSETS.glob(f"runs/bench/*/{HEADER}")):
        run = read_run(file.parent)
        ids = {str(method["label"]): method for method in run.plan.methods}
        gradient = next((label for label, method in ids.items() if method["id"] == "saliency"), None)
        for place, (label, method) in enumerate(ids.items()):
            if gradient is None or method["id"] != "prunegrad" or method["options"]["sparsity"] == 0:
                continue
            found += 1
            theirs = run.values[run.plan.labels.index(gradient)]
            assert not np.allclose(run.values[place], theirs, equal_nan=True, atol=1e-9), (
                file.parent.name,
                label,
            )
    assert found > 20


def test_several_networks_count_before_one_that_learnt_longer() -> None:
    """Table 2's half-width students once stood there undecided, by one network each."""
    short, long = (deepcopy(read_study(ASSETS / "runs" / "compression" / "scenes-long")) for _ in range(2))
    for study, size in ((short, 4), (long, 8)):
        for row in study["tables"]["Table 2"]:
            row["seeds"] = row["seeds"][:1] if row["title"].startswith(f"/{size} ") else row["seeds"]
        for card in study["members"]:
            if card["kind"] != "teacher":
                card["recipe"]["schedule"]["epochs"] = 3 * size
    studies = {"short": short, "long": long}
    known = json.loads((ASSETS / "published_compression.json").read_text("utf-8"))
    found = {one.text: one.ours for one in compression.claims(studies, known)}
    runs = [found[f"mAP of /{size} students: SWA against plain"] for size in (4, 8)]
    assert [one and one.run for one in runs] == ["compression/long", "compression/short"]


def test_rows_of_a_table_stand_together_whatever_studies_they_come_from() -> None:
    seen = [one.where for one in all_claims() if one.paper == "AP"]
    parts = [where for k, where in enumerate(seen) if k == 0 or seen[k - 1] != where]
    assert len(parts) == len(set(parts)), parts


def test_a_row_says_how_long_its_own_students_learnt() -> None:
    """A study's longest training was said of all, also of rounds of pruning that are a part of it."""
    said = {one.text: one.differs for one in all_claims() if one.paper == "AP"}
    assert "at most 2.4 epochs" in said["mAP of unstructured students: SSWA against plain"]
    assert "at most 6 epochs" in said["mAP of structured students: SSWA against plain"]
    assert "at most 38.1 epochs" in said["mAP of /8 students: SSWA against plain"]
