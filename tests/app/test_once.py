"""What one page has computed is there for all others: every page asks for its results by name."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from torch import nn

from pruneattr_core.attribution import explain
from pruneattr_core.compression.family import Member
from pruneattr_core.errors import InputError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.results import keys
from pruneattr_core.results.sweeps import Answer
from pruneattr_core.scoring import contributions
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui import cache, pictures, results
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.jobs import Cache, Failed
from pruneattr_core.ui.review import choices as review_choices
from pruneattr_core.ui.review import state as review_state
from pruneattr_core.ui.review.lineup import Contender
from pruneattr_core.ui.review.pictures import Scenes, Shown
from tests.app.conftest import Start, drawn, healthy, small_network, until

METHODS = "prunegrad,saliency,gradcam"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a map of the trained network was made, by method, whoever made it."""
    from pruneattr_core.attribution import protocol
    from pruneattr_core.attribution.answering import answered

    counted: Counter[str] = Counter()

    def counting(entry: Any, model: Any, *more: Any) -> Any:
        if not getattr(model, "randomised", False):
            counted[entry.title] += 1
        return answered(entry, model, *more)

    monkeypatch.setattr(protocol, "answered", counting)
    return counted


@pytest.fixture(autouse=True)
def mark_randomised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of the sanity check are others, from the first randomised layer on."""
    from pruneattr_core.benchmarks import sanity as core
    from pruneattr_core.results import cascade

    def marked(*arguments: Any) -> Any:
        for step, (name, network) in enumerate(core.cascade(*arguments)):
            network.randomised = step > 0
            yield name, network

    monkeypatch.setattr(cascade, "cascade", marked)


class OnePicture:
    """The sidebar's first picture, on the review desk."""

    title, id = "The same picture", "same"

    def __len__(self) -> int:
        return 1

    def key(self, places: Iterable[int]) -> str:
        return self.id

    def __getitem__(self, place: int) -> Shown:
        return Shown(pictures.from_dataset("scenes", place).image, (), {}, "the same")


@pytest.fixture(autouse=True)
def review_of_the_sidebar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teacher and student are the sidebar's network."""
    members = [
        Member(name, name, kind, "none", 0, 1, 1, 1, {}, {}, (), teacher)
        for name, kind, teacher in (("tutor", "teacher", ""), ("small", "distil", "tutor"))
    ]
    for module in (review_choices, review_state):
        monkeypatch.setattr(module, "zoo", lambda: {"tutor": (members[0], (members[1],))})
    monkeypatch.setattr(
        review_choices, "of_zoo", lambda one: Contender(one.id, one.title, "scenes-net", "", one.id)
    )
    monkeypatch.setattr(review_choices, "_scenes", lambda *_: OnePicture())


def complete(app: AppTest) -> bool:
    parts = drawn(app)
    return bool(parts) and bool(header_of(parts[-1].proto.bytes)["complete"])


def test_a_map_asked_on_four_pages_is_computed_once(start: Start, computed: Counter[str]) -> None:
    app = start(methods=METHODS, gone_methods=METHODS, sane_methods=METHODS)
    computed.clear()
    for page in ("2_compare", "7_removal", "6_sanity"):
        app.switch_page(f"pages/{page}.py").run()
        until(app, complete)
        healthy(app)
        assert computed["PruneGrad"] == computed["Gradient (saliency)"] == computed["Grad-CAM"] == 1, page
    app.switch_page("pages/7_removal.py").run()
    for key, value in (("gone_order", "morf"), ("gone_fill", "blur"), ("gone_rule", "abs_sum")):
        app.session_state[key] = value
        app.run()
        until(app, complete)
    healthy(app)
    assert set(computed.values()) == {1}, computed  # edges and random, too
    app.switch_page("pages/8_review.py").run()
    until(app, complete)
    healthy(app)
    assert [row["title"] for row in header_of(drawn(app)[-1].proto.bytes)["rows"]] == ["the same"]
    assert computed["Grad-CAM"] == 1, "the teacher's map is the one that was there, the student's is it, too"


def test_another_place_of_the_dial_is_another_map_of_what_prunes_alone(
    start: Start, computed: Counter[str]
) -> None:
    app = start(gone_methods=METHODS).switch_page("pages/7_removal.py").run()
    until(app, complete)
    app.session_state["gone_dial"], app.session_state["gone_sparsity"] = "all", 0.9
    app.run()
    until(app, complete)
    healthy(app)
    assert (computed["PruneGrad"], computed["Grad-CAM"]) == (2, 1)
    assert app.query_params["gone_dial"] in ("all", ["all"])


def test_equal_maps_have_equal_names() -> None:
    subject = keys.Subject("scenes-net", "w", "i", None, "cpu")
    short = keys.map_key(subject, "prunegrad", {})
    assert short == keys.map_key(
        subject, "prunegrad", {"of": "contributing", "sparsity": 0.8, "mode": "zero"}
    )
    assert short != keys.map_key(subject, "prunegrad", {"of": "all", "sparsity": 0.8})
    with pytest.raises(InputError, match="no option"):
        keys.map_key(subject, "saliency", {"sparsity": 0.8})


