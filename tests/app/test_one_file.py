"""Pages of charts and tables as one file: what is on screen is in it; dropped, it opens its page."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core import compare, difference, explain, group, model_card, models
from pruneattr_core.circuits.curve import SIZES
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import StoreError
from pruneattr_core.models import weights_hash
from pruneattr_core.results.keys import Subject, map_key
from pruneattr_core.share.component import FOLIO
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.html import one_file, settings_in
from pruneattr_core.share.way_back import pictures_in
from pruneattr_core.show import explain_view
from pruneattr_core.ui import one_file as module
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.method_cards import Card
from pruneattr_core.ui.paths import decoding_page
from pruneattr_core.ui.paths import page as path_page
from pruneattr_core.ui.removal import page as removal_page
from pruneattr_core.ui.sanity import page as sanity_page
from tests.app.compare_grids import finished, names
from tests.app.compare_grids import header as explorer
from tests.app.conftest import Start, box, healthy, until

Parts = list[dict[str, Any]]
PLACES = {"sanity": 6, "removal": 7}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], tuple[Parts, str]]:
    """The parts of the file that the page offers, and the file."""
    offered: list[tuple[Any, ...]] = []
    monkeypatch.setattr(module, "one_file_button", lambda *given: offered.append(given))

    def last(app: AppTest) -> tuple[Parts, str]:
        until(app, lambda app: offered)
        healthy(app)
        parts, payload, title, settings = offered[-1][:4]
        assert parts is FOLIO
        data = payload(256)
        text = one_file(parts, data, title, settings)
        assert len(text) < 1_000_000
        assert settings["made_with"]["torch"]
        return header_of(data)["parts"], text

    return last


def test_the_slider_of_a_path_holds_every_size(
    lone_page: Callable[..., Start], made: Callable[[AppTest], tuple[Parts, str]]
) -> None:
    app = lone_page(path_page.draw, "Critical paths")(kept="0.02", instead="mean")
    parts, text = made(app)
    slides = next(part for part in parts if part["kind"] == "slides")
    assert slides["at"] == SIZES.index(0.02)
    assert len({json.dumps(slide) for slide in slides["slides"]}) == len(SIZES)
    shown = slides["slides"][slides["at"]]["parts"][0]["rows"]
    on_screen = next(one.value for one in app.dataframe if "of the response" in one.value)
    assert [row[3] for row in shown] == on_screen["of the response"].tolist()
    lines = next(part for part in parts if part["kind"] == "chart")["series"]
    assert lines[0]["x"] == list(SIZES)
    assert settings_in(text)["view"]["instead"] == "mean"


def test_what_is_decoded_is_in_the_file(
    lone_page: Callable[..., Start], made: Callable[[AppTest], tuple[Parts, str]]
) -> None:
    app = lone_page(decoding_page.draw, "Path decoding")(steps="32", paths="taylor,random")
    until(app, lambda app: any("Step 32 of 32" in one.value for one in app.caption))
    parts, text = made(app)
    decoded = next(part for part in parts[1:] if part["kind"] == "pictures")["pictures"]
    assert "at step 32 of 32" in decoded[0]["caption"]
    assert settings_in(text)["view"]["steps"] == "32"


@pytest.mark.parametrize(
    ("page", "name", "view"),
    [
        ("pages/5_benchmarks.py", "benchmarks", {"bench": "localise"}),
        ("pages/9_reproduction.py", "reproduction", {"repro_paper": "AP"}),
        ("pages/8_review.py", "review", {"desk": "tables"}),
    ],
)
def test_a_page_of_its_own_networks_leaves_and_comes_back(
    start: Start, made: Callable[[AppTest], tuple[Parts, str]], page: str, name: str, view: dict[str, str]
) -> None:
    app = start(model="scenes-net", **view).switch_page(page).run(timeout=600)
    parts, text = made(app)
    tables = [part for part in parts if part["kind"] == "table"]
    assert len(tables[0]["rows"]) == len(app.dataframe[0].value)
    assert settings_in(text)["page"] == name
    fresh = start(model="scenes-net").switch_page(page).run(timeout=600)
    key = next(iter(view))
    assert fresh.session_state[key] != view[key]
    fresh.file_uploader(key="uploader").upload("view.html", text.encode(), "text/html").run()
    healthy(fresh)
    assert fresh.session_state[key] == view[key]


@pytest.mark.parametrize("page", [sanity_page, removal_page])
def test_a_file_that_would_wait_for_good_cannot_be_had(
    page: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = page.__name__.split(".")[-2]

    def shut(*states: str) -> bool:
        """Whether the button is, with the first cards in these states and the others failed."""

        def show(_: str, asked: Any, *more: Any) -> None:
            left = [*states, *["failed"] * len(asked)]
            more[-1]({one: Card(one, state, "x") for one, state in zip(asked, left, strict=False)})

        monkeypatch.setattr(page, "show_cards", show)
        app = start().switch_page(f"pages/{PLACES[name]}_{name}.py").run()
        healthy(app)
        (button,) = (
            one.proto for one in app.get("download_button") if one.proto.id.endswith(f"-{name}_one_file")
        )
        return bool(button.disabled)

    assert shut("computing")
    assert not shut("failed")  # nothing is to come


def test_a_file_that_cannot_be_had_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit keeps what a button would make: of a page that draws itself every second, each drawing."""
    held: list[Any] = []
    monkeypatch.setattr(module.st, "download_button", lambda _, made, *more, **choices: held.append(made))
    for ready in (False, True):
        module.one_file_button(FOLIO, bytes, "A page", {}, "stem", "key", ready=ready)
    assert held[0]() == ""
    assert bytes in [cell.cell_contents for cell in held[1].__closure__]
    assert getattr(held[0], "__closure__", None) is None


