"""Pixel removal without a browser: numbers equal the benchmark's, links, refusals, exports."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.fills import fill_removed
from pruneattr_core.benchmarks.maps import maps_of, method_from
from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS, insertion_curve, removal_curve, removal_masks
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.heads import NOT_IT, Head, declare
from pruneattr_core.lessons.text import FOLDER, languages
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject, map_key
from pruneattr_core.results.removal import FRACTIONS, Removal, RemovalKey, gone, removed
from pruneattr_core.results.sweeps import answer
from pruneattr_core.scenes import scene
from pruneattr_core.share.component import stage
from pruneattr_core.share.framing import framed, header_of
from pruneattr_core.share.html import one_file
from pruneattr_core.ui import exports
from pruneattr_core.ui.jobs import Cache, Job
from pruneattr_core.ui.method_cards import Card
from pruneattr_core.ui.removal.payload import payload_of
from pruneattr_core.ui.removal.table import over_many
from pruneattr_core.ui.results import mapped
from tests.app.conftest import drawn, small_network

Start = Callable[..., AppTest]
CARD = model_card("scenes-net")


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    from PIL import Image

    return CARD.preprocess(Image.fromarray(scene(0).image))


def compute(inputs: torch.Tensor, target: int | None = None, **changed: Any) -> Removal:
    how = {"rule": "signed_max", "order": "lerf", "fill": "mean"} | changed
    key = RemovalKey(map_key(Subject("m", "w", "i", target, "cpu"), "saliency", {}), **how)
    network, cache = small_network(), Cache(1 << 20)
    found = mapped(cache, network, inputs, key.map, lambda share: None)
    return removed(network, CARD, inputs, found, key, lambda note: None)


def maps(inputs: torch.Tensor, target: int) -> torch.Tensor:
    return maps_of(small_network(), inputs, torch.tensor([target]), method_from("saliency"), "signed_max")


@pytest.mark.parametrize("order", ["lerf", "morf"])
@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_the_curve_is_the_benchmarks_curve(inputs: torch.Tensor, order: str, fill: str) -> None:
    found = compute(inputs, order=order, fill=fill)
    curve = removal_curve(
        small_network(), inputs, maps(inputs, found.target), fractions=FRACTIONS, order=order, fill=fill
    )
    np.testing.assert_allclose(found.probability, curve.probability[:, 0], atol=1e-6)
    paper = removal_curve(
        small_network(), inputs, maps(inputs, found.target), fractions=LERF_FRACTIONS, order=order, fill=fill
    )
    assert found.areas(0.1)[0] == pytest.approx(float(paper.curve_auc), abs=1e-6)
    assert found.change[0] == 0


def test_an_insertion_is_the_benchmarks_insertion(inputs: torch.Tensor) -> None:
    found = compute(inputs, order="insertion", fill="blur")
    curve = insertion_curve(small_network(), inputs, maps(inputs, found.target))
    tenths = [FRACTIONS.index(fraction) for fraction in curve.fractions]
    np.testing.assert_allclose(found.probability[tenths], curve.probability[:, 0], atol=1e-6)


@pytest.mark.parametrize("order", ["lerf", "morf", "insertion"])
@pytest.mark.parametrize("fill", ["mean", "noisy_linear"])
def test_ranks_and_fills_paint_what_the_network_saw(inputs: torch.Tensor, order: str, fill: str) -> None:
    found = compute(inputs, order=order, fill=fill)
    photo = CARD.denormalise(inputs)[0]
    way = "morf" if order == "morf" else "lerf"
    masks = removal_masks(maps(inputs, found.target), gone(order), way, "random")[:, 0].numpy()
    for k, share in enumerate(gone(order)):
        missing = found.rank < np.floor(share * found.rank.size + 1e-9)  # as in assets/removal/paint.js
        np.testing.assert_array_equal(missing, masks[k])
        painted = np.where(missing[..., None], found.fills[k if fill == "noisy_linear" else 0], photo)
        if fill == "mean":
            seen = CARD.denormalise(fill_removed(inputs[0], torch.from_numpy(masks[k : k + 1]), fill))[0]
            np.testing.assert_array_equal(painted, seen)
        else:
            np.testing.assert_array_equal(found.fills[k][~missing], photo[~missing])


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "values"])
def test_the_answer_is_the_heads(inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch, head: Head) -> None:
    """Of several answers the largest was told, and a cross stood where another of them became that."""
    network = small_network()
    declare(network, head)
    monkeypatch.setattr(sys.modules[__name__], "small_network", lambda: network)
    whole = answer(network, inputs, "")
    found = compute(inputs, int(whole.probabilities.argmin()), order="morf")  # so that another is the largest
    assert whole.about(found.target) == found.answer[0]
    if head == "values":
        assert (found.answer == found.target).all()
    elif head == "sigmoid":
        np.testing.assert_array_equal(found.answer, np.where(found.probability > 0.5, found.target, NOT_IT))
    if head == "softmax":
        assert NOT_IT not in found.answer
    card = Card("A", "ready", result=dataclasses.replace(found, answer=np.full_like(found.answer, NOT_IT)))
    photo, target = CARD.denormalise(inputs)[0], found.target
    drawn = payload_of(
        [card], photo, CARD.classes, target, target, "morf", "mean", False, "of", {"token": 0}
    )  # fmt: skip
    data = header_of(drawn)
    assert data["classes"][str(NOT_IT)] == f"not {CARD.classes[found.target]}"


def test_magnitudes_put_negative_values_last(inputs: torch.Tensor) -> None:
    signed, magnitude = compute(inputs), compute(inputs, rule="magnitude")
    values = maps(inputs, signed.target)[0].numpy()
    assert values.flat[signed.rank.argmin()] == values.min() < 0
    assert abs(values).flat[magnitude.rank.argmin()] == abs(values).min()


def test_a_class_without_any_probability_is_undefined_not_an_error(inputs: torch.Tensor) -> None:
    found = dataclasses.replace(compute(inputs), original=0.0)
    payload = payload_of(
        [Card("a", "ready", result=found)], CARD.denormalise(inputs)[0], CARD.classes, 0, 0, "lerf", "mean",
        True, "of", {"token": 0, "at": 0, "measure": "change", "range": "all"},
    )  # fmt: skip
    (card,) = header_of(payload)["cards"]
    assert set(card["values"]["change"]) == {None}
    assert card["areas"]["all"]["change"] is None
    assert card["areas"]["all"]["probability"] is not None


def test_changes_of_a_faint_probability_are_said_to_tell_little_and_by_their_size(
    inputs: torch.Tensor,
) -> None:
    """A class that nobody sees there "changed" by 16829517.12, and every line ran along the chart's top."""
    found = compute(inputs)
    for original, told in ((6.5e-10, "p₀ is only 6.5e-10"), (0.0, "p₀ is only 0"), (0.3, "0 = the answer")):
        cards = [Card("a", "ready", result=dataclasses.replace(found, original=original))]
        payload = payload_of(
            cards, CARD.denormalise(inputs)[0], CARD.classes, 0, 0, "lerf", "mean",
            True, "of", {"token": 0, "at": 0, "measure": "change", "range": "all"},
        )  # fmt: skip
        assert told in header_of(payload)["measures"][0]["axis"]


