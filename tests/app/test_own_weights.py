"""Weights of the reader in the sidebar: opened safely, kept in the session, named by content."""

from __future__ import annotations

import gc
import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from pruneattr_core.errors import ModelError, Unknown, WeightsError
from pruneattr_core.models.catalogue import BUILDERS
from pruneattr_core.models.declared import SETTINGS
from pruneattr_core.models.loading import load_model, model_card, models_here
from pruneattr_core.ui import own_weights, shell
from pruneattr_core.ui.cache import Brought, Engine, engine
from pruneattr_core.ui.jobs import Job
from tests.app.conftest import ROOT, Start, box, drawn, healthy

NET = "cifar-resnet20"


@pytest.fixture(autouse=True)
def browser_here(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_weights, "browser_here", lambda: True)


def weights(seed: int = 0, model: str = NET) -> bytes:
    torch.manual_seed(seed)
    return save({key: value.contiguous() for key, value in BUILDERS[model]().state_dict().items()})


def named(data: bytes) -> str:
    return f"{NET}#{hashlib.sha256(data).hexdigest()}"


def opened(page: str = "6_sanity", **query: str) -> AppTest:
    """A page of few passes."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    app.query_params.update({"sane_methods": "edges", "source": "scenes", **query})
    app.switch_page(f"pages/{page}.py").run()
    app.session_state["own_weights"] = True  # as unfolding it says
    return app.run()  # the page as app.py draws it; a click before would be lost


def given(
    app: AppTest, data: bytes | None = None, path: str = "", title: str = "mine.safetensors"
) -> AppTest:
    app.selectbox(key="own_architecture").set_value(NET)
    if data is not None:
        app.file_uploader(key="own_file").set_value((title, data, "application/octet-stream"))
    app.text_input(key="own_path").set_value(path).run()
    return app.button(key="own_open").click().run()


def refusal(app: AppTest) -> str:
    assert not app.exception
    (error,) = app.error
    assert app.session_state["model"] == "scenes-net"  # what was there stays
    return str(error.value)


def test_an_upload_becomes_the_model_of_every_page() -> None:
    data = weights()
    app = given(opened(), data)
    healthy(app)
    assert app.session_state["model"] == named(data)
    assert app.query_params["model"] in (named(data), [named(data)])
    assert "Own weights" in box(app, "Model").format_func(named(data))
    for page in ("7_removal", "1_explore"):
        app.switch_page(f"pages/{page}.py").run()
        healthy(app)
        assert drawn(app)
    network, _ = engine().model(named(data), Job("key", lambda job: None))
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == {
        key: tuple(value.shape) for key, value in BUILDERS[NET]().state_dict().items()
    }
    box(app, "Model").set_value("scenes-net").run()
    healthy(app)
    box(app, "Model").set_value(named(data)).run()  # still in the list
    healthy(app)


def test_a_path_of_this_machine_opens_larger_files(tmp_path: Path) -> None:
    data = weights(1)
    (tmp_path / "one.safetensors").write_bytes(data)
    app = given(opened(), path=f" {tmp_path / 'one.safetensors'} ")
    healthy(app)
    assert app.session_state["model"] == named(data)
    assert "one.safetensors" not in "".join(map(str, app.query_params.values()))


def test_what_training_scripts_call_their_files_is_taken_with_the_names_of_its_classes() -> None:
    names = "\n".join(f"kind {i}" for i in range(10)).encode()
    app = opened()
    app.file_uploader(key="own_classes").set_value(("names.txt", names, "text/plain"))
    data = weights(2)
    app = given(app, data, title="last.ckpt")
    healthy(app)
    called = f"{named(data)}.{hashlib.sha256(names).hexdigest()[:8]}"
    assert app.session_state["model"] == app.query_params["model"] == called
    assert model_card(called).classes[3] == "kind 3"
    assert model_card(called).weights_sha256 == hashlib.sha256(data).hexdigest()
    other = given(opened(), data)  # somebody else, with the same file
    assert other.session_state["model"] == named(data)
    assert "kind 3" not in model_card(named(data)).classes
    app.file_uploader(key="own_classes").set_value(("names.txt", b"one\n", "text/plain"))
    app = app.button(key="own_open").click().run()
    assert "1 entries, but the network tells 10 classes apart" in app.error[0].value
    assert {"ckpt", "tar", "pth"} <= {one.strip(".") for one in app.file_uploader(key="own_file").proto.type}


def test_a_network_of_the_hub_that_is_not_here_takes_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    for model, offered in (("timm/resnet18d", True), ("timm/resnet18d#abc", True), ("scenes-net", False)):
        monkeypatch.setattr(own_weights.st, "session_state", {"model": model})
        assert ("timm/resnet18d" in own_weights.architectures()) == offered
    monkeypatch.setattr(own_weights.st, "session_state", {"model": "hf-hub:someone/unknown"})
    assert "hf-hub:someone/unknown" not in own_weights.architectures()  # the hub is not asked for a list


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"no weights at all", "damaged or no weights file"),
        (weights(0, "cifar-resnet32"), "does not fit CifarResNet"),
        (weights()[:5000], "damaged or no weights file"),
    ],
    ids=["empty", "text", "wrong shapes", "cut off"],
)
def test_what_is_no_such_network_is_one_sentence(data: bytes, words: str) -> None:
    assert words in refusal(given(opened(), data))


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("net (2), best.pt", "net (2), best.pt"),
        ("Größe 熊.pt", "Größe 熊.pt"),
        ("../../net\n.pt", ".._.._net_.pt"),
        ("..", "_.."),
        ("", "_"),
        ("x" * 300 + ".pt", "x" * 57 + ".pt"),
    ],
)
def test_a_refusal_names_an_uploaded_file_as_its_owner_does(title: str, told: str) -> None:
    """'_net.pt' was said of net.pt, and '_my_net__2_.pt' of 'my net (2).pt'."""
    with pytest.raises(WeightsError, match=re.escape(f"The weights file {told!r} is empty")):
        own_weights.bring_upload(NET, title, b"")


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    data = pickle.dumps({"conv1.weight": Trap(tmp_path / "sprung")})
    assert "could run code" in refusal(given(opened(), data, title="../../trap.pt"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("path", ["/no/such.safetensors", "/tmp", "x" * 5000, "~nobody-here/x.pt", "\x00"])
def test_a_path_without_a_file_is_one_sentence(path: str) -> None:
    assert "check the path" in refusal(given(opened(), path=path))


def test_a_browser_elsewhere_may_upload_but_names_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_weights, "browser_here", lambda: False)
    app = opened()
    assert not [one for one in app.text_input if one.key == "own_path"]
    assert app.file_uploader(key="own_file").label == "Weights file"


def test_a_link_to_them_says_where_they_are() -> None:
    data = weights(2)
    mine = given(opened(), data)
    healthy(mine)
    other = opened(model=named(data))  # while the network is in this very process
    healthy(other)
    (said,) = [warning.value for warning in other.warning]
    assert f"CifarResNet-20 with weights {named(data)[15:27]}" in said
    assert "only the session knows that opened the file" in said
    assert other.session_state["model"] == "scenes-net"
    assert "model" not in other.query_params  # the default, and no trace of the other
    again = given(other, data)
    healthy(again)
    assert again.session_state["model"] == named(data)


def test_code_that_fails_takes_no_page_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def build():\n    raise RuntimeError('no GPU here')\n")
    (tmp_path / "pruneattr.toml").write_text('[models.mine]\nbuild = "mine.py:build"\n')
    monkeypatch.setenv(SETTINGS, str(tmp_path / "pruneattr.toml"))
    monkeypatch.setattr(shell, "models_here", models_here)
    app = start()
    healthy(app)
    assert "own/mine" in box(app, "Model").options
    for broken in (box(app, "Model").set_value("own/mine").run(), start(model="own/mine")):
        assert not broken.exception
        (error,) = broken.error
        assert "build failed (RuntimeError: no GPU here)" in error.value
        healthy(box(broken, "Model").set_value("scenes-net").run())
    other = start(model="own/none")
    healthy(other)
    assert any("names no model" in one.value for one in other.warning)


def test_content_not_names_tells_networks_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(own_weights, "brought", lambda: kept)
    ids = [own_weights.bring_upload(NET, "same.pt", weights(seed)) for seed in (3, 4, 5, 5)]
    assert len(set(ids)) == 3
    assert list(kept) == ids[1:3]  # the oldest went
    other: dict[str, Any] = {}
    monkeypatch.setattr(own_weights, "brought", lambda: other)
    assert own_weights.bring_upload(NET, "x.pt", weights(5)) == ids[2]
    assert other[ids[2]] is kept[ids[2]]  # one network in memory for one content
    with pytest.raises(Unknown):
        own_weights.known(ids[1])
    with pytest.raises(ModelError):
        own_weights.known(f"{NET}#../../etc")


def test_code_taken_away_asks_for_the_file(tmp_path: Path) -> None:
    data = weights(6)
    code = own_weights.loading_code(named(data), "cpu")
    (tmp_path / "mine.pt").write_bytes(data)
    network = eval(code.replace("your file", str(tmp_path / "mine.pt")), {"load_model": load_model})
    assert not network.training
    assert own_weights.loading_code("scenes-net", "cuda") == "load_model('scenes-net', device='cuda')"


def test_a_network_leaves_with_its_last_session() -> None:
    one, name = Engine(), f"{NET}#{'0' * 64}"
    held = one.brought[name] = Brought(BUILDERS[NET](), "hash")
    assert one.model(name, Job("key", lambda job: None)) == (held.network, "hash")
    del held
    gc.collect()
    assert name not in one.brought
