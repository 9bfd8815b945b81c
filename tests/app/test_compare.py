"""The Compare page without a browser: presets, links, numbers, order, cancelling, exports."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core import models
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.localisation import mass_inside
from pruneattr_core.benchmarks.similarity import spearman, ssim
from pruneattr_core.errors import Cancelled
from pruneattr_core.models import model_card
from pruneattr_core.render import read_provenance
from pruneattr_core.ui import (
    compare,
    compare_assembly,
    compare_exports,
    compare_plan,
    compare_work,
    pictures,
)
from pruneattr_core.ui.compare_cells import Failed, Game, Mapped, Place
from pruneattr_core.ui.compare_numbers import Numbers, ordered, seconds_text
from pruneattr_core.ui.compare_payload import coded, decoded, grid_payload
from pruneattr_core.ui.compare_plan import Plan, mask_seen
from pruneattr_core.ui.compare_state import FIELDS, PRESETS, parse_methods, parse_more
from pruneattr_core.ui.compare_work import compute
from pruneattr_core.ui.framing import header_of
from pruneattr_core.ui.look import Look
from pruneattr_core.ui.worker import Job, Shelf

Start = Callable[..., AppTest]
pytestmark = pytest.mark.usefixtures("start")  # its small network
QUICK = "saliency,input_x_gradient,edges"


def opened(start: Start, **query: str) -> AppTest:
    app = start(**{"methods": QUICK, **query})
    return app.switch_page("pages/2_compare.py").run()


def header(app: AppTest) -> dict[str, Any]:
    (found,) = [header_of(part.proto.bytes) for part in app.get("bidi_component")]
    return found


def finished(app: AppTest, seconds: float = 60) -> dict[str, Any]:
    """The grid when nothing more comes; the clock of the page does not run here."""
    end = time.monotonic() + seconds
    while not (found := header(app))["complete"]:
        assert time.monotonic() < end, "the grid does not become complete"
        time.sleep(0.1)
        app.run()
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [method["name"] for method in found["methods"]]


def plan_of(methods: tuple[str, ...], places: tuple[int, ...] = (0,), **changes: Any) -> Plan:
    card = model_card("scenes-net")
    shown = tuple(pictures.from_dataset("scenes", place) for place in places)
    masks = tuple(mask_seen(card, pictures.dataset("scenes")[place].mask) for place in places)
    options = {name: (("sparsity", 0.9),) if "sparsity" in METHODS[name].options else () for name in methods}
    plan = Plan(
        card,
        "weights",
        shown,
        masks,
        None,
        options,
        {},
        Look(),
        "saliency",
        "table",
        "lerf",
        "mean",
        "rows",
        "cpu",
    )
    return replace(plan, **changes)


def computed(plan: Plan) -> Shelf:
    shelf = Shelf(1 << 30, lambda value: int(value.nbytes))
    inputs = [plan.card.preprocess(picture.image) for picture in plan.pictures]
    network, job = models.load_model(plan.card.id), Job("test", lambda job: None)

    def see(place: Place) -> torch.Tensor:
        return plan.card.preprocess(pictures.from_dataset(*place).image)

    compute(job, plan.steps(), network, inputs, shelf, dear=True, see=see)
    return shelf


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fills_the_grid(start: Start, preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_plan, "PATIENT", math.inf)
    monkeypatch.setattr(compare_assembly, "PATIENT", math.inf)
    monkeypatch.setattr(compare_work, "PATIENT", math.inf)
    app = opened(start)
    app.button(key=f"preset_{preset}").click().run()
    found = finished(app)
    assert tuple(names(found)) == PRESETS[preset].methods
    states = {found["methods"][cell["method"]]["name"]: cell["state"] for cell in found["cells"]}
    assert set(states.values()) <= {"ready", "blocked"}, states
    assert states["prunegrad"] == "ready"
    for cell in found["cells"]:
        if cell["state"] == "ready":
            labels = [number["label"] for number in cell["numbers"]]
            assert labels[:2] == ["Time", "Passes"]
            assert "Mass in mask" in labels
            assert len(cell["curve"]["y"]) == len(found["curve"]["x"]) == 11
            assert cell["words"]


def test_any_layer_can_be_looked_at(start: Start) -> None:
    methods = "prunegrad_mid,gradcam,saliency"
    chosen = finished(opened(start, methods=methods, layer="features.1"))
    assert [method["badge"] for method in chosen["methods"]] == [
        "sparsity 0.9, features.1",
        "",
        "features.1",
    ]
    usual = finished(opened(start, methods=methods))
    blocks = [[cell["block"]["id"] for cell in found["cells"]] for found in (chosen, usual)]
    assert [a == b for a, b in zip(*blocks, strict=True)] == [False, True, False]
    app = opened(start, methods=methods, layer="nowhere")
    assert ["“nowhere”" in warning.value for warning in app.warning] == [True]


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
    assert all("does not exist here" in warning.value for warning in app.warning)
    assert not any("<script>" in warning.value for warning in app.warning)
    assert header(app)["methods"]


def test_pictures_beyond_the_data_set_are_named(start: Start) -> None:
    app = opened(start, more="5,9999999")
    assert ["9999999" in warning.value for warning in app.warning] == [True]
    assert len(header(app)["images"]) == 2


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
    for module in (compare_work, compare_plan, compare_assembly):
        monkeypatch.setattr(module, "PATIENT", 0.0)
    app = opened(start, methods="saliency,integrated_gradients")
    found = finished(app)
    assert sorted(cell["state"] for cell in found["cells"]) == ["dear", "ready"]
    assert "50 passes, about" in next(cell["text"] for cell in found["cells"] if cell["state"] == "dear")
    app.button(key="compute_dear").click().run()
    assert [cell["state"] for cell in finished(app)["cells"]] == ["ready", "ready"]


def test_cancelling_stops_and_continuing_ends_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compare.compute

    def slow(job: Job, *arguments: Any) -> None:
        for _ in range(400):
            job.tick(0, 1)
            time.sleep(0.05)

    monkeypatch.setattr(compare, "compute", slow)
    app = opened(start)
    app.button(key="cancel_grid").click().run()
    assert {cell["state"] for cell in header(app)["cells"]} == {"waiting"}
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


def test_numbers_are_those_of_the_measures() -> None:
    plan = plan_of(("saliency", "input_x_gradient"))
    shelf = computed(plan)
    grid, _ = compare_assembly.assemble(plan, shelf, None, True)
    a, b = (cell.shown for cell in grid.cells)
    rows = {number["label"]: number["text"] for number in grid.cells[1].numbers}
    assert rows["Spearman"].replace("\N{MINUS SIGN}", "-") == f"{round(spearman(b, a), 2) + 0:.2f}"
    assert rows["SSIM"].replace("\N{MINUS SIGN}", "-") == f"{round(ssim(b, a), 2) + 0:.2f}"
    share = 100 * mass_inside(b, plan.masks[0])
    assert rows["Mass in mask"] == (f"{share:.0f} %" if share >= 10 else f"{share:.1f} %")
    assert grid.complete


def test_the_grid_game_is_the_share_in_the_picture_s_own_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 3}
    card = model_card("scenes-net")
    inputs = {k: card.preprocess(pictures.from_dataset("scenes", k).image) for k in answers}

    class Told(torch.nn.Module):
        """Knows its pictures by heart; what it computes on a grid is its picture's sum."""

        def __init__(self) -> None:
            super().__init__()
            self.relu = torch.nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            known = [place for place, one in inputs.items() if x.shape == one.shape and torch.equal(one, x)]
            logits = self.relu(x).sum((1, 2, 3))[:, None] * torch.ones(1, 4)
            named = torch.tensor([answers[k] for k in known[:1]] or [0])
            return logits * torch.nn.functional.one_hot(named, 4)

    monkeypatch.setattr(models, "load_model", lambda name: Told().eval())
    plan = plan_of(("input_x_gradient",), rivals=(tuple(("scenes", place) for place in range(1, 6)),))
    shelf = computed(plan)
    key = plan.game_ask(plan.pictures[0], "input_x_gradient")
    found = shelf.get(key)
    assert isinstance(found, Game)
    assert found.rivals == (("scenes", 2), ("scenes", 4), ("scenes", 5))  # 1 has the same class, 3 that of 2
    mass = {place: float(inputs[place].clamp(min=0).amax(1).sum()) for place in (0, 2, 4, 5)}
    assert found.share == pytest.approx(mass[0] / sum(mass.values()), rel=1e-5)
    grid, _ = compare_assembly.assemble(plan, shelf, None, True)
    assert any(number["label"] == "Grid game" for number in grid.cells[0].numbers)
    assert "pictures 2, 4, 5 of Shape scenes" in grid.images[0]["covered"]
    assert "25 % by chance" in grid.images[0]["covered"]


