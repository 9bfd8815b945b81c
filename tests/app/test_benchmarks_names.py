"""What runs are called, and the verdict of a check: plain functions of the benchmarks page."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from pruneattr_core.benchmarks.maps import method_from
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.scoreboard import BETTER
from pruneattr_core.benchmarks.summary import twins
from pruneattr_core.models.declared import is_code
from pruneattr_core.share.words import percent
from pruneattr_core.ui.benchmarks import words
from pruneattr_core.ui.benchmarks.charts import FIRST, against_sparsity, at_sparsities, curves, styles
from pruneattr_core.ui.benchmarks.names import full_title, titles, what_differs
from pruneattr_core.ui.benchmarks.page import FAIR, FILLS, _first_methods
from pruneattr_core.ui.benchmarks.recompute import TOLERANCE, Check, pictures_again
from pruneattr_core.ui.benchmarks.runs import bench_runs


def method(name: str, label: str, **options: Any) -> dict[str, Any]:
    return {"id": name, "label": label, "options": options}


def levels(name: str, title: str) -> list[dict[str, Any]]:

    return [
        method(
            name, f"{title} (sparsity {sparsity})", **(method_from(name)["options"] | {"sparsity": sparsity})
        )
        for sparsity in (0.95, 0.7, 0.9)
    ]


def a_run(protocol: dict[str, Any] | None = None, n: int = 4, **changed: Any) -> Run:
    fields: dict[str, Any] = {
        "benchmark": "pixels",
        "protocol": {"fill": "mean", "order_by": "value"} | (protocol or {}),
        "methods": (method("saliency", "Gradient"), method("edges", "Edges"), method("random", "Random")),
        "measures": ("lerf",), "x": (0.01, 0.1), "chunk": 4,
        "model": {"id": "m", "title": "Net", "weights_sha256": "0" * 64},
        "data": {"id": "d", "title": "Data", "sha256": "1" * 64, "seed": 0, "indices": list(range(n)),
                 "names": [str(i) for i in range(n)]},
        "versions": {"torch": "2.15.0", "device": "cpu", "threads": "1"},
    }  # fmt: skip
    plan = Plan(**fields | changed)
    return Run(plan, np.random.default_rng(1).random(plan.shape), {}, {})


def test_names_say_only_what_tells_runs_apart() -> None:
    fair = {"a": a_run({"ties": "raster"}), "b": a_run({"ties": "random"})}
    assert titles(fair)["b"] == "random ties"
    runs = {"a": a_run(), "b": a_run({"fill": "blur"}), "c": a_run({"order_by": "magnitude"}, n=9)}
    assert titles(runs) == {
        "a": "mean fill · signed order",
        "b": "blur fill · signed order",
        "c": "mean fill · magnitude order",
    }
    assert titles(runs, ("size",))["c"] == "mean fill · magnitude order · 9 pictures"
    assert full_title("import-x", a_run()) == "Net · Data · 4 pictures · imported"


def test_only_runs_that_are_alike_say_more() -> None:
    """Two runs that differed by their methods alone had made all names of the chooser 160 characters long."""
    few = a_run(methods=(method("saliency", "Gradient"), method("random", "Random")))
    runs = {"a": a_run(), "b": few, "c": a_run({"fill": "blur"}), "d": a_run({"fill": "blur"}, n=9)}
    assert titles(runs) == {
        "a": "mean fill · 3 methods",
        "b": "mean fill · Gradient (saliency) and Random map",
        "c": "blur fill · 4 pictures",
        "d": "blur fill · 9 pictures",
    }


def test_other_pictures_are_named_unless_the_network_tells_them() -> None:
    other = {"id": "e", "title": "Else", "sha256": "2" * 64, "seed": 0, "indices": [1], "names": ["1"]}
    assert titles({"a": a_run(), "b": a_run(data=other)}, ("size",))["b"] == "Else · 1 picture"
    net = {"id": "n", "title": "Other", "weights_sha256": "0" * 64}
    assert titles({"a": a_run(), "b": a_run(data=other, model=net)}) == {"a": "Net", "b": "Other"}


def test_no_two_runs_have_one_name() -> None:
    other = dataclasses.replace(a_run(), values=np.zeros(a_run().plan.shape))
    found = titles({"a": a_run(), "b": other})
    assert len(set(found.values())) == 2
    shipped = bench_runs()
    for benchmark in {run.plan.benchmark for run in shipped.values()}:
        runs = {name: run for name, run in shipped.items() if run.plan.benchmark == benchmark}
        named = titles(runs, ("size",))
        assert len(set(named.values())) == len(runs)
        assert max(map(len, named.values())) <= 110, named


def test_what_differs_is_said_in_words() -> None:
    assert what_differs(a_run(), a_run(n=9)) == []
    assert what_differs(a_run(), a_run({"order_by": "magnitude"})) == [
        "order of the pixels: magnitude order, against signed order"
    ]
    assert what_differs(a_run(), a_run(x=(0.01, 0.2))) == ["points: 0.01, 0.2, against 0.01, 0.1"]


def test_the_papers_methods_keep_their_colours() -> None:
    many = tuple(method(name, name) for name in ("lrp", "rectgrad", *reversed(FIRST), "occlusion"))
    few = styles({"a": a_run(methods=(method("prunegrad", "prunegrad"), method("random", "random")))})
    all_ = styles({"a": a_run(methods=many)})
    assert all_["prunegrad"] == few["prunegrad"]
    assert all_["random"] == few["random"]
    assert len({(look.colour, look.dash) for look in all_.values()}) == len(many)
    assert len({all_[name].colour for name in FIRST}) == len(FIRST)


@pytest.mark.parametrize(("value", "ends"), [(1.0, True), (0.0, True), (7.0, False)])
def test_a_share_that_never_moves_ends_at_1(value: float, ends: bool) -> None:
    run = bench_runs()["resnet8-calibrate"]
    flat = dataclasses.replace(run, values=np.full(run.plan.shape, value))
    drawn = curves({"a": flat}, "kept_prediction", run.plan.labels, "x")
    assert (drawn.layout.yaxis.range == (-0.03, 1.05)) is ends
    assert curves({"a": run}, "kept_prediction", run.plan.labels, "x").layout.yaxis.range is None


def test_methods_of_ones_own_are_drawn_at_once() -> None:
    run = bench_runs()["resnet8-roar-width32"]
    drawn = _first_methods({"a": run}, list(run.plan.labels))
    own = {str(one["label"]) for one in run.plan.methods if is_code(str(one["id"]))}
    assert own == {"blurred random (yours)", "blurred prunegrad (yours)"}
    assert own < set(drawn)


def test_the_shipped_run_of_figure_7_has_two_such_curves() -> None:
    levels = at_sparsities(bench_runs()["resnet8-roar-reduced-fig7"])
    assert {title: list(one) for title, one in levels.items()} == {
        "PruneGrad": [0.7, 0.9, 0.95],
        "PrunePGD": [0.7, 0.9],
    }


def test_levels_of_a_method_make_a_curve_against_sparsity() -> None:
    run = a_run(
        methods=(
            *levels("prunegrad", "PruneGrad"),
            *levels("prunepgd", "PrunePGD"),
            method("edges", "Edges"),
        ),
        x=(0.0, 0.5, 0.9),
    )
    found = at_sparsities(run)
    assert {title: list(each) for title, each in found.items()} == {
        "PruneGrad": [0.7, 0.9, 0.95],
        "PrunePGD": [0.7, 0.9, 0.95],
    }
    figure = against_sparsity(run, "title", "lerf", run.plan.labels)
    assert [trace.name for trace in figure.data] == [
        f"{name}, {part} of the pixels"
        for name in ("PruneGrad", "PrunePGD")
        for part in map(percent, (0.5, 0.9))
    ]
    line = figure.data[1]
    assert list(line.x) == [0.7, 0.9, 0.95]
    mean = run.of("PruneGrad (sparsity 0.9)", "lerf")[2].mean()
    assert line.y[1] == pytest.approx(mean)
    assert list(line.customdata[1][:3]) == ["title", "PruneGrad (sparsity 0.9)", 2]


@pytest.mark.parametrize(
    ("n", "chunk", "expected"), [(100, 4, 16), (6, 2, 6), (100, 3, 15), (100, 1000, 16), (5, 1000, 5)]
)
def test_a_check_takes_whole_cells_of_at_most_sixteen_pictures(n: int, chunk: int, expected: int) -> None:
    assert pictures_again(a_run(n=n, chunk=chunk).plan) == expected


def test_the_verdict_of_a_check() -> None:
    run, stored = a_run(), np.array([[[0.5, np.nan], [4.0, 0.25]]])
    same = {"torch": "2.15.0", "device": "cpu", "threads": "1", "python": "3.99"}

    good, said = Check(stored, stored.copy(), same).verdict(run)
    assert (good, said) == (True, "All 4 numbers are the stored ones, bit for bit.")
    near = stored + np.array([[[0.0, 0.0], [3 * TOLERANCE, 0.0]]])  # of 4: within the tolerance in proportion
    good, said = Check(stored, near, same | {"threads": "2"}).verdict(run)
    assert good
    assert said.startswith("All 4 numbers agree within 0.001; largest difference 0.0008.")
    assert said.endswith("The run was made with threads 1, now 2.")
    far = stored + np.array([[[0.0, 0.0], [0.0, 0.1]]])
    good, said = Check(stored, far, same | {"torch": "2.16.0"}).verdict(run)
    assert not good
    assert said.startswith("1 of 4 numbers differ by more than 0.001, by up to 0.1.")
    assert "torch 2.15.0, now 2.16.0" in said
    good, said = Check(stored, np.nan_to_num(stored), same).verdict(run)
    assert not good
    assert "some defined on one side only. Device, threads and versions are those of the run." in said


def test_every_measure_has_words_and_the_way_that_the_scoreboard_takes() -> None:
    """A measure that pages draw upside down turns every verdict round."""
    for (benchmark, measure), way in BETTER.items():
        assert measure in words.MEASURES
        assert words.better(measure) == way, (benchmark, measure)


def test_rows_that_are_one_are_found() -> None:
    """SqueezeNet's Grad-CAM and LayerCAM stood below one another with the same digits, unexplained."""
    run = bench_runs()["squeezenet-pixels-whole"]
    assert twins(run, run.plan.labels) == [["Grad-CAM", "LayerCAM"]]
    assert twins(run, ["Grad-CAM", "PruneGrad-Mid"]) == []
    values = run.values.copy()
    values[run.plan.labels.index("LayerCAM"), 0, 0, 0] += 1e-9
    assert twins(dataclasses.replace(run, values=values), run.plan.labels) == []


def test_where_chance_does_better_than_our_method_the_page_says_why() -> None:
    """Noisy linear mends scattered pixels, and the signed order gives strongly negative ones away first."""
    lost = set()
    for name, run in bench_runs().items():
        if {"PruneGrad", "Random map"} <= set(run.plan.labels) and "lerf" in run.plan.measures:
            ours, chance = (run.of(label, "lerf").mean() for label in ("PruneGrad", "Random map"))
            if chance < ours:
                lost.add(name)
                assert run.plan.protocol["order_by"] != FAIR or run.plan.protocol["fill"] in FILLS, name
    assert "lite0-pixels-road" in lost
