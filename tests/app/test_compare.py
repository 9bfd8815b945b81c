"""The Compare page without a browser: presets, links, what fits, prices, cancelling."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
import torch

from pruneattr_core.attribution import METHODS
from pruneattr_core.share.entries import parse_entries
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.compare import assembly as compare_assembly
from pruneattr_core.ui.compare import page as compare
from pruneattr_core.ui.compare import plan as compare_plan
from pruneattr_core.ui.compare import work as compare_work
from pruneattr_core.ui.compare.choices import make_plan
from pruneattr_core.ui.compare.state import FIELDS, PRESETS, parse_more
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.results import scored
from tests.app.compare_grids import QUICK, finished, header, names, opened
from tests.app.conftest import Start, until

pytestmark = pytest.mark.usefixtures("start")  # its small network


def patient_for(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of many passes that take longer than this wait for a second click."""
    for module in (compare_work, compare_plan, compare_assembly):
        monkeypatch.setattr(module, "PATIENT", seconds)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fills_the_grid(start: Start, preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patient_for(math.inf, monkeypatch)
    app = opened(start)
    app.button(key=f"preset_{preset}").click().run()
    found = finished(app)
    assert tuple(names(found)) == PRESETS[preset].methods
    states = {found["methods"][cell["method"]]["name"]: cell["state"] for cell in found["cells"]}
    assert set(states.values()) <= {"ready", "blocked"}, states
    ours = {state for name, state in states.items() if name.partition("~")[0] == "prunegrad"}
    assert ours == {"ready"}
    for cell in found["cells"]:
        if cell["state"] == "ready":
            labels = [number["label"] for number in cell["numbers"]]
            assert labels[:2] == ["Time", "Passes"]
            assert ("Mass in mask" in labels) == (cell["words"] != "The map is zero everywhere.")
            assert len(cell["curve"]["y"]) == len(found["curve"]["x"]) == 11
            assert cell["words"]


def test_any_layer_can_be_looked_at(start: Start) -> None:
    methods = "prunegrad_mid,gradcam,saliency"
    chosen = finished(opened(start, methods=methods, layer="features.1"))
    assert [method["badge"] for method in chosen["methods"]] == [
        "follows the slider, features.1",
        "",
        "features.1",
    ]
    usual = finished(opened(start, methods=methods))
    blocks = [[cell["block"]["id"] for cell in found["cells"]] for found in (chosen, usual)]
    assert [a == b for a, b in zip(*blocks, strict=True)] == [False, True, False]
    app = opened(start, methods=methods, layer="nowhere")
    assert ["`nowhere`" in warning.value for warning in app.warning] == [True]


def test_a_link_restores_the_grid(start: Start) -> None:
    app = opened(
        start,
        more="1,3",
        order="mass",
        grid_scale="shared",
        arrange="columns",
        curve="deletion",
        reference="edges",
    )
    found = finished(app)
    assert sorted(names(found)) == sorted(QUICK.split(","))
    assert len(found["images"]) == 3
    assert found["layout"] == "columns"
    assert found["shared"]
    assert found["curve"]["title"].startswith("Deletion")
    assert app.query_params["methods"] == QUICK
    assert app.query_params["order"] == "mass"
    assert any(number["text"] == "reference" for cell in found["cells"] for number in cell["numbers"])


@pytest.mark.parametrize("text", ["nonsense", "-1", "%00<script>"])
def test_bad_links_give_one_sentence_each(start: Start, text: str) -> None:
    app = opened(start, **{field.name: text for field in FIELDS})
    assert not app.exception
    assert len(app.warning) == len(FIELDS)
    assert all("not available here" in warning.value for warning in app.warning)
    assert not any("<script>" in warning.value for warning in app.warning)
    assert header(app)["methods"]


def test_pictures_beyond_the_data_set_are_named(start: Start) -> None:
    app = opened(start, more="5,9999999")
    assert ["9999999" in warning.value for warning in app.warning] == [True]
    assert len(header(app)["images"]) == 2


def test_what_is_typed_and_is_no_picture_is_named(start: Start) -> None:
    app = start()
    app.switch_page("pages/2_compare.py").run()
    app.multiselect(key="more_box_scenes").set_value(["2", "cat"]).run()
    assert app.session_state["more"] == (2,)
    assert [one.value for one in app.warning if "“cat” is no picture of Shape scenes" in one.value]
    app.multiselect(key="more_box_scenes").set_value(["2", "4"]).run()
    assert not [one.value for one in app.warning if "cat" in one.value]


def test_what_does_not_fit_is_greyed_out_with_its_reason(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = replace(METHODS["rap"], supports=lambda model, inputs=None: "It has no rule for this network.")
    monkeypatch.setitem(METHODS, "rap", blocked)
    app = opened(start, methods="saliency,rap")
    found = finished(app)
    cell = next(cell for cell in found["cells"] if names(found)[cell["method"]] == "rap")
    assert (cell["state"], cell["text"]) == ("blocked", "It has no rule for this network.")
    box = app.checkbox(key="use_rap")
    assert box.disabled
    assert box.help == "It has no rule for this network."


def test_expensive_maps_are_predicted_and_wait_for_a_second_click(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient_for(0.0, monkeypatch)
    app = opened(start, methods="saliency,integrated_gradients")
    found = finished(app)
    assert sorted(cell["state"] for cell in found["cells"]) == ["dear", "ready"]
    assert "50 passes, about" in next(cell["text"] for cell in found["cells"] if cell["state"] == "dear")
    until(app, lambda app: any(button.key == "compute_dear" for button in app.button))
    app.button(key="compute_dear").click().run()
    assert [cell["state"] for cell in finished(app)["cells"]] == ["ready", "ready"]


def test_levels_come_with_their_map_where_a_pass_is_slow(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out as expensive and counted as missing: a page that said it was stopped, for good."""
    patient_for(0.0, monkeypatch)
    app = opened(start, methods="prunegrad_mid,integrated_gradients")
    assert finished(app)["cells"][0]["track"]
    until(app, lambda app: any(button.key == "compute_dear" for button in app.button))


def test_a_ranking_that_arrives_from_elsewhere_brings_its_map_without_a_press(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page said that it was stopped, and waited for Continue."""
    patient_for(0.0, monkeypatch)
    plans: list[compare_plan.Plan] = []
    monkeypatch.setattr(compare, "make_plan", lambda *given: (plans.append(make_plan(*given)), plans[-1])[1])
    app = opened(start, methods="neuron_intgrad,saliency")
    assert sorted(cell["state"] for cell in finished(app)["cells"]) == ["dear", "ready"]
    shelf, plan = engine().jobs.results, plans[-1]
    key = plan.map_key(plan.pictures[0], next(iter(plan.options)))
    network, _ = engine().model(plan.card.id, Job("test", lambda job: None))
    x = engine().inputs(plan.card.id, plan.pictures[0])
    assert key.scores is not None
    scored(shelf, network, x, key.scores, lambda *_: None)
    app.run()
    assert [cell["state"] for cell in finished(app)["cells"]] == ["ready", "ready"]


def test_what_cannot_be_kept_is_not_computed_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Job] = []
    monkeypatch.setattr(compare, "compute", lambda job, *_: done.append(job))
    app = opened(start)
    for _ in range(6):
        app.run()
        time.sleep(0.05)
    assert len(done) == 2  # once more, since something might have come since
    assert any(button.key == "continue_grid" for button in app.button)


def test_a_second_window_joins_what_the_first_asked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It offered to compute what was being computed."""
    patient_for(0.0, monkeypatch)
    first = opened(start, methods="integrated_gradients")
    until(first, lambda app: any(button.key == "compute_dear" for button in app.button))
    real, go_on = compare.compute, threading.Event()

    def held(job: Job, *given: Any) -> None:
        go_on.wait(30)
        real(job, *given)

    monkeypatch.setattr(compare, "compute", held)
    first.button(key="compute_dear").click().run()
    second = opened(start, methods="integrated_gradients")
    keys = {button.key for button in second.button}
    go_on.set()
    assert "cancel_grid" in keys
    assert "compute_dear" not in keys
    assert [cell["state"] for cell in finished(second)["cells"]] == ["ready"]
    second.session_state["picture"] = 1  # which nobody asked for
    second.run()
    until(second, lambda app: any(button.key == "compute_dear" for button in app.button))


def test_cancelling_stops_and_continuing_ends_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compare.compute

    def slow(job: Job, *arguments: Any) -> None:
        while True:
            job.tick(0, 1)
            time.sleep(0.05)

    monkeypatch.setattr(compare, "compute", slow)
    app = opened(start)
    app.button(key="cancel_grid").click().run()
    assert {cell["state"] for cell in header(app)["cells"]} == {"stopped"}
    monkeypatch.setattr(compare, "compute", real)
    app.button(key="continue_grid").click().run()
    assert {cell["state"] for cell in finished(app)["cells"]} == {"ready"}


def test_a_method_that_fails_does_not_spoil_the_grid(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> torch.Tensor:
        raise RuntimeError("secret detail")

    monkeypatch.setitem(METHODS, "saliency", replace(METHODS["saliency"], compute=broken))
    found = finished(opened(start))
    texts = {cell["state"]: cell["text"] for cell in found["cells"]}
    assert set(texts) == {"failed", "ready"}
    assert "secret" not in json.dumps(found)


def test_links_are_read_strictly() -> None:
    assert parse_entries("edges,prunegrad,edges") == ("prunegrad", "edges")
    assert parse_more("3,1,3") == (3, 1)
    for text in ("", "prunegrad,nonsense"):
        with pytest.raises(ValueError):  # noqa: PT011  (the text is the user's)
            parse_entries(text)
    for text in ("-1", "1,2,3,4,5,6", "x"):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_more(text)
