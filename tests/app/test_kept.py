"""What sessions leave behind: results within their limit, networks that nobody asks for any more are gone."""

from __future__ import annotations

import gc
import weakref

import pytest
from torch import nn

from pruneattr_core.results.sweeps import Explained
from pruneattr_core.ui import cache
from pruneattr_core.ui.jobs import Cache, Job
from tests.app.conftest import Start, healthy, small_network


def held() -> int:
    """Bytes of all sweeps that live in this process."""
    gc.collect()
    return sum(one.maps.nbytes for one in gc.get_objects() if type(one) is Explained)


def test_fresh_pictures_of_one_session_take_no_more_than_the_cache_may(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, app = held(), start(source="scenes")
    one = held() - before
    assert one > 0
    limit = 3 * one
    monkeypatch.setattr(cache.engine().jobs, "results", Cache(limit, lambda value: int(value.nbytes)))
    for number in range(1, 9):
        app.session_state["picture"] = number
        app.run()
        healthy(app)
    assert held() - before <= limit + 2 * one  # what the page has drawn last, and the first one's


def test_networks_are_freed_when_others_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[nn.Module]] = []

    def load(*_: object, **__: object) -> nn.Module:
        network = small_network()
        made.append(weakref.ref(network))
        return network

    there: list[int] = []
    monkeypatch.setattr(cache, "load_model", load)
    monkeypatch.setattr(cache, "give_back", lambda: there.append(sum(one() is not None for one in made)))
    size = sum(one.numel() * one.element_size() for one in small_network().state_dict().values())
    monkeypatch.setattr(cache, "MODEL_BYTES", 5 * size // 2)
    engine = cache.Engine()
    for depth in (18, 34, 50, 101, 152):
        engine.model(f"torchvision/resnet{depth}", Job("model", lambda job: None))
    assert len(made) == 5
    assert [one() is None for one in made] == [True, True, True, False, False]
    assert there == [1, 2, 2, 2, 2]  # memory goes back to the system when a network has gone, not before
    engine.model("torchvision/resnet152", Job("model", lambda job: None))
    assert len(there) == 5
