"""Opening the Compare page, and grids computed without it, for the tests of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from streamlit.testing.v1 import AppTest

from pruneattr_core import models
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.models import model_card
from pruneattr_core.render.look import Look
from pruneattr_core.results.cells import Place
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui import pictures
from pruneattr_core.ui.compare.plan import Plan
from pruneattr_core.ui.compare.work import compute
from pruneattr_core.ui.jobs import Cache, Job
from tests.app.conftest import Start, drawn, healthy, until

QUICK = "saliency,input_x_gradient,edges"


def opened(start: Start, **query: str) -> AppTest:
    app = start(**{"methods": QUICK, **query})
    return app.switch_page("pages/2_compare.py").run()


def header(app: AppTest) -> dict[str, Any]:
    (found,) = [header_of(part.proto.bytes) for part in drawn(app)]
    return found


def finished(app: AppTest) -> dict[str, Any]:
    """The grid when nothing more comes."""
    until(app, lambda app: header(app)["complete"])
    healthy(app)
    return header(app)


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


def computed(plan: Plan, shelf: Cache | None = None, dear: bool = True) -> Cache:
    shelf = shelf or Cache(1 << 30, lambda value: int(value.nbytes))
    inputs = [plan.card.preprocess(picture.image) for picture in plan.pictures]
    network, job = models.load_model(plan.card.id), Job("test", lambda job: None)

    def see(place: Place) -> torch.Tensor:
        return plan.card.preprocess(pictures.from_dataset(*place).image)

    compute(job, plan.steps(), network, inputs, shelf, dear=dear, see=see)
    return shelf