def test_nobody_waits_for_a_network_that_another_reader_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there answers at once, and one on this machine loads meanwhile."""
    far, fetching, release = "torchvision/resnext101_64x4d", threading.Event(), threading.Event()
    assert not model_card(far).available_offline()

    def slow(name: str, **options: Any) -> nn.Module:
        if name == far:
            fetching.set()
            release.wait(600)
        return load_model("scenes-net" if name == far else name, **options)

    monkeypatch.setattr(cache, "load_model", slow)
    found: list[Answer] = []

    def ask(name: str, place: int = 41) -> threading.Thread:
        picture = pictures.from_dataset("scenes", place)  # of which nobody has asked
        thread = threading.Thread(
            target=lambda: found.append(engine().answer(name, picture, lambda *_: None))
        )
        thread.start()
        return thread

    def kept_by(name: str) -> Hashable:
        return cache._of_card(model_card(name))

    waits = ask(far)
    try:
        assert fetching.wait(600)
        for name in ("scenes-net", "scenes-vgg"):
            engine().models.drop(kept_by(name))
            ask(name).join(600)
            assert engine().models.get(kept_by(name)) is not None
        ask("scenes-net", 42).join(600)
        assert len(found) == 3
    finally:
        release.set()
        waits.join(600)
        engine().models.drop(kept_by(far))
    assert len(found) == 4


def test_who_asks_second_waits_and_a_failure_is_tried_again() -> None:
    cache, calls, release = Cache(10), [], threading.Event()
    waited = threading.Event()

    def compute() -> str:
        calls.append(1)
        release.wait(600)
        return "map"

    found: list[str] = []
    first = threading.Thread(target=lambda: found.append(cache.once("key", compute, lambda: None)))
    first.start()
    while not calls:
        time.sleep(0.001)
    second = threading.Thread(target=lambda: found.append(cache.once("key", compute, waited.set)))
    second.start()
    assert waited.wait(600)
    release.set()
    first.join(600)
    second.join(600)
    assert (found, calls) == (["map"] * 2, [1])
    cache.put("other", Failed("no memory"))
    assert cache.once("other", lambda: "now", lambda: None) == "now"

    def fails() -> None:
        raise InputError("does not fit")

    with pytest.raises(InputError):
        cache.once("third", fails, lambda: None)
    assert cache.once("third", lambda: "later", lambda: None) == "later"


def test_an_integrated_view_scores_once_behind_a_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    from pruneattr_core.results import sweeps
    from pruneattr_core.results.levels import spaced
    from pruneattr_core.ui import cache

    asked: list[str] = []

    def counting(model: Any, inputs: Any, target: Any, method: str, **more: Any) -> Any:
        asked.append(method)
        return contributions(model, inputs, target, method, **more)

    monkeypatch.setattr(sweeps, "contributions", counting)
    monkeypatch.setattr(cache, "load_model", small_network)
    engine = cache.Engine()
    subject = keys.Subject("scenes-net", "w", "i", 2, engine.device.type)
    question, picture = sweeps.Question(subject, "zero", "intgrad", None), pictures.from_dataset("scenes", 0)
    first = engine.first_look(question, picture, lambda *_: None)
    engine.start_sweep(question, picture, "me")
    job = engine.jobs.watch(question, "me")
    if job is not None:
        assert job.finished.wait(600)
    found = engine.sweep(question)
    assert found is not None
    assert asked == ["intgrad_preview", "intgrad"]
    assert found.requested == spaced(found.quiet)
    assert len(first.requested) < len(found.requested)
    assert "quick integral" in first.caveat
    assert "quick" not in found.caveat
    engine.jobs.close()


@pytest.mark.parametrize("method", ["prunegrad", "neuron_intgrad", "prunegrad_x_input", "prunegrad_mid"])
def test_a_map_that_rests_on_an_integral_is_the_librarys(method: str) -> None:
    network, photo = small_network("scenes-net"), pictures.from_dataset("scenes", 0)
    inputs = model_card("scenes-net").preprocess(photo.image)
    options = {"contribution": "intgrad_gauss8", "sparsity": 0.6, "of": "contributing"}
    key = keys.map_key(keys.Subject("scenes-net", "w", photo.sha256, 1, "cpu"), method, options)
    cache = Cache(1 << 26, lambda value: value.nbytes)
    found = results.mapped(cache, network, inputs, key, lambda share: None)
    wanted = explain(network, inputs, 1, method, **options).values[0]
    np.testing.assert_array_equal(found.attribution, wanted.numpy())


@pytest.mark.parametrize("page", ["1_explore", "5_benchmarks", "7_removal"])
def test_a_page_that_runs_again_draws_decodes_and_packs_nothing_anew(
    start: Start, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """The sidebar's picture was drawn and encoded, scenes painted and a run zipped at each press of a key."""
    from pruneattr_core.benchmarks import run as bench
    from pruneattr_core.models.cards import ModelCard
    from pruneattr_core.ui import crop

    app = start()
    healthy(app.switch_page(f"pages/{page}.py").run())
    again: Counter[str] = Counter()

    def watch(owner: Any, name: str) -> None:
        made = getattr(owner, name)

        def counting(*arguments: Any, **more: Any) -> Any:
            again[name] += 1
            return made(*arguments, **more)

        monkeypatch.setattr(owner, name, counting)

    watch(ModelCard, "display")
    watch(crop, "outlined")
    watch(bench, "zipped")
    watch(pictures, "list_datasets")
    for _ in range(4):  # the disk is looked at again after some seconds, which a run may take here
        again.clear()
        healthy(app.run())
        if not again:
            break
    assert not again


def test_pictures_of_the_desk_are_painted_once() -> None:
    first = Scenes(4, 64)[1]
    assert Scenes(4, 64)[1] is first
    assert Scenes(4, 64)[2] is not first
    assert Scenes(4, 32)[1].image.size == (32, 32)
    assert Scenes(4, 64)[-1] is not Scenes(3, 64)[-1]
    assert len(list(Scenes(3, 64))) == 3
