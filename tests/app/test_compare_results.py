"""What the Compare page computes and gives away: numbers, grid game, order, exports, cached results."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import contributions, models
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.localisation import mass_inside
from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.benchmarks.similarity import spearman, ssim
from pruneattr_core.errors import Cancelled
from pruneattr_core.models import load_model, model_card
from pruneattr_core.render import read_provenance
from pruneattr_core.render.figure import figure
from pruneattr_core.render.look import Look
from pruneattr_core.results.cells import Game, passes_of
from pruneattr_core.results.keys import Mapped, PaceKey, Scored
from pruneattr_core.results.numbers import Numbers, ordered, seconds_text
from pruneattr_core.share.framing import coded, decoded, header_of
from pruneattr_core.share.grid import grid_payload
from pruneattr_core.share.panels import grid_panels
from pruneattr_core.ui import pictures
from pruneattr_core.ui.compare import assembly as compare_assembly
from pruneattr_core.ui.compare import exports as compare_exports
from pruneattr_core.ui.compare import page as compare
from pruneattr_core.ui.compare.plan import standing
from pruneattr_core.ui.compare.work import compute, seconds_of_a_pass
from pruneattr_core.ui.figures import caption
from pruneattr_core.ui.jobs import Cache, Failed, Job
from tests.app.compare_grids import computed, header, opened, plan_of
from tests.app.conftest import Start

pytestmark = pytest.mark.usefixtures("start")  # its small network


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


def test_every_drawing_of_a_grid_holds_the_same_maps() -> None:
    """Its downloads hold what they would write: a minute of drawings with maps of their own took 200 MB."""
    plan = plan_of(("saliency", "input_x_gradient"))
    shelf = computed(plan)
    first, again = (compare_assembly.assemble(plan, shelf, None, True)[0] for _ in range(2))
    assert all(
        a.shown is not None and a.shown is b.shown for a, b in zip(first.cells, again.cells, strict=True)
    )
    signless = replace(plan, look=Look(sign="absolute"))
    other, _ = compare_assembly.assemble(signless, shelf, None, True)
    for cell, changed in zip(first.cells, other.cells, strict=True):
        assert np.array_equal(np.abs(cell.shown), changed.shown)


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
    key = plan.game_key(plan.pictures[0], "input_x_gradient")
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
    job, shelf = Job("test", lambda job: None), Cache(1 << 30, lambda value: int(value.nbytes))
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
        data = figure(*grid_panels(grid, plan.look), "png", settings=settings)
        read = read_provenance(data)
        assert read is not None
        assert read["view"] == {"methods": "saliency,edges"}
        assert len(read["results"]) == 2 * len(places)
        with Image.open(io.BytesIO(data)) as image:
            assert image.width > 500
            assert len(np.unique(np.asarray(image.convert("L")))) > 50


def test_a_figure_s_caption_names_its_maps_and_their_class() -> None:
    plan = plan_of(("prunegrad", "saliency", "edges"), (0, 2))
    shelf = computed(plan)
    grid, _ = compare_assembly.assemble(plan, shelf, None, True)
    text = caption(compare_exports.record(plan, grid, shelf, {}))
    maps = {panel.title for panel in grid_panels(grid, plan.look)[0] if panel.bar is not None}
    assert len(maps) == 3
    for said in (*maps, *(image["answer"].removeprefix("Explained: ") for image in grid.images)):
        assert said in text


def test_the_picture_brings_every_setting_back(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "compute", lambda *arguments: None)
    made: list[dict[str, Any]] = []
    real = compare_exports.record
    monkeypatch.setattr(compare_exports, "record", lambda *given: made.append(real(*given)) or made[-1])
    app = opened(start, methods=",".join(METHODS), order="ssim", more="1,2", game="1", picture="5")
    assert not app.warning
    plan = plan_of(("saliency",))
    grid, _ = compare_assembly.assemble(plan, computed(plan), None, True)
    data = figure(*grid_panels(grid, plan.look), "png", settings=made[-1])
    fresh = opened(start)
    fresh.file_uploader(key="uploader").upload("grid.png", data, "image/png").run()
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


def test_a_busy_moment_is_no_reason_to_call_a_map_expensive() -> None:
    """What is measured once holds as long as the server runs: Compare said 41 minutes for what took two."""

    class Busy(torch.nn.Flatten):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.4)  # others hold the processor
            return super().forward(x)

    network = torch.nn.Sequential(Busy(), torch.nn.Linear(12, 3))
    assert 0 < seconds_of_a_pass(network, torch.rand(1, 3, 2, 2)) < 0.2


def test_maps_that_rest_on_one_integral_are_predicted_to_take_it_once() -> None:
    plan = plan_of(("saliency", "prunegrad", "neuron_intgrad"))
    ranked = ("contribution", "intgrad")
    plan = replace(plan, options={**plan.options, "prunegrad": (*plan.options["prunegrad"], ranked)})
    shelf = Cache(1 << 30, lambda value: int(value.nbytes))
    shelf.put(PaceKey(plan.card.id, plan.device), np.asarray(0.5))
    one, two = (plan.map_key(plan.pictures[0], name) for name in ("prunegrad", "neuron_intgrad"))
    now = standing(plan, shelf, dear=False)
    assert now.dear == 2
    assert now.dear_seconds == pytest.approx(0.5 * passes_of(one) + 0.5 * 2)
    assert one.scores is not None
    assert one.scores == two.scores
    shelf.put(one.scores, Scored(contributions(load_model("scenes-net"), torch.rand(1, 3, 128, 128)), 1.0))
    assert standing(plan, shelf, dear=False).dear == 0  # what takes long is there