def test_settings_of_lists_take_no_memory() -> None:
    text = one_file(FOLIO, b"", "A page", {"page": "paths"})
    start = text.index('{"page"')
    with pytest.raises(StoreError, match="too long"):
        settings_in(text[:start] + '{"a": [' + "[]," * 400_000 + "[]]}</script>")


def test_a_file_brings_its_picture_to_an_app_that_never_saw_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[Callable[[], str]] = []

    def download(label: str, data: Any, *_: object, **__: object) -> None:
        offered.extend([data] if label == "One file (HTML)" else [])

    monkeypatch.setattr(module.st, "download_button", download)
    wide, photo = Image.effect_mandelbrot((300, 140), (-2, -1, 1, 1), 60).convert("RGB"), io.BytesIO()
    wide.save(photo, "PNG")

    def given(name: str, data: bytes, title: str, **query: str) -> tuple[AppTest, str]:
        """The app after a file has come, and what it gives away then."""
        app = start(model="scenes-net", **query)
        app.file_uploader(key="uploader").upload(name, data).run()
        until(app, lambda app: offered and settings_in(offered[-1]())["picture"]["title"] == title)
        healthy(app)
        return app, offered[-1]()

    _, own = given("my photo.png", photo.getvalue(), "my photo.png", mode="freeze", crop="0")
    middle = explain_view("scenes-net", wide, mode="freeze", picture="scene.png", shares=(0, 0.8)).html()
    for text in (own, middle):  # of the app, and of the command `explain`
        (sent,) = pictures_in(text)
        app, again = given("view.html", text.encode(), sent.name)
        assert app.session_state["mode"] == "freeze"
        assert app.session_state["crop"] == "50"
        assert pictures_in(again) == (sent,)  # the very pixels, once more
        settings = settings_in(again)
        assert settings["picture"]["sha256"] == sent.sha256
    assert pictures_in(own) != pictures_in(middle)


def test_files_of_a_group_a_named_class_and_several_pictures_come_back(start: Start) -> None:
    model, card = models.load_model("scenes-net"), model_card("scenes-net")
    images = [load_dataset("scenes")[place].image for place in (2, 4, 6)]
    inputs = torch.cat([card.preprocess(image) for image in images])
    grid = compare(
        model, inputs, ["saliency", "edges"], group([1, 3]), card=card, titles=["a", "b", "c"], curves=False
    )
    app = start(model="scenes-net", contrast="runner-up")
    app.file_uploader(key="uploader").upload("grid.html", grid.html().encode()).run()
    shown = finished(app)
    assert [image["title"] for image in shown["images"]] == ["a", "b", "c"]
    words = f"Explained: the mean of {card.classes[1]}, {card.classes[3]}"
    assert {image["answer"] for image in shown["images"]} == {words}
    assert names(shown) == ["saliency", "edges"]
    found = engine().jobs.results
    for place, image in enumerate(images):
        sha256 = grid.back.pictures[place].sha256 if grid.back else ""
        subject = Subject("scenes-net", weights_hash(model), sha256, 1, "cpu", "+3")
        kept = found.get(map_key(subject, "saliency", {}))
        wanted = explain(model, card.preprocess(image), group([1, 3]), "saliency").values[0].numpy()
        np.testing.assert_allclose(kept.attribution, wanted, atol=1e-6)

    view = explain_view("scenes-net", images[0], difference(1, 3), shares=(0, 0.8))
    app.file_uploader(key="uploader").upload("view.html", view.html().encode()).run()
    healthy(app)
    assert f"{card.classes[1]} instead of {card.classes[3]}" in explorer(app)["note"]
    assert box(app, "Instead of").value == 3
    app.selectbox(key="_how").select("mean").run()
    assert box(app, "Explain it").value == "mean"  # no class is named yet: it stands by itself
    next(one for one in app.multiselect if one.label == "Mean with").select(2).select(4).run()
    healthy(app)
    assert app.query_params["contrast"] == "+2,4"
    header = explorer(app)
    named = ", ".join(card.classes[k] for k in (1, 2, 4))
    assert header["whose"] == f"any of {named}"
    assert f"the mean of {named}" in header["note"]


def test_of_a_file_that_asks_for_more_than_the_app_has_the_rest_comes_back_and_is_said(start: Start) -> None:
    model, card = models.load_model("scenes-net"), model_card("scenes-net")
    inputs = torch.cat([card.preprocess(load_dataset("scenes")[place].image) for place in (2, 4)])
    grid = compare(model, inputs, ["edges"], [3, 1], card=card, titles=["a", "b"], curves=False)
    app = start(model="scenes-net")
    app.file_uploader(key="uploader").upload("grid.html", grid.html().encode()).run()
    shown = finished(app)
    assert [image["title"] for image in shown["images"]] == ["a"]
    assert card.classes[3] in shown["images"][0]["answer"]
    words = "Only the first picture comes back: each was asked for a class of its own"
    for _ in range(2):  # it stays until something else is chosen
        said = [one.value for one in app.warning]
        assert any(words in one for one in said), said
        app.run()
    app.file_uploader(key="uploader").upload(
        "view.html",
        explain_view("scenes-net", load_dataset("scenes")[2].image, 3, shares=(0, 0.8)).html().encode(),
    ).run()
    healthy(app)
    assert not [one.value for one in app.warning if words in one.value]
