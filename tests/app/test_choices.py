"""Boxes whose labels depend on data: the browser sends back a label, and may send the last run's."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core.datasets import load_dataset
from pruneattr_core.images import image_hash
from pruneattr_core.models import model_card
from pruneattr_core.ui.asking import PREDICTED
from pruneattr_core.ui.choose import labels_of
from pruneattr_core.ui.shell import FIELDS
from tests.app.conftest import Start, box, healthy, small_network

PAGES = ("1_explore", "2_compare", "3_paths", "6_sanity", "7_removal")


def boxes(app: AppTest) -> dict[str, list[str]]:
    """Identity of a widget -> its labels: one identity with two sets of labels is the fault."""
    kinds = ("selectbox", "multiselect", "button_group", "select_slider")
    found = [element for kind in kinds for element in app.get(kind)]
    return {one.proto.id: [str(option) for option in one.proto.options] for one in found}


@pytest.mark.parametrize("page", PAGES)
def test_no_label_depends_on_a_result_while_its_box_stays(start: Start, page: str) -> None:
    app = start(paths="taylor") if page == "3_paths" else start(gone_methods="none", methods="saliency")
    app.switch_page(f"pages/{page}.py").run()
    healthy(app)
    before = boxes(app)
    app.session_state["picture"] = 4
    after = boxes(app.run())
    app.session_state["source"] = "samples"
    later = boxes(app.run())
    healthy(app)
    for then, now in ((before, after), (after, later)):
        assert {name: now[name] for name in then.keys() & now.keys()} == {
            name: then[name] for name in then.keys() & now.keys()
        }


@pytest.mark.parametrize("page", PAGES[:3])
def test_a_request_from_before_a_box_was_moved_does_not_move_it_back(start: Start, page: str) -> None:
    app = start(methods="saliency", paths="taylor")
    app.switch_page(f"pages/{page}.py").run()
    before = app._tree.get_widget_states()
    app.button(key="likely_2").click().run()
    chosen = app.session_state["target"]
    assert chosen >= 0
    app._run(before)  # sent with a press on something else, while the class was on its way to the browser
    assert app.session_state["target"] == chosen
    box(app, "Class to explain").set_value(-1).run()  # what it held before, chosen again by hand
    assert app.session_state["target"] == -1
    healthy(app)


@pytest.mark.parametrize("value", ["Predicted: heart · 0.98", None, 2.5, 10**6, [1]])
def test_what_the_session_holds_is_checked_on_every_read(start: Start, value: Any) -> None:
    app = start()
    for field in FIELDS:
        app.session_state[field.name] = value
    app.run()
    assert not app.exception
    assert app.metric


def test_equal_names_can_be_told_apart() -> None:
    """ImageNet has two cranes and two maillots."""
    name: Callable[[int], str] = ("crane", "crane", "jay").__getitem__
    assert labels_of(range(3), name) == {0: "crane (1)", 1: "crane (2)", 2: "jay"}


def cranes() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from pruneattr_core.ui.asking import choose_others

    card = SimpleNamespace(id="hub/cranes", classes=("jay", "crane", "crane"))
    choose_others(card, st.session_state["_how"], 0, True)  # type: ignore[arg-type]


@pytest.mark.parametrize(("how", "said"), [("class", "2"), ("mean", "+2")])
def test_the_second_of_two_classes_of_one_name_can_be_named(how: str, said: str) -> None:
    app = AppTest.from_function(cranes)
    app.session_state["_how"], app.session_state["contrast"] = how, ""
    app.run()
    found = (app.selectbox if how == "class" else app.multiselect)[0]
    assert found.options == ["crane (1)", "crane (2)"]
    found.set_value(2 if how == "class" else [2]).run()
    healthy(app)
    assert app.session_state["contrast"] == said


def sliding() -> None:
    import streamlit as st

    from pruneattr_core.ui.choose import slide

    st.session_state.setdefault("far", 1.0)
    slide("How far", (1.0, 2.0, 3.0), "far", str)


def test_a_slider_follows_a_link_or_a_step_back() -> None:
    app = AppTest.from_function(sliding).run()
    for hand, elsewhere in ((2.0, 1.0), (2.0, 3.0), (1.0, 3.0)):
        app.select_slider[0].set_value(hand).run()
        assert app.session_state["far"] == hand
        app.session_state["far"] = elsewhere
        app.run()
        healthy(app)
        assert (app.session_state["far"], app.select_slider[0].value) == (elsewhere, elsewhere)


def test_a_browser_gives_back_the_upload_that_was_asked_for_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pruneattr_core.ui import pictures
    from pruneattr_core.ui.browser_store import take

    kept: dict[str, tuple[str, bytes]] = {}
    monkeypatch.setattr(pictures, "uploads", lambda: kept)
    out = io.BytesIO()
    Image.new("RGB", (9, 8), (9, 99, 200)).save(out, "PNG")
    data = out.getvalue()
    name, text = image_hash(data), base64.b64encode(data).decode()
    for wrong in (
        None,
        {"id": name, "missing": True},
        {"id": "else", "name": "a.png", "data": text},
        {"id": name, "name": "a.png", "data": "no base64"},
        {"id": name, "name": "a.png", "data": "é"},
        {"id": name, "name": "a.png", "data": base64.b64encode(b"no picture").decode()},
    ):
        assert not take(wrong, name)
    assert kept == {}
    assert take({"id": name, "name": "a.png", "data": text}, name)
    assert kept == {name: ("a.png", data)}


def _named(app: AppTest) -> Any:
    return next(one for one in app.selectbox if one.label == "Instead of")


def test_no_class_is_set_against_itself_and_what_was_named_counts_again_later(start: Start) -> None:
    app, card = start(picture="3"), model_card("scenes-net")
    inputs = card.preprocess(load_dataset("scenes")[3].image)
    own = int(small_network()(inputs).argmax())
    app.selectbox(key="_how").select("class").run()
    assert [*_named(app).options] == [name for place, name in enumerate(card.classes) if place != own]
    other = (own + 3) % len(card.classes)
    _named(app).select(other).run()
    before = boxes(app)
    app.session_state["target"] = other  # which the network may as well predict on the next picture
    app.run()
    healthy(app)
    assert _named(app).value is None
    assert any(f"{card.classes[other]} is what is explained here" in one.value for one in app.caption)
    assert _named(app).proto.id not in before  # a box with other labels is another one
    app.session_state["target"] = PREDICTED
    app.run()
    assert _named(app).value == other


def test_a_step_back_to_a_class_by_itself_takes_the_box_along(start: Start) -> None:
    app = start(picture="3", target="2")
    app.selectbox(key="_how").select("class").run()
    assert app.selectbox(key="_how").value == "class"  # no class is named yet
    _named(app).select(4).run()
    assert app.query_params["contrast"] == "4"
    app.session_state["contrast"] = ""  # as a step back in the browser's history sets it
    app.run()
    healthy(app)
    assert app.selectbox(key="_how").value == ""