def test_a_network_of_one_size_says_so_instead_of_playing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.relu, self.head = torch.nn.ReLU(), torch.nn.Linear(3 * 128 * 128, 40)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.relu(x).flatten(1))

    monkeypatch.setattr(models, "load_model", lambda name: Fixed().eval())
    plan = plan_of(("saliency",), rivals=(tuple(("scenes", place) for place in range(1, 30)),))
    grid, _ = compare_assembly.assemble(plan, computed(plan), None, True)
    assert "takes pictures of 128 x 128 only" in grid.images[0]["covered"]
    assert not any(number["label"] == "Grid game" for number in grid.cells[0].numbers)
    assert grid.complete


def test_cancelling_acts_inside_an_expensive_method() -> None:
    plan = plan_of(("integrated_gradients",))
    job, shelf = Job("test", lambda job: None), Shelf(1 << 30, lambda value: int(value.nbytes))
    network, notes = models.load_model(plan.card.id), []

    class Watched(torch.nn.ReLU):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            notes.append(job.note)
            if "%" in job.note:
                job.cancelled.set()
            return super().forward(x)

    network.features[3] = Watched()
    with pytest.raises(Cancelled):
        compute(job, plan.steps(), network, [plan.card.preprocess(plan.pictures[0].image)], shelf, dear=True)
    assert notes[-1].startswith("Integrated Gradients · ")
    assert shelf.get(plan.steps()[0].key) is None


