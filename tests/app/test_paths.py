"""The critical-paths page without a browser: every view and choice, computations, files, bad addresses."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pruneattr_core.critical_path import Path
from pruneattr_core.paths.table import METHODS
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.errors import APOLOGY
from pruneattr_core.ui.paths import page as path_page
from pruneattr_core.ui.paths import tasks as path_tasks
from pruneattr_core.ui.paths.files import path_bytes
from pruneattr_core.ui.paths.state import VIEWS
from pruneattr_core.ui.paths.views import number_in
from tests.app.conftest import Start, box, healthy, small_network, until


@pytest.fixture
def paths_page(lone_page: Callable[..., Start]) -> Start:
    """Opens the page."""
    return lone_page(path_page.draw, "Critical paths")


def chart(app: AppTest, key: str) -> dict:
    return json.loads(next(c.proto.spec for c in app.get("plotly_chart") if c.proto.id.endswith(key)))


def alt(app: AppTest, key: str) -> str:
    return next(c.proto.alt for c in app.get("plotly_chart") if c.proto.id.endswith(key))


def offers(app: AppTest) -> list[str]:
    return [button.key for button in app.button if str(button.key).startswith("start_")]


def test_opens_with_overlap_lines_and_inventory_before_any_click(paths_page: Start) -> None:
    app = paths_page(show="agreement")
    healthy(app)
    assert {"NeuronMCT", "Random"} <= set(chart(app, "chart_overlap")["data"][0]["x"])
    assert chart(app, "chart_overlap")["data"][0]["zmin"] == 0
    assert chart(app, "chart_overlap")["data"][0]["zmax"] == 1
    assert "Jaccard overlap" in alt(app, "chart_overlap")
    assert chart(app, "chart_layers")["data"]
    table = app.dataframe[0].value
    assert (table["sparsity reached"] - 0.9).abs().max() < 0.01
    assert (table["sparsity requested"] == 0.9).all()
    assert table.set_index("path").loc["NeuronMCT", "of them dead"] == 0


def test_short_computations_arrive_by_themselves(paths_page: Start) -> None:
    app = paths_page(show="agreement")
    until(app, lambda app: "NeuronIntGrad" in chart(app, "chart_overlap")["data"][0]["x"])
    healthy(app)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_and_in_the_address(paths_page: Start, view: str) -> None:
    app = paths_page(show=view, paths="taylor,random")
    healthy(app)
    assert not app.warning
    assert app.session_state["show"] == view


@pytest.mark.parametrize("kappa", ["0", "0.8", "0.99", "1"])
def test_any_sparsity(paths_page: Start, kappa: str) -> None:
    app = paths_page(show="agreement", kappa=kappa, paths="taylor,random")
    healthy(app)
    for view in VIEWS:
        app.session_state["show"] = view
        app.run()
        healthy(app)


def test_presets_and_number_are_one_choice(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor,random")
    app.button_group(key="_preset").set_value(0.99).run()
    assert app.number_input(key="kappa").value == 0.99
    app.number_input(key="kappa").set_value(0.5).run()
    healthy(app)
    assert app.button_group(key="_preset").value == 0.5  # a number of one's own stands among them
    assert (app.dataframe[0].value["sparsity requested"] == 0.5).all()


@pytest.mark.parametrize(
    ("kappa", "said", "shown"),
    [
        ("0.999999", "99.9999 %", "0.999999"),
        ("0.799999", "79.9999 %", "0.799999"),
        ("0.99", "99 %", "0.99"),
        ("0", "0 %", "0"),
        ("1", "100 %", "1"),
    ],
)
def test_presets_and_number_say_the_same_share(paths_page: Start, kappa: str, said: str, shown: str) -> None:
    """At 0.999999 no preset was chosen, and the number beside them read 1."""
    app = paths_page(show="agreement", paths="taylor,random", kappa=kappa)
    healthy(app)
    presets, number = app.button_group(key="_preset"), app.number_input(key="kappa")
    texts = [text.replace("\u202f", " ") for text in presets.options]
    assert presets.value == number.value == float(kappa)
    assert said in texts
    assert len(set(texts)) == len(texts)
    assert {"80 %", "90 %", "99 %"} <= set(texts)
    assert number.proto.format % number.value == shown
    presets.set_value(0.9).run()
    assert app.number_input(key="kappa").value == 0.9


#: View -> the choices of the page it has a use for.
ASKED = {view: {"_methods", "_preset"} for view in VIEWS} | {"carries": set(), "holds": {"_preset"}}


def test_a_view_asks_only_for_what_it_draws_from(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor,random", kappa="0.8", path_seed="7")
    for view in (*VIEWS, "agreement"):
        app.session_state["show"] = view
        app.run()
        healthy(app)
        assert {one.key for one in app.get("button_group")} & {"_methods", "_preset"} == ASKED[view]
        # what is not asked for is kept
        assert app.query_params["paths"] == "taylor,random"
        assert [float(app.query_params[name]) for name in ("kappa", "path_seed")] == [0.8, 7]


def test_nonsense_in_the_address_gives_sentences(paths_page: Start) -> None:
    app = paths_page(
        show="<script>",
        paths="taylor,magic",
        kappa="NaN",
        path_seed="-1",
        against="x",
        of="",
        call="0",
        channel="q",
        mode="maybe",
    )
    healthy(app)
    texts = [warning.value for warning in app.warning]
    for title in (
        "the view",
        "the methods",
        "the sparsity",
        "the seed",
        "the activation call",
        "the channel",
        "the mode",
    ):
        assert any(title in text for text in texts), title
    assert not any("<" in text for text in texts)


@pytest.mark.parametrize(
    ("query", "words"), [({"call": "99"}, "activation call `99`"), ({"channel": "999"}, "channel `999`")]
)
def test_places_that_do_not_exist_give_a_sentence(
    paths_page: Start, query: dict[str, str], words: str
) -> None:
    app = paths_page(show="where", paths="taylor", **query)
    healthy(app)
    assert any(words in warning.value for warning in app.warning)


def test_layer_and_channel_open_each_other(paths_page: Start) -> None:
    app = paths_page(show="where", paths="taylor,random", call="2", channel="3")
    healthy(app)
    assert any("Channel 3 on the picture" in text.value for text in app.markdown)
    box(app, "Activation call").set_value(3).run()
    healthy(app)
    assert app.session_state["channel"] == -1


def test_a_layer_and_a_channel_are_of_one_network(paths_page: Start) -> None:
    app = paths_page(show="where", paths="taylor", call="2", channel="3")
    healthy(app)
    box(app, "Model").set_value("torchvision/resnet18").run()
    healthy(app)
    assert (app.session_state["call"], app.session_state["channel"]) == (1, -1)


def test_pixels_feed_the_first_channels_and_lead_nowhere(paths_page: Start) -> None:
    app = paths_page(show="where", paths="taylor", call="1")
    assert "### What feeds it" in [text.value for text in app.markdown]
    assert not [one for one in app.button if str(one.key).startswith("feeds_")]


def test_a_channel_is_decoded_where_it_is_looked_at(paths_page: Start) -> None:
    app = paths_page(show="where", paths="taylor,random", call="4", channel="3")
    app.button(key="decode_channel").click().run()

    def drawn(app: AppTest) -> bool:
        return any("Step 64 of 64 · activation" in one.value for one in app.caption)

    until(app, drawn)
    healthy(app)
    assert not [one for one in app.button if str(one.key) == "decode_channel"]


def test_a_channel_leads_to_what_feeds_it(paths_page: Start) -> None:
    app = paths_page(show="where", paths="taylor", call="2")
    healthy(app)
    button = next(one for one in app.button if str(one.key).startswith("feeds_"))
    _, call, channel = button.key.split("_")
    button.click().run()
    healthy(app)
    assert (app.session_state["call"], app.session_state["channel"]) == (int(call) + 1, int(channel))
    assert any(f"Channel {channel} on the picture" in text.value for text in app.markdown)


def test_sets_count_every_neuron_once(paths_page: Start) -> None:
    app = paths_page(show="sets", paths="taylor,random", a="taylor", b="random")
    healthy(app)
    counts = app.dataframe[0].value[["Kept by both", "Only NeuronMCT", "Only Random"]].sum()
    neurons = app.dataframe[0].value["neurons"].sum()
    assert counts["Kept by both"] + counts["Only NeuronMCT"] == pytest.approx(0.1 * neurons, abs=2)
    assert counts["Kept by both"] + counts["Only Random"] == pytest.approx(0.1 * neurons, abs=2)
    for mode in ("freeze", "zero"):
        app.session_state["mode"] = mode
        app.run()
        healthy(app)


def test_dear_method_says_its_price_first_and_can_be_cancelled(
    paths_page: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(search):
        for step in range(10**6):
            search.progress(step, 10**6)
            time.sleep(0.005)

    monkeypatch.setattr(path_tasks, "AT_ONCE", 0.0)
    monkeypatch.setitem(METHODS, "dgr_init1", replace(METHODS["dgr_init1"], find=slow))
    app = paths_page(show="agreement", paths="taylor,dgr_init1")
    healthy(app)
    assert offers(app) == ["start_dgr_init1"]
    assert any("DGR(init=1)" in text.value and "about" in text.value for text in app.markdown)
    app.button(key="start_dgr_init1").click().run()
    assert not offers(app)
    (task,) = engine().jobs.jobs.values()
    app.button(key="cancel_dgr_init1").click().run()
    assert task.finished.wait(600)
    until(app, lambda app: offers(app) == ["start_dgr_init1"])
    healthy(app)


def test_failure_of_a_long_computation_is_one_sentence(
    paths_page: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(path_tasks, "AT_ONCE", 0.0)
    monkeypatch.setitem(METHODS, "greedy", replace(METHODS["greedy"], find=fail))
    app = paths_page(show="agreement", paths="taylor,greedy")
    app.button(key="start_greedy").click().run()
    until(app, lambda app: bool(app.error))
    assert [error.value for error in app.error] == [APOLOGY]
    app.run()
    assert not app.error
    assert offers(app) == ["start_greedy"]


def test_greedy_reports_what_it_reached(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor,greedy,random")
    if offers(app):
        app.button(key="start_greedy").click().run()
    until(app, lambda app: "GreedyPruning" in set(app.dataframe[0].value["path"]))
    healthy(app)
    row = app.dataframe[0].value.set_index("path").loc["GreedyPruning"]
    assert 0 < row["sparsity reached"] <= 0.9


def test_a_saved_path_comes_back_and_is_compared(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor,random")
    activations = []
    net = small_network()
    for layer in (1, 3, 5):
        activations.append(net.features[: layer + 1](torch.zeros(1, 3, 128, 128)).shape)
    names = ("features.1", "features.3", "features.5")
    said = {"method": "all", "title": "<b>[x](http://evil.example)", "sparsity": ["much"]}  # whatever it says
    path = Path(names, tuple(torch.ones(shape, dtype=torch.bool) for shape in activations), said)
    uploader = next(u for u in app.get("file_uploader") if str(u.key) == "path_file")
    uploader.upload("mine.npz", path_bytes(path, {"model": "scenes-net"}), "application/octet-stream")
    app.run()
    healthy(app)
    assert "Your path" in set(app.dataframe[0].value["path"])
    assert [number_in(value) for value in ("0.5", 1)] == [0.5, 1]
    assert all(math.isnan(number_in(value)) for value in ("much", None, [0.5], {}, 10**400))
    app.button(key="path_remove").click().run()
    assert "Your path" not in set(app.dataframe[0].value["path"])


def test_a_wrong_file_is_refused_in_words(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor,random")
    uploader = next(u for u in app.get("file_uploader") if str(u.key) == "path_file")
    uploader.upload("evil.npz", b"PK not a path", "application/octet-stream")
    for _ in range(2):  # the page goes on by itself, and would wipe it
        app.run()
        assert not app.exception
        assert "not a path saved by PruneAttr" in app.error[0].value
    uploader.clear().run()
    healthy(app)


def test_one_method_alone_is_told_to_take_another(paths_page: Start) -> None:
    app = paths_page(show="agreement", paths="taylor")
    healthy(app)
    assert any("second method" in info.value for info in app.info)
