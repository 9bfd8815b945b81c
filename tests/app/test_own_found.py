"""A file of weights whose architecture the reader does not know, or cannot tell by the file."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from pruneattr_core.models import model_card
from pruneattr_core.ui import own_weights
from pruneattr_core.ui.cache import engine
from tests.app.conftest import Start, box, healthy
from tests.app.test_own_weights import given, opened


@pytest.fixture(autouse=True)
def browser_here(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_weights, "browser_here", lambda: True)


def bytes_of(network: torch.nn.Module) -> bytes:
    return save({key: value.contiguous() for key, value in network.state_dict().items()})


def of_timm(name: str, **options: Any) -> bytes:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    return bytes_of(timm.create_model(name, **options))


def offers(app: AppTest) -> list[str]:
    return [button.key for button in app.button if str(button.key).startswith("own_as_")]


def likely(app: AppTest) -> list[str]:
    return [button.label for button in app.button if str(button.key).startswith("likely_")]


def test_a_file_of_timm_s_is_opened_by_a_click_on_what_it_is() -> None:
    data = of_timm("test_convnext", num_classes=3)
    app = given(opened(), data)
    (said,) = app.error
    assert "It looks like timm/test_convnext: choose that" in said.value.replace("\\", "")
    assert offers(app) == ["own_as_timm/test_convnext"]
    assert app.session_state["model"] == "scenes-net"
    app.button(key="own_as_timm/test_convnext").click().run()
    healthy(app)
    name = f"timm/test_convnext#{hashlib.sha256(data).hexdigest()}"
    assert app.session_state["model"] == name
    assert not offers(app)
    assert app.session_state["own_architecture"] == "timm/test_convnext"
    first = likely(app)
    assert len(first) == 3  # its own classes
    app.session_state["picture"] = 1
    healthy(app.run())
    assert likely(app) != first
    healthy(box(app, "Model").set_value("scenes-net").run())
    healthy(box(app, "Model").set_value(name).run())
    app.session_state["picture"] = 0
    healthy(app.run())
    assert likely(app) == first
    reloaded = opened(model=name)
    healthy(reloaded)
    (warned,) = reloaded.warning
    assert "only the session knows that opened the file" in warned.value


def test_a_refusal_goes_with_the_architecture_that_it_was_of() -> None:
    app = given(opened(), of_timm("test_convnext", num_classes=3))
    refused = app.session_state["own_architecture"]
    assert offers(app) == ["own_as_timm/test_convnext"]
    other = next(one for one in ("cifar-resnet20", "scenes-vgg") if one != refused)
    app.selectbox(key="own_architecture").set_value(other).run()
    healthy(app)
    assert not app.error
    assert not offers(app)


def test_several_that_fit_are_all_offered_and_are_several_networks() -> None:
    data = of_timm("tf_efficientnet_lite0", num_classes=2)
    app = given(opened(), data)
    twins = ["timm/efficientnet_lite0", "timm/tf_efficientnet_lite0"]
    assert offers(app) == [f"own_as_{name}" for name in twins]
    stems: list[str] = []
    for name in twins:
        if stems:
            app.selectbox(key="own_architecture").set_value(name)
        app.button(key="own_open" if stems else f"own_as_{name}").click().run()
        healthy(app)
        assert app.session_state["model"].startswith(f"{name}#")
        assert any("would fit timm/" in one.value.replace("\\", "") for one in app.markdown)
        stems.append(type(engine().brought[app.session_state["model"]].network.conv_stem).__name__)
    assert stems == ["Conv2d", "Conv2dSame"]


def test_a_googlenet_of_ones_own_says_how_its_input_is_taken() -> None:
    from torchvision import models

    torch.manual_seed(0)
    network = models.googlenet(weights=None, num_classes=3, aux_logits=False, init_weights=False)
    data = bytes_of(network)
    app = opened()
    offered = app.selectbox(key="own_architecture").options
    assert "googlenet (trained from scratch)" in offered
    assert "inception_v3 (trained on from IMAGENET1K_V1)" in offered
    assert len(set(offered)) == len(offered)
    plain, trained_on = "torchvision/googlenet", "torchvision/googlenet@IMAGENET1K_V1"
    ids = []
    for name in (plain, trained_on):
        app.selectbox(key="own_architecture").set_value(name)
        if not ids:
            app.file_uploader(key="own_file").set_value(("g.safetensors", data, "application/octet-stream"))
            app.run()
        healthy(app.button(key="own_open").click().run())
        ids.append(app.session_state["model"])
        assert ids[-1] == f"{name}#{hashlib.sha256(data).hexdigest()}"
    titles = [box(app, "Model").format_func(name) for name in ids]
    assert titles[0] != titles[1]
    assert "transform_input=False" in model_card(ids[0]).note
    assert any("transform" in one.value and "IMAGENET1K" in one.value for one in app.markdown)
    for name, scaled in zip([*ids, ids[0]], (False, True, False), strict=True):
        healthy(box(app, "Model").set_value(name).run())
        assert bool(engine().brought[name].network.transform_input) is scaled
        assert any(
            f"({'transform_input)' if scaled else 'transform_input=False)'}" in one.value.replace("\\", "")
            for one in app.markdown
        )