def test_a_card_says_which_one_before_it_is_the_very_same(inputs: torch.Tensor) -> None:
    """PruneGrad's curve lay on the gradient's without a word where only silent neurons had gone."""
    found = compute(inputs)
    other = dataclasses.replace(found, rank=found.rank[::-1].copy())
    results = {"one": found, "to come": None, "other": other, "the same": compute(inputs), "too": found}
    cards = [Card(title, "ready", result=result) for title, result in results.items()]
    payload = payload_of(
        cards, CARD.denormalise(inputs)[0], CARD.classes, 0, 0, "lerf", "mean",
        True, "of", {"token": 0, "at": 0, "measure": "change", "range": "all"},
    )  # fmt: skip
    assert [card.get("same", "") for card in header_of(payload)["cards"]] == [
        "", "", "", "the same order as one", "the same order as one",
    ]  # fmt: skip


def test_where_nothing_that_counts_is_gone_the_page_says_that_it_is_the_gradient(start: Start) -> None:
    app = opened(start, gone_dial="all", gone_sparsity="0")
    said = [card.get("same", "") for card in header(app)["cards"]]
    assert said == ["", "the same order as PruneGrad", "", ""]


def test_a_frame_is_read_back() -> None:
    payload = framed({"a": [1, None]}, [b"x", b"yz"])
    assert header_of(payload) == {"a": [1, None]}
    assert payload.endswith(b"xyz")
    with pytest.raises(ValueError, match="JSON"):
        framed({"a": float("nan")}, [])


def opened(start: Start, **query: str) -> AppTest:
    return start(**query).switch_page("pages/7_removal.py").run()


def header(app: AppTest) -> dict[str, Any]:
    data: bytes = drawn(app)[-1].proto.bytes
    return header_of(data)


def test_controls_are_always_beside_the_methods(start: Start) -> None:
    app = opened(start)
    assert not app.exception
    assert not app.error
    shown = header(app)
    assert [card["title"] for card in shown["cards"]] == [
        "PruneGrad", "Gradient (saliency)", "Edge detector", "Random map"
    ]  # fmt: skip
    assert shown["complete"]
    assert all(card["state"] == "ready" for card in shown["cards"])
    assert not any("same" in card for card in shown["cards"])
    app.multiselect(key="gone_box").set_value([]).run()
    assert not app.exception
    assert [card["title"] for card in header(app)["cards"]] == ["Edge detector", "Random map"]
    assert "none" in app.query_params["gone_methods"]


def test_a_link_restores_the_view_and_nonsense_is_a_sentence(start: Start) -> None:
    app = opened(
        start, gone_order="insertion", gone_fill="blur", gone_methods="gradcam", gone="0.05",
        gone_range="tenth", gone_rule="magic",
    )  # fmt: skip
    assert not app.exception
    shown = header(app)
    assert shown["cards"][0]["title"] == "Grad-CAM"
    assert shown["order"] == "insertion"
    assert [measure["key"] for measure in shown["measures"]] == ["probability"]
    assert (shown["start"]["at"], shown["start"]["range"]) == (0.05, "tenth")
    assert any("magic" in warning.value for warning in app.warning)
    assert json.dumps(shown)  # plain JSON


