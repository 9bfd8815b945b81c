"""Boxes whose labels depend on data: the browser sends back a label, and may send the last run's."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core.images import image_hash
from pruneattr_core.ui.choose import labels_of
from pruneattr_core.ui.shell import FIELDS
from tests.app.conftest import Start, healthy

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
    assert labels_of(range(3), name) == {0: "crane (0)", 1: "crane (1)", 2: "jay"}


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