def test_order_is_best_first_and_unknown_numbers_come_last() -> None:
    table = [[Numbers(area=0.3)], [Numbers()], [Numbers(area=0.1)]]
    assert ordered("abc", table, "area", False) == [2, 0, 1]
    assert ordered("abc", table, "area", True) == [0, 2, 1]
    assert ordered("abc", table, "table", True) == [0, 1, 2]


def test_values_survive_the_coding_for_the_client() -> None:
    values = np.random.default_rng(0).standard_t(2, (40, 40))
    codes, peak = coded(values)
    back = decoded(peak)[codes]
    assert np.abs(back - values).max() <= 0.008 * peak
    small = np.abs(values) < 0.01 * peak
    assert np.abs(back - values)[small].max() <= 0.001 * peak
    assert coded(np.zeros((3, 3)))[0].tolist() == [[128] * 3] * 3
    assert (
        np.sign(back[np.abs(values) > 1e-3 * peak]).tolist()
        == np.sign(values[np.abs(values) > 1e-3 * peak]).tolist()
    )


def test_shared_scale_draws_weak_maps_weakly() -> None:
    plan = plan_of(("saliency", "random"))
    shelf = computed(plan)
    ends = {}
    for shared in (False, True):
        look = Look(shared=shared)
        grid, _ = compare_assembly.assemble(replace(plan, look=look), shelf, None, True)
        ends[shared] = header_of(grid_payload(grid, look))
    assert ends[False]["ends"] == ["\N{MINUS SIGN}max", "+max"]
    levels = [cell["levels"] for cell in ends[True]["cells"]]
    assert levels[0] != ends[False]["cells"][0]["levels"]  # weaker than noise of deviation 1
    assert ends[True]["shared"]


def test_the_picture_of_the_grid_carries_the_view() -> None:
    for places in ((0,), (0, 1)):
        plan = plan_of(("saliency", "edges"), places)
        shelf = computed(plan)
        grid, _ = compare_assembly.assemble(plan, shelf, None, True)
        settings = compare_exports.record(plan, grid, shelf, {"methods": "saliency,edges"})
        data = compare_exports.picture_png(grid, plan.look, settings)
        read = read_provenance(data)
        assert read is not None
        assert read["view"] == {"methods": "saliency,edges"}
        assert len(read["results"]) == 2 * len(places)
        with Image.open(io.BytesIO(data)) as image:
            assert image.width > 500
            assert len(np.unique(np.asarray(image.convert("L")))) > 50


