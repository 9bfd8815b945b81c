"""The benchmarks page without a browser: runs, comparisons, hostile imports, checks."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.assets import published
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run, write_run, zip_run
from pruneattr_core.runs import stored
from pruneattr_core.ui import cache
from pruneattr_core.ui.benchmarks import point as bench_point
from pruneattr_core.ui.benchmarks import runs as bench_runs
from pruneattr_core.ui.benchmarks.page import GROUPS
from pruneattr_core.ui.benchmarks.picker import ALL
from pruneattr_core.ui.benchmarks.published import FIGURES, NAMES

from .conftest import until

Start = Callable[..., AppTest]


def a_run(fill: str = "mean", seed: int = 0) -> Run:
    plan = Plan(
        benchmark="pixels",
        protocol={"fill": fill, "ties": "raster"},
        methods=(
            {"id": "prunegrad", "label": "PruneGrad", "options": {"mode": "zero", "sparsity": 0.7}},
            {"id": "saliency", "label": "Gradient (saliency)", "options": {}},
        ),
        measures=("lerf", "morf"),
        x=(0.01, 0.05, 0.1),
        model={"id": "scenes-net", "title": "SceneNet", "weights_sha256": "0" * 64},
        data={"id": "scenes", "title": "Scenes", "sha256": "1" * 64, "seed": seed, "indices": [3, 5, 8],
              "names": ["a", "b", "c"]},
        chunk=2,
        versions={"torch": "2", "device": "cpu"},
    )  # fmt: skip
    return Run(plan, np.random.default_rng(seed).random(plan.shape), {}, {"seconds": 3, "date": "2026-01-01"})


@pytest.fixture
def opened(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Callable[[], AppTest]:
    """The page, with two runs of one protocol and one of another in place of the shipped ones."""
    write_run(a_run(), tmp_path / "one")
    write_run(a_run("blur"), tmp_path / "other-fill")
    same = a_run(seed=1)
    plan = dataclasses.replace(same.plan, model=same.plan.model | {"title": "Second"})
    write_run(dataclasses.replace(same, plan=plan), tmp_path / "same")
    monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)

    def run() -> AppTest:
        app = start()
        return app.switch_page("pages/5_benchmarks.py").run()

    return run


def healthy(app: AppTest) -> None:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]


def texts(app: AppTest) -> str:
    return " ".join(element.value for kind in ("markdown", "caption", "info", "warning", "success", "error")
                    for element in app.get(kind))  # fmt: skip


def test_shows_curves_table_and_the_papers_beside(opened) -> None:
    app = opened()
    healthy(app)
    chart = app.get("plotly_chart")[0].proto
    assert "LeRF" in chart.alt
    assert "PruneGrad" in chart.alt
    ours, papers = app.dataframe[0].value, app.dataframe[1].value
    assert set(ours["method"]) == {"PruneGrad", "Gradient (saliency)"}
    row = papers[papers["method"] == "NeuronMCT"].iloc[0]
    assert row["LeRF CIFAR10"] == published(FIGURES)["lerf_auc"]["data"]["CIFAR10"]["prunegrad"]
    assert row["LeRF reproduced"] == pytest.approx(ours[ours["method"] == "PruneGrad"].iloc[0]["lerf AUC"])
    said = texts(app)
    assert "Reproduced" in said
    assert "Published" in said
    assert "differs from the published protocol" in said
    assert "run " + a_run().id in said


def test_runs_compare_only_when_their_protocols_agree(opened) -> None:
    app = opened()
    app.multiselect(key="bench_chosen_pixels").set_value(["one", "other-fill"]).run()
    healthy(app)
    (said,) = [warning.value for warning in app.warning]
    assert "fill of removed pixels: blur fill, against mean fill" in said
    app.button_group(key="bench_scope_pixels").set_value(ALL).run()
    healthy(app)
    assert not app.warning
    assert app.get("plotly_chart")[0].proto.spec.count("Second") >= 2


def test_every_benchmark_opens_even_without_runs(opened) -> None:
    app = opened()
    for name in ("calibrate", "sanity", "quantus"):
        app.session_state["bench"] = name
        app.run()
        healthy(app)
        assert f"bench {name}" in app.code[0].value


def test_an_import_is_checked_then_shown(opened) -> None:
    app = opened()
    app.session_state["bench"] = "pixels"
    app.file_uploader(key="bench_upload_0").set_value(
        ("run.zip", zip_run(a_run(seed=7)), "application/zip")
    ).run()
    healthy(app)
    assert f"run {a_run(seed=7).id}" in texts(app)
    assert "Schema and hashes are right" in texts(app)
    app.file_uploader(key="bench_upload_1").set_value(
        ("run.zip", b"PK\x03\x04 evil", "application/zip")
    ).run()
    assert not app.exception
    assert any("no zip file" in error.value for error in app.error)
    loose = [(name.split("/")[-1], data, "") for name, data in a_run(seed=8).stored().files().items()]
    app.file_uploader(key="bench_upload_2").set_value(loose).run()
    healthy(app)
    assert f"run {a_run(seed=8).id}" in texts(app)


def test_an_import_stands_in_one_ranking_with_the_runs_over_its_pictures(opened) -> None:
    app, run = opened(), a_run()
    mine = ({"id": "saliency", "label": "mine (yours)", "options": {}},)
    plan = dataclasses.replace(run.plan, methods=mine)
    best = dataclasses.replace(run, plan=plan, values=np.zeros(plan.shape))
    app.session_state["bench"] = "pixels"
    app.file_uploader(key="bench_upload_0").set_value(("r.zip", zip_run(best), "application/zip")).run()
    healthy(app)
    board = next(table.value for table in app.dataframe if "beside the random map" in table.value)
    assert board["method"].iloc[0] == "mine (yours)"
    assert list(board["rank"]) == [1, 2, 3]
    assert sorted(board["from"]) == ["imported", "shipped", "shipped"]
    assert set(board["run"]) == {"one", f"import-{best.id}"}


@pytest.mark.parametrize(
    ("benchmark", "schema", "said"),
    [
        ("insertion", stored.SCHEMA, "the benchmarks of this version are"),
        ("pixels", "pruneattr-run/3", "newer"),
        ("pixels", "pruneattr-run/1", "runs migrate"),
        ("pixels", "pruneattr-run/0", "no run of ours"),
    ],
)
def test_a_run_that_no_page_shows_is_refused_at_the_door(opened, benchmark, schema, said) -> None:
    app, run = opened(), a_run(seed=9)
    foreign = dataclasses.replace(run, plan=dataclasses.replace(run.plan, benchmark=benchmark))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "SCHEMA", schema)
        packed = zip_run(foreign)
    app.file_uploader(key="bench_upload_0").set_value(("r.zip", packed, "application/zip")).run()
    assert any(said in error.value for error in app.error)
    app.run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1  # the page goes on


def test_pages_of_their_own_networks_do_not_wait_for_the_sidebar(start, opened, monkeypatch) -> None:
    monkeypatch.setattr(cache.Engine, "answer", lambda *_: pytest.fail("nothing is computed for this page"))
    app = start(model="torchvision/vit_b_16", target="3").switch_page("pages/5_benchmarks.py").run()
    healthy(app)
    assert app.get("plotly_chart")


def test_a_check_that_runs_can_be_stopped_and_started_again(opened, monkeypatch) -> None:
    def endless(engine, run, label, task) -> None:
        while True:
            task.tick(1, 16)
            time.sleep(0.01)

    monkeypatch.setattr(bench_point, "computed_again", endless)
    app, again = opened(), f"bench_check_{a_run().id}"
    app.button(key=again).click().run()
    (task,) = cache.engine().jobs.jobs.values()
    app.button(key="cancel_check").click().run()
    assert task.finished.wait(600)
    until(app, lambda app: any(button.key == again for button in app.button))
    healthy(app)
    assert not any(button.key == "cancel_check" for button in app.button)


def test_a_run_of_other_weights_says_so_instead_of_computing(opened) -> None:
    app = opened()
    app.button(key=f"bench_check_{a_run().id}").click().run()
    until(app, lambda app: bool(app.error))
    assert not app.exception
    (said,) = [error.value for error in app.error]
    assert said == "Shape scenes (generated) on this machine is not the data of the run."


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"data": {"id": "elsewhere", "title": "Far"}}, "The pictures (Far) are not on this machine."),
        ({"model": {"id": "torchvision/resnet18"}}, "The weights of resnet18"),
        ({"model": {"id": "no-such-net"}}, "no-such-net"),
    ],
)  # fmt: skip
def test_what_is_not_here_is_said_at_the_button(start, monkeypatch, tmp_path, part, said) -> None:
    run = a_run()
    plan = dataclasses.replace(
        run.plan, **{name: getattr(run.plan, name) | more for name, more in part.items()}
    )
    write_run(dataclasses.replace(run, plan=plan), tmp_path / "one")
    monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)
    app = start().switch_page("pages/5_benchmarks.py").run()
    assert not app.exception
    (button,) = [button for button in app.button if "again on" in button.label]
    assert button.disabled
    assert any("Cannot be computed again here" in note.value and said in note.value for note in app.caption)


def test_a_bad_address_is_a_sentence(start: Start) -> None:
    app = start(bench="magic")
    app = app.switch_page("pages/5_benchmarks.py").run()
    assert not app.exception
    assert any("magic" in warning.value for warning in app.warning)


def test_published_figures_are_those_given_to_us(shared) -> None:
    import json

    given = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    for key, table in (
        ("critical_paths/Table1_ROAR_AUC", "roar_auc"),
        ("critical_paths/Table2_LeRF_AUC", "lerf_auc"),
    ):
        for data, row in given[key].items():
            ours = published(FIGURES)[table]["data"][data]
            assert {NAMES[name]: value for name, value in ours.items()} == row


def test_it_opens_with_the_fair_order_and_says_what_the_order_does(start, monkeypatch, tmp_path) -> None:
    for name, order, title in (("a", "value", "First"), ("b", "magnitude", "Second")):
        run = a_run()
        model = run.plan.model | {"title": title}
        protocol = {**run.plan.protocol, "order_by": order}
        plan = dataclasses.replace(run.plan, protocol=protocol, model=model)
        write_run(dataclasses.replace(run, plan=plan), tmp_path / name)
    monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)
    app = start().switch_page("pages/5_benchmarks.py").run()
    healthy(app)
    assert app.session_state["bench_run"] == "b"
    assert "Order of magnitudes" in texts(app)
    app.button_group(key="bench_scope_pixels").set_value("First").run()
    healthy(app)
    assert "Signed order" in texts(app)
    assert "Noisy linear" not in texts(app)
    groups = [one.label for one in app.button_group if one.label in GROUPS.values()]
    assert groups == ["Ours, through pruning", "Gradients"]
    app.button_group(key="bench_scope_pixels").set_value(ALL).run()
    again = start(**app.query_params).switch_page("pages/5_benchmarks.py").run()
    assert again.button_group(key="bench_scope_pixels").value == ALL  # though one model's run is drawn
    app.query_params.clear()
    app.query_params["bench_run"] = "a"  # a request from before that address was replaced
    app.session_state["bench"] = "sanity"
    app.run()
    assert app.session_state["bench"] == "sanity"


def test_a_fill_that_mends_scattered_pixels_is_explained(start, monkeypatch, tmp_path) -> None:
    run = a_run("noisy_linear")
    plan = dataclasses.replace(run.plan, protocol={**run.plan.protocol, "order_by": "magnitude"})
    write_run(dataclasses.replace(run, plan=plan), tmp_path / "road")
    monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)
    app = start().switch_page("pages/5_benchmarks.py").run()
    healthy(app)
    assert "Noisy linear" in texts(app)


def test_a_link_says_what_is_measured_and_of_whom(start, opened) -> None:
    app = opened()
    app.button_group(key="bench_measure_pixels").set_value("morf").run()
    app.button_group(key=f"bench_methods_one_{GROUPS['ours']}").set_value([]).run()
    healthy(app)
    said = dict(app.query_params)
    assert [said["bench_measure"], said["bench_methods"]] == ["morf", "Gradient (saliency)"]
    again = start(**said).switch_page("pages/5_benchmarks.py").run()
    healthy(again)
    assert again.button_group(key="bench_measure_pixels").value == "morf"
    names = {line.get("name", "") for line in json.loads(again.get("plotly_chart")[0].proto.spec)["data"]}
    assert any("Gradient" in name for name in names)
    assert not any("PruneGrad" in name for name in names)


def test_what_one_benchmark_alone_has_waits_for_it_outside_the_address(opened, tmp_path) -> None:
    run = a_run()
    methods = ({"id": "taylor", "label": "Taylor", "options": {}},)
    plan = dataclasses.replace(run.plan, benchmark="circuits", measures=("kept",), methods=methods)
    write_run(Run(plan, np.random.default_rng(0).random(plan.shape), {}, run.timing), tmp_path / "circuits")
    app = opened()
    app.button_group(key="bench_measure_pixels").set_value("morf").run()
    app.button_group(key=f"bench_methods_one_{GROUPS['ours']}").set_value([]).run()
    app.button_group(key="bench").set_value("circuits").run()
    healthy(app)
    assert app.query_params.keys() & {"bench", "bench_measure", "bench_methods"} == {"bench"}
    app.button_group(key="bench").set_value("pixels").run()
    said = dict(app.query_params)
    assert [said["bench_measure"], said["bench_methods"]] == ["morf", "Gradient (saliency)"]