def test_letting_go_reaches_the_address_and_sends_nothing_again(start: Start) -> None:
    app = opened(start)
    before = drawn(app)[-1].proto.bytes
    view = {"of": header(app)["of"], "at": 0.07, "measure": "probability", "range": "tenth", "when": 1}
    app.session_state["removal"] = {"view": view}
    app.run()
    assert app.session_state["gone"] == 0.07
    assert app.query_params["gone"] in ("0.07", ["0.07"])
    assert drawn(app)[-1].proto.bytes == before


def test_its_one_file_brings_the_view_back(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    real = exports.page_record
    monkeypatch.setattr(exports, "page_record", lambda *given: made.append(real(*given)) or made[-1])
    opened(start, gone_order="morf", gone="0.5", picture="2")
    text = one_file(stage("removal"), b"", "A view", made[-1])
    fresh = opened(start)
    fresh.file_uploader(key="uploader").upload("view.html", text.encode(), "text/html").run()
    assert not fresh.error, [error.value for error in fresh.error]
    state = fresh.session_state
    assert (state["gone_order"], state["gone"], state["picture"]) == ("morf", 0.5, 2)


def test_the_curves_leave_as_csv_with_every_choice(start: Start) -> None:
    app = opened(start, gone_fill="blur")
    from pruneattr_core.ui.cache import engine
    from pruneattr_core.ui.removal.table import curves_csv

    results = engine().jobs.results
    kept = {key: results.get(key) for key in results.names() if isinstance(key, RemovalKey)}
    text = curves_csv(
        {key.map.method: key for key in kept},
        {key.map.method: Card(key.map.method, "ready", result=value) for key, value in kept.items()},
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 4 * len(FRACTIONS)
    assert {row["fill"] for row in rows} == {"blur"}
    assert {float(row["change"]) for row in rows if row["fraction"] == "0.0"} == {0.0}
    assert app.dataframe[0].value["method"].tolist()[0] == "PruneGrad"


@pytest.mark.parametrize(("order", "better"), [("lerf", "lower"), ("morf", "higher")])
@pytest.mark.parametrize(
    ("fill", "name"),
    [("mean", "lite0-pixels-whole"), ("blur", "lite0-pixels-blur"), ("noisy_linear", "lite0-pixels-road")],
)
def test_one_picture_is_set_beside_the_many_of_the_run_with_the_same_fill(
    fill: str, name: str, order: str, better: str
) -> None:
    run = read_run(ASSETS / "runs" / "bench" / name)
    subject = Subject("efficientnet-lite0", run.plan.model["weights_sha256"], "picture", None, "cpu")
    asked = [
        RemovalKey(map_key(subject, method, {}), "magnitude", order, fill)
        for method in ("saliency", "prunegrad")
    ]
    said = over_many(asked)
    assert name in said
    x = [0.0, *map(float, run.plan.x)]
    for title in ("Gradient (saliency)", "PruneGrad"):
        mean = run.of(title, order).mean(1)
        assert f"{title} {np.trapezoid([0, *mean], x):.3f}" in said
    assert f"{better} is better" in said
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        assert [1 for shape, _ in words["patterns"] if re.search(shape, said)] == [1]
    other = dataclasses.replace(subject, weights="0" * 64)
    for changed in ({"rule": "sum"}, {"order": "insertion"}, {"map": map_key(other, "saliency", {})}):
        assert not over_many([dataclasses.replace(one, **changed) for one in asked])
    assert not over_many(asked[:1])


def test_a_method_that_fails_says_so_on_its_card(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from pruneattr_core.errors import InputError
    from pruneattr_core.ui.removal import page as removal_page

    def broken(network: Any, card: Any, inputs: Any, mapped: Any, key: RemovalKey, job: Job) -> Removal:
        if key.map.method == "saliency":
            raise InputError("This map has no order: choose another method.")
        return removed(network, card, inputs, mapped, key, job)

    monkeypatch.setattr(removal_page, "removed", broken)
    app = opened(start)
    assert not app.exception
    cards = {card["title"]: card for card in header(app)["cards"]}
    assert cards["Gradient (saliency)"]["state"] == "failed"
    assert "no order" in cards["Gradient (saliency)"]["text"]
    assert cards["Random map"]["state"] == "ready"
    assert any(button.label == "Try again" for button in app.button)


def test_blocks_unpack_to_ranks(start: Start) -> None:
    app = opened(start)
    data: bytes = drawn(app)[-1].proto.bytes
    shown = header_of(data)
    place = shown["cards"][0]["blocks"][0]
    offset = 4 + int.from_bytes(data[:4], "little") + place["start"]
    rank = np.frombuffer(zlib.decompress(data[offset : offset + place["length"]]), np.uint16)
    assert sorted(rank) == list(range(shown["height"] * shown["width"]))