def test_the_picture_brings_every_setting_back(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "compute", lambda *arguments: None)
    made: list[dict[str, Any]] = []
    real = compare_exports.record
    monkeypatch.setattr(compare_exports, "record", lambda *given: made.append(real(*given)) or made[-1])
    app = opened(start, methods=",".join(METHODS), order="ssim", more="1,2", game="1", picture="5")
    assert not app.warning
    plan = plan_of(("saliency",))
    grid, _ = compare_assembly.assemble(plan, computed(plan), None, True)
    data = compare_exports.picture_png(grid, plan.look, made[-1])
    fresh = opened(start)
    fresh.file_uploader[0].upload("grid.png", data, "image/png").run()
    assert not fresh.error, [error.value for error in fresh.error]
    assert not fresh.warning, [warning.value for warning in fresh.warning]
    state = fresh.session_state
    assert state["methods"] == tuple(METHODS)
    assert (state["order"], state["more"], state["game"], state["picture"]) == ("ssim", (1, 2), True, 5)
    assert len(header(fresh)["images"]) == 3


def test_the_python_gives_the_arrays_of_the_npz(start: Start) -> None:
    plan = plan_of(("prunegrad", "gradcam", "gradient_shap", "random"), (0, 2), look=Look(sign="positive"))
    shelf = computed(plan)
    grid, _ = compare_assembly.assemble(plan, shelf, None, True)
    settings = compare_exports.record(plan, grid, shelf, {})
    with np.load(
        io.BytesIO(compare_exports.arrays_npz(plan, grid, shelf, settings)), allow_pickle=False
    ) as arrays:
        stored = dict(arrays)
    code = compare_exports.python_code(plan)
    assert len(code.splitlines()) <= 15
    scope: dict[str, Any] = {}
    exec(compile(code, "shown", "exec"), scope)
    for (name, place), attribution in scope["attributions"].items():
        assert np.array_equal(attribution[0].numpy(), stored[f"{name}/{place}/attribution"]), name
        assert np.array_equal(scope["maps"][name, place], stored[f"{name}/{place}/map"]), name
    assert len(scope["maps"]) == 8
    assert json.loads(str(stored["settings"]))["model"]["id"] == "scenes-net"
    assert stored["mask/0"].shape == (128, 128)


def test_results_of_one_grid_serve_the_next() -> None:
    plan = plan_of(("saliency", "edges"))
    shelf = computed(plan)
    before = [shelf.get(step.key) for step in plan.steps()]
    assert all(value is not None and not isinstance(value, Failed) for value in before)
    assert isinstance(before[0], Mapped)
    other = replace(plan, look=Look(colours="blue-red", shared=True, clip=95.0), order="ssim")
    assert [shelf.get(step.key) for step in other.steps()] == before  # drawing anew computes nothing


def test_links_are_read_strictly() -> None:
    assert parse_methods("edges,prunegrad,edges") == ("prunegrad", "edges")
    assert parse_more("3,1,3") == (3, 1)
    for text in ("", "prunegrad,nonsense"):
        with pytest.raises(ValueError):  # noqa: PT011  (the text is the user's)
            parse_methods(text)
    for text in ("-1", "1,2,3,4,5,6", "x"):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_more(text)


def test_times_are_read_at_a_glance() -> None:
    assert [seconds_text(value) for value in (0.043, 2.34, 12.3, 200)] == ["43 ms", "2.3 s", "12 s", "3 min"]


def test_a_mask_goes_through_the_picture_s_resizing() -> None:
    mask = np.zeros((64, 64), bool)
    mask[16:32, 8:24] = True
    seen = mask_seen(model_card("scenes-net"), mask)
    assert seen is not None
    assert seen.shape == (128, 128)
    assert seen.mean() == pytest.approx(mask.mean(), abs=0.01)
    assert seen[48, 32]
