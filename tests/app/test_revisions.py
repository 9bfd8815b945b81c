"""A branch or tag of a repository of the hub, chosen, left, taken up again and linked to."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.models import load_model
from pruneattr_core.models.loading import models_here
from pruneattr_core.ui import cache, shell
from tests.app.conftest import Start, box, healthy
from tests.revisions import COMMITS, published

NAME = "hf-hub:someone/tiny"


@pytest.fixture
def revisions(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """The app where three states of one repository are on this machine."""
    pytest.importorskip("timm", reason="timm is not installed")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.setattr(cache, "load_model", load_model)
    monkeypatch.setattr(shell, "models_here", models_here)
    published(tmp_path / "hub")
    return start


def typed(app: AppTest, name: str) -> AppTest:
    app.session_state["networks"] = True  # as a click on its button says
    app.run()
    app.text_input(key="network_search").set_value(name).run()
    return app.button(key="network_use").click().run()


def likely(app: AppTest) -> set[str]:
    return {button.label.split(" ·")[0] for button in app.button if str(button.key).startswith("likely_")}


def numbers(app: AppTest) -> list[str]:
    return sorted(button.label for button in app.button if str(button.key).startswith("likely_"))


def python(app: AppTest) -> str:
    return next(code.value for code in app.code if "load_model(" in code.value)


def test_a_revision_is_a_network_of_every_view(revisions: Start) -> None:
    app = typed(revisions(source="samples"), "https://huggingface.co/someone/tiny/tree/v2")
    healthy(app)
    assert app.session_state["model"] == f"{NAME}@v2"
    assert app.query_params["model"] in (f"{NAME}@v2", [f"{NAME}@v2"])
    assert "second" in likely(app)
    assert any(COMMITS[1][:12] in one.value for one in app.markdown)
    assert f"load_model('{NAME}@v2'" in python(app)
    assert f"model_card('{NAME}@v2')" in python(app)
    first = numbers(app)
    app.session_state["picture"] = 1
    healthy(app.run())
    other = numbers(app)
    assert other != first
    healthy(box(app, "Model").set_value("scenes-net").run())
    healthy(typed(app, NAME))  # the words fit the other states alone as well
    assert app.session_state["model"] == NAME
    assert "first" in likely(app)
    healthy(box(app, "Model").set_value(f"{NAME}@v2").run())
    app.session_state["source"], app.session_state["picture"] = "samples", 1
    healthy(app.run())
    assert numbers(app) == other
    reloaded = revisions(model=f"{NAME}@v2", source="samples", picture="1")
    healthy(reloaded)
    assert numbers(reloaded) == other
    assert not reloaded.warning


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("v9", "is not on this machine: open it by its name under All networks"),
        ("../../x", "Expected a branch, tag or commit after hf-hub:someone/tiny@, got '../../x'"),
        ("", "Expected a branch, tag or commit"),
    ],
)
def test_a_link_to_no_revision_is_one_sentence(revision: str, says: str, revisions: Start) -> None:
    app = revisions(model=f"{NAME}@{revision}")
    healthy(app)
    (said,) = app.warning
    assert says in said.value.replace("\\", "").replace("\u2060", "")
    assert app.session_state["model"] == "scenes-net"


def test_what_is_typed_and_no_revision_is_one_sentence(revisions: Start) -> None:
    app = revisions()
    for name, says in (
        (f"{NAME}@a b", "Expected a branch, tag or commit after hf-hub:someone/tiny@, got 'a b'"),
        ("someone/other@", "got ''"),
        (f"{NAME}@v9", "config.json of someone/tiny@v9 is not on this machine and the hub cannot be reached"),
    ):
        typed(app, name)
        assert not app.exception
        (error,) = app.error
        assert says in error.value.replace("\\", "").replace("\u2060", "")
        assert app.session_state["model"] == "scenes-net"
