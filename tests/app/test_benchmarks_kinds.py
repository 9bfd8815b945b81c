"""Runs of every kind on the benchmarks page: several models, retrainings, what lies behind a point."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.assets import published
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run, write_run
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui.benchmarks import runs as bench_runs
from pruneattr_core.ui.benchmarks.picker import ALL, first_choice
from pruneattr_core.ui.benchmarks.point import ENDS
from pruneattr_core.ui.benchmarks.published import FIGURES
from tests.app.conftest import drawn

Start = Callable[..., AppTest]


def a_run(benchmark: str, model: str, values: np.ndarray[Any, Any], **changed: Any) -> Run:
    count = values.shape[-1]
    data = {"id": "cifar10", "title": "CIFAR-10", "sha256": "1" * 64, "seed": 0,
            "indices": list(range(count)), "names": [f"p{i}" for i in range(count)]}  # fmt: skip
    fields: dict[str, Any] = {
        "benchmark": benchmark, "protocol": {},
        "methods": ({"id": "saliency", "label": "Gradient", "options": {}},),
        "measures": ("output_change", "kept_prediction"), "x": (0.5, 0.9, 0.99),
        "model": {"id": model, "title": f"The {model}", "weights_sha256": "0" * 64}, "data": data, "chunk": 2,
        "versions": {"torch": "2"},
    }  # fmt: skip
    return Run(Plan(**fields | changed), values, {}, {"seconds": 1, "date": "2026-01-01"})


def calibration(model: str, middle: float) -> Run:
    values = np.broadcast_to(np.array([0.0, middle, 0.8])[:, None], (1, 2, 3, 4)).copy()
    return a_run("calibrate", model, values, methods=({"id": "taylor", "label": "Taylor", "options": {}},))


def retraining(setting: str = "reduced") -> Run:
    values = np.array([[0.8, 0.82], [0.6, 0.7], [0.5, 0.5]])[None, None]
    protocol = {"setting": setting, "reduction": ["epochs 8 instead of 50"] if setting == "reduced" else []}
    x = (0.0, 0.3, 0.9)
    return a_run("roar", "resnet8", values, measures=("roar",), x=x, protocol=protocol)


@pytest.fixture
def opened(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., AppTest]:
    """The page at a kind of benchmark, with these runs by name."""

    def run(kind: str, **runs: Run) -> AppTest:
        for name, one in runs.items():
            write_run(one, tmp_path / name)
        monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)
        app = start(bench=kind).switch_page("pages/5_benchmarks.py").run()
        assert not app.exception
        assert not app.error, [error.value for error in app.error]
        return app

    return run


def strip(app: AppTest) -> dict[str, Any]:
    data: bytes = drawn(app)[-1].proto.bytes
    return header_of(data)


def test_calibrations_of_all_models_share_a_plot_with_the_15_percent_point(opened) -> None:
    app = opened(
        "calibrate", a=calibration("one", 0.1), b=calibration("two", 0.4), c=calibration("three", 0.2)
    )
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    lines = {trace["name"]: trace for trace in figure["data"] if trace.get("showlegend", True)}
    assert len(lines) == 3
    assert len({trace["line"]["color"] for trace in lines.values()}) == 3
    assert set(lines) == {"The one", "The two", "The three"}
    marks = [trace for trace in figure["data"] if trace["mode"] == "markers+text"]
    assert {mark["textfont"]["color"] for mark in marks} == {
        trace["line"]["color"] for trace in lines.values()
    }
    # Between 0.5 and 0.9 the change of the first rises from 0 to 0.1, and beyond it to 0.8 at 0.99.
    ends = {mark["hovertemplate"].split(" ·")[0]: mark["x"] for mark in marks}
    assert ends["The two"] == pytest.approx([0.5 + 0.4 * 0.15 / 0.4], abs=0.005)


def test_a_link_that_names_a_run_alone_opens_its_kind(opened, start: Start) -> None:
    opened("calibrate", a=calibration("one", 0.1), b=retraining())  # the runs are there from here on
    app = start(bench_run="b").switch_page("pages/5_benchmarks.py").run()
    assert not [warning for warning in app.warning if "The link asks" in warning.value]
    assert app.session_state["bench"] == "roar"
    assert app.session_state["bench_run"] == "b"


def test_a_network_above_15_percent_at_once_has_no_such_point(opened) -> None:
    one = calibration("one", 0.4)
    high = Run(one.plan, one.values + 0.2, {}, {})
    app = opened("calibrate", a=high)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert not [trace for trace in figure["data"] if trace["mode"] == "markers+text"]
    assert any("The one is above 15 % from the first point on" in note.value for note in app.caption)
    row = app.dataframe[0].value.iloc[0]
    assert row.isna()["at 15%"]
    assert row["at 30%"] == pytest.approx(0.5 + 0.4 * 0.1 / 0.4, abs=0.005)


def test_the_picker_groups_by_model_and_starts_with_the_papers_choice() -> None:
    runs = {
        "a-text": a_run("sanity", "a", np.zeros((1, 2, 3, 4)), protocol={"variant": "text"}),
        "a-released": a_run("sanity", "a", np.zeros((1, 2, 3, 2)), protocol={"variant": "released"}),
        "b-text": a_run("sanity", "b", np.zeros((1, 2, 3, 4)), protocol={"variant": "text"}),
        "b-released": a_run("sanity", "b", np.zeros((1, 2, 3, 4)), protocol={"variant": "released"}),
    }
    assert first_choice(runs, "The a") == ["a-released"]
    assert first_choice(runs, ALL) == ["b-released", "a-released"]


def test_a_retraining_says_that_it_is_reduced_and_offers_no_recomputing(opened) -> None:
    app = opened("roar", small=retraining())
    (said,) = [warning.value for warning in app.warning]
    assert "Reduced setting, not the papers'**: epochs 8 instead of 50" in said
    ours, papers = app.get("plotly_chart")
    assert "published" not in ours.proto.spec
    shown = {trace["name"]: trace["y"] for trace in json.loads(papers.proto.spec)["data"]}
    assert list(shown) == ["Gradient · published"]
    assert not [button for button in app.button if "again on" in button.label]
    table = app.dataframe[1].value
    row = table[table["method"] == "Gradient"].iloc[0]
    assert row["ROAR CIFAR10"] == published(FIGURES)["roar_auc"]["data"]["CIFAR10"]["saliency"]
    expected = np.trapezoid([0.81, 0.65, 0.5], [0.0, 0.3, 0.9])
    assert row["ROAR reproduced"] == pytest.approx(expected)
    shown = strip(app)["runs"][0]
    assert shown["points"][0][1]["low"] == [[0, 0.6], [1, 0.7]]
    assert all(picture["block"] is None for picture in shown["pictures"].values())


def test_kar_is_a_measure_of_its_own_and_says_which_way_is_better(opened) -> None:
    values = np.stack([retraining().values[0, 0], retraining().values[0, 0] + 0.1])[None]
    plan = retraining().plan
    both = dataclasses.replace(plan, measures=("roar", "kar"), protocol={**plan.protocol, "measure": "both"})
    app = opened("roar", both=Run(both, values, {}, {}))
    assert "lower is better" in app.get("plotly_chart")[0].proto.spec
    app.button_group(key="bench_measure_roar").set_value("kar").run()
    (chart,) = app.get("plotly_chart")  # the papers have no such curve
    assert "KAR" in chart.proto.spec
    assert "higher is better" in chart.proto.spec
    assert any("Higher is better: a network retrained on the pixels" in note.value for note in app.caption)
    ours, papers = app.dataframe[0].value, app.dataframe[1].value
    assert ours["kar AUC"].iloc[0] == pytest.approx(ours["roar AUC"].iloc[0] + 0.09)
    assert not [name for name in papers.columns if "kar" in name.lower()]


def test_a_sanity_check_stands_beside_the_released_curves(opened) -> None:
    values = np.linspace(1, 0, 24).reshape(1, 3, 2, 4)
    run = a_run("sanity", "one", values, measures=("spearman", "spearman_abs", "ssim"),
                x=("original", "linear"), protocol={"variant": "released"})  # fmt: skip
    app = opened("sanity", one=run)
    ours, papers = (json.loads(chart.proto.spec) for chart in app.get("plotly_chart"))
    assert not [trace for trace in ours["data"] if "published" in trace.get("name", "")]
    (theirs,) = papers["data"]
    assert theirs["name"] == "Gradient · published"
    assert theirs["x"] == published(FIGURES)["sanity_curves"]["steps"]
    assert theirs["y"] == published(FIGURES)["sanity_curves"]["data"]["spearman"]["saliency"]
    assert any("ResNet-50, 1,000 ImageNet pictures" in text.value for text in app.markdown)
    app.toggle(key="bench_papers_sanity").set_value(False).run()
    assert len(app.get("plotly_chart")) == 1


def test_methods_that_a_run_lacks_come_from_runs_of_its_protocol(opened) -> None:
    values = np.full((1, 1, 2, 4), 0.25)
    one = a_run("pixels", "resnet8", values, measures=("lerf",), x=(0.01, 0.1))
    more = ({"id": "neuron_intgrad", "label": "NeuronIntGrad", "options": {}},)
    kin = a_run("pixels", "resnet8", values[..., :2] * 2, measures=("lerf",), x=(0.01, 0.1), methods=more)
    other = a_run("pixels", "resnet8", values, measures=("lerf",), x=(0.01, 0.1), protocol={"fill": "blur"},
                  methods=({"id": "gradcam", "label": "Grad-CAM", "options": {}},))  # fmt: skip
    app = opened("pixels", one=one, other=other, kin=kin)
    row = app.dataframe[1].value.set_index("method").loc
    assert row["Gradient"]["LeRF n"] == 4
    assert row["NeuronIntGrad"]["LeRF reproduced"] == pytest.approx(0.5 * 0.095)
    assert row["NeuronIntGrad"]["LeRF n"] == 2
    assert np.isnan(row["GradCAM"]["LeRF reproduced"])


def test_behind_a_point_stand_its_extreme_pictures(opened) -> None:
    values = np.arange(40.0).reshape(1, 1, 2, 20) / 40
    values[0, 0, 0, 3] = np.nan
    app = opened("pixels", one=a_run("pixels", "one", values, measures=("lerf",), x=(0.01, 0.1)))
    first, last = strip(app)["runs"][0]["points"][0]
    assert first["n"] == 19
    assert 3 not in [number for number, _ in first["low"] + first["high"]]
    assert [number for number, _ in last["low"]] == list(range(ENDS))
    assert [number for number, _ in last["high"]] == list(range(20 - ENDS, 20))
    assert last["mean"] == pytest.approx(values[0, 0, 1].mean(), abs=1e-6)


def test_a_kept_point_decides_what_is_computed_again(opened) -> None:
    values = np.random.default_rng(0).random((2, 1, 2, 4))
    methods = tuple({"id": name, "label": name, "options": {}} for name in ("saliency", "edges"))
    run = a_run("pixels", "one", values, measures=("lerf",), x=(0.01, 0.1), methods=methods)
    app = opened("pixels", one=run)
    assert any("Compute saliency again" in button.label for button in app.button)
    title = strip(app)["runs"][0]["title"]
    app.session_state["bench_behind"] = {"point": [title, "edges", 0]}
    app.run()
    assert any("Compute edges again" in button.label for button in app.button)
    app.session_state["bench_behind"] = {"point": ["gone", "edges", 7]}
    app.run()
    assert not app.exception
    assert any("Compute saliency again" in button.label for button in app.button)


def test_pixel_runs_and_retrainings_of_the_same_data_share_the_papers_table(opened) -> None:
    values = np.full((1, 1, 2, 4), 0.25)
    pixels = a_run("pixels", "resnet8", values, measures=("lerf",), x=(0.01, 0.1))
    other = dataclasses.replace(
        retraining("paper"),
        plan=dataclasses.replace(retraining().plan, data=retraining().plan.data | {"id": "elsewhere"}),
    )
    app = opened("pixels", pixels=pixels, roar=retraining("paper"), elsewhere=other)
    row = app.dataframe[1].value.set_index("method").loc["Gradient"]
    assert row["LeRF reproduced"] == pytest.approx(0.25 * 0.095, abs=1e-9)
    assert row["ROAR reproduced"] == pytest.approx(0.564)
