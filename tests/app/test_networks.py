"""The catalogue of networks in the sidebar: searched by words, opened by a click, silent until asked."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.models import hub
from pruneattr_core.registry import lite0_is_here
from pruneattr_core.ui import networks
from tests.app.conftest import Start, healthy


def catalogue(app: AppTest) -> AppTest:
    app.session_state["networks"] = True  # as a click on its button says
    return app.run()


def search(app: AppTest, text: str = "") -> Any:
    app.text_input(key="network_search").set_value(text).run()
    return next(box for box in app.selectbox if box.label.endswith(" found"))


def refusal(app: AppTest) -> str:
    assert not app.exception
    (error,) = app.error
    assert app.session_state["model"] == "scenes-net"  # what was there stays
    return str(error.value)


def test_a_network_is_found_by_words_and_used(start: Start) -> None:
    app = catalogue(start())
    healthy(app)
    found = search(app)
    assert len(found.options) > 1000
    assert found.options[0].startswith("scenes-net · on this machine")
    if lite0_is_here():
        (line,) = search(app, "efficientnetlite0").options
        assert line.startswith("efficientnet-lite0 · on this machine")
        assert line.endswith("4.65 M · 224 px · top-1 75.1 %")
    (line,) = search(app, "TORCHVISION wide_resnet50").options
    assert line == "torchvision/wide_resnet50_2 · resnet · 68.9 M · 224 px · top-1 81.6 %"
    assert any("timm/deit_tiny_patch16_224.fb_in1k" in line for line in search(app, "deit tiny").options)
    for words, why in (
        ("timm/convnext_atto.d2", "timm publishes its results in its repository, its package has none"),
        ("facebook/convnext-tiny-224", "on the network's page on the hub"),
        ("scenes-net", "none on ImageNet-1k has been published"),
    ):
        search(app, words)
        assert any("Accuracy not told: " in one.value and why in one.value for one in app.caption)
    search(app, "torchvision/resnet18")
    assert not any("Accuracy not told" in one.value for one in app.caption)
    assert any("11,689,512 parameters" in caption.value for caption in app.caption)
    app.button(key="network_use").click().run()
    assert not app.error
    assert app.session_state["model"] == "torchvision/resnet18"
    assert app.button(key="fetch").label.startswith("Download")
    assert not any(box.label.endswith(" found") for box in app.selectbox)  # it closes


def test_the_order_is_the_readers(start: Start) -> None:
    app = catalogue(start())
    app.segmented_control(key="network_order").set_value("Most accurate").run()
    shares = [float(line.rsplit("top-1 ", 1)[1].split()[0]) for line in search(app).options[:20]]
    assert shares == sorted(shares, reverse=True)


def test_a_name_that_is_not_listed_opens_or_says_why_not(start: Start) -> None:
    app = catalogue(start())

    def typed(name: str) -> AppTest:
        app.text_input(key="network_search").set_value(name).run()
        return app.button(key="network_use").click().run()

    assert "no image classifier 'resnet5000'" in refusal(typed("torchvision/resnet5000"))
    assert "runs only if it was named when it started" in refusal(typed(f"{__file__}:catalogue"))
    assert "OWNER/NAME, got" in refusal(typed("hf-hub:../../etc"))
    typed(" torchvision/resnet18@IMAGENET1K_V1 ")
    assert not app.error
    assert app.session_state["model"] == "torchvision/resnet18@IMAGENET1K_V1"


def test_a_refusal_is_of_what_it_refused(start: Start) -> None:
    app = catalogue(start())
    app.text_input(key="network_search").set_value("nobody/nothing@").run()
    app.button(key="network_use").click().run()
    assert "nothing" in refusal(app)
    search(app, "resnet")
    assert not app.error
    app.text_input(key="network_search").set_value("nobody/nothing@").run()
    assert "nothing" in refusal(app)


def test_nothing_is_looked_up_before_it_is_opened(start: Start, monkeypatch: Any) -> None:
    def asked() -> None:
        raise AssertionError("the catalogue was read")

    monkeypatch.setattr(networks, "all_networks", asked)
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    healthy(start())


def test_a_link_makes_this_machine_ask_no_other(start: Start, monkeypatch: Any) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hub, "fetched", lambda repo, *_: asked.append(repo))
    app = start(model="hf-hub:someone/network")
    healthy(app)
    assert not asked
    (said,) = app.warning
    assert "`hf-hub:someone/network`, which is not on this machine: open it by its name" in said.value


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("torchvision/googlenet@NOPE", "googlenet has no weights 'NOPE' to classify with"),
        ("torchvision/nope", "torchvision has no image classifier 'nope'"),
    ],
)
def test_a_link_to_what_torchvision_does_not_have_says_what_it_lacks(
    start: Start, asked: str, why: str
) -> None:
    (said,) = start(model=asked).warning
    assert why in said.value.replace("\u2060", "")


@pytest.mark.parametrize("front", ["torchvision/", "torchvision/resnet18@", "timm/", "hf-hub:", ""])
def test_a_link_puts_no_link_or_picture_on_the_page(start: Start, front: str) -> None:
    """A browser asked a stranger's server for the picture."""
    for text in ("![x](http://evil.example/t.png)", "[Log in](https://evil.example/)", "a" * 5000):
        (said,) = start(model=front + text).warning
        assert "](" not in said.value.replace("\\](", "").replace("]\\(", "")
        assert len(said.value) < 600
