"""The app in this process, with a small untrained network in place of the trained one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.components.v2 import manifest_scanner
from streamlit.components.v2.manifest_scanner import scan_component_manifests
from streamlit.testing.v1 import AppTest
from torch import nn

from pruneattr_core import models
from pruneattr_core.datasets import find_data_root, load_dataset
from pruneattr_core.models.cards import ModelCard
from pruneattr_core.scenes import SHAPES

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., AppTest]
Draw = Callable[[Any], None]


class Small(nn.Module):
    """Three convolutions on 128 x 128 pixels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, wider in ((3, 8), (8, 12), (12, 16)):
            layers += [nn.Conv2d(channels, wider, 3, 2, 1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16, len(SHAPES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return logits


def small_network(*_: object, **__: object) -> nn.Module:
    """The same bits every time."""
    torch.manual_seed(5)
    return Small().eval().requires_grad_(False)


@pytest.fixture(scope="session", autouse=True)
def packages_looked_through_once() -> Iterator[None]:
    """Every AppTest asks all installed packages for components: half a second, and always the same answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def data_sets_opened_once() -> Iterator[None]:
    """Every AppTest opens all data sets: some hundred files beside the repository, which stay as they are."""
    from pruneattr_core.ui import pictures

    opened = functools.cache(lambda name, root: load_dataset(name))  # a test may take away the data root
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pictures,
            "load_dataset",
            lambda name: load_dataset(name) if name == pictures.OWN else opened(name, find_data_root()),
        )
        yield


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Opens the app at an address given as keywords; it has run once."""
    from pruneattr_core.ui import cache, method_cards, shell
    from pruneattr_core.ui.explore import page as explore

    st.cache_resource.clear()
    offline = ModelCard.available_offline
    monkeypatch.setattr(cache, "load_model", small_network)
    monkeypatch.setattr(explore, "FIRST_LOOK", 600.0)  # no browser, no clock: the page waits for every level
    monkeypatch.setattr(method_cards, "FIRST_LOOK", 600.0)  # and for every card
    monkeypatch.setattr(models, "load_model", small_network)
    monkeypatch.setattr(shell, "FIRST_MODEL", "scenes-net")
    monkeypatch.setattr(shell, "models_here", lambda: ("scenes-net",))
    monkeypatch.setattr(
        ModelCard,
        "available_offline",
        lambda card: card.id == "scenes-net" or (card.kind != "torchvision" and offline(card)),
    )

    def run(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
        for name, text in query.items():
            app.query_params[name] = text
        return app.run()

    yield run
    st.cache_resource.clear()


@pytest.fixture
def lone_page(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Draw, str], Start]]:
    """Makes what opens one page at an address given as keywords.

    From a script without a folder `pages` beside it: there AppTest runs pages without app.py first, and
    clicks are lost when the frame is put up.
    """
    from pruneattr_core.ui import cache, shell

    def make(draw: Draw, title: str) -> Start:
        def page() -> None:
            draw(shell.require_frame())

        def run(**query: str) -> AppTest:
            app = AppTest.from_string("from pruneattr_core.ui.shell import main; main()", default_timeout=600)
            for name, text in query.items():
                app.query_params[name] = text
            return app.run()

        monkeypatch.setattr(shell, "pages", lambda: [st.Page(page, title=title, default=True)])
        return run

    yield make
    cache.engine().jobs.close()


def healthy(app: AppTest) -> None:
    """Neither an exception nor an error is on the page."""
    assert not app.exception, app.exception[0].stack_trace
    assert not app.error, [error.value for error in app.error]


def until(app: AppTest, ready: Callable[[AppTest], object], seconds: float = 600) -> None:
    """Run again and again, as the page's clock would, until all is there that the test then asserts.

    While somebody computes, a run waits as long as the last one took: it holds up what it waits for.
    """
    from pruneattr_core.ui import cache

    end, took = time.monotonic() + seconds, 0.0
    while not ready(app):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
        jobs, later = cache.engine().jobs, time.monotonic() + min(took, 1.0)
        while time.monotonic() < later and any(not job.finished.is_set() for job in [*jobs.jobs.values()]):
            time.sleep(0.01)
        begun = time.monotonic()
        app.run()
        took = time.monotonic() - begun


def box(app: AppTest, label: str) -> Any:
    """The select box under this label; those of `choose.select` change their key with their options."""
    return next(one for one in app.selectbox if one.label == label)


def drawn(app: AppTest) -> list[Any]:
    """The components that draw a result; not those that mind uploads or the crop."""
    aside = ("_browser_store", "crop")
    return [
        part
        for part in app.get("bidi_component")
        if part.proto.bytes and not any(name in part.proto.id for name in aside)
    ]
