"""The live sanity check without a browser: what is sent to be scrubbed, links, failures."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.benchmarks.similarity import MEASURES
from pruneattr_core.results.cascade import Cascade, CascadeKey, randomised
from pruneattr_core.share.framing import header_of
from tests.app.conftest import drawn

Start = Callable[..., AppTest]


def opened(start: Start, **query: str) -> AppTest:
    return start(**query).switch_page("pages/6_sanity.py").run()


def sent(app: AppTest) -> bytes:
    data: bytes = drawn(app)[-1].proto.bytes
    return data


def cascades() -> dict[str, Cascade]:
    from pruneattr_core.ui.cache import engine

    results = engine().jobs.results
    return {key.map.method: results.get(key) for key in results.names() if isinstance(key, CascadeKey)}


def test_every_step_of_every_method_is_sent_at_once(start: Start) -> None:
    app = opened(start)
    assert not app.exception
    assert not app.error
    shown = header_of(sent(app))
    assert shown["complete"]
    assert shown["names"] == ["trained", "head", "features.4", "features.2", "features.0"]
    cards = {card["title"]: card for card in shown["cards"]}
    assert list(cards) == ["PruneGrad", "Gradient (saliency)", "Guided Backprop", "Edge detector"]
    assert cards["Edge detector"]["values"]["ssim"] == [1.0] * 5  # it never asked the network
    assert min(v for v in cards["Gradient (saliency)"]["values"]["spearman_abs"] if v is not None) < 0.9
    assert shown["chance"][0] != shown["chance"][-1]


def test_codes_and_numbers_are_those_of_the_cascade(start: Start) -> None:
    from pruneattr_core.render import scale_map, scale_of

    app = opened(start, sane_methods="saliency")
    data = sent(app)
    (card,), one = header_of(data)["cards"], cascades()["saliency"]
    place = card["blocks"][0]
    offset = 4 + int.from_bytes(data[:4], "little") + place["start"]
    codes = np.frombuffer(zlib.decompress(data[offset : offset + place["length"]]), np.uint8)
    last = np.nan_to_num(one.maps[-1])
    np.testing.assert_array_equal(
        codes.reshape(one.maps.shape)[-1], scale_map(last, scale=scale_of(last, True))
    )
    again = MEASURES["spearman"](one.maps[0].astype(np.float64), one.maps[-1].astype(np.float64))
    assert card["values"]["spearman"][-1] == pytest.approx(again, abs=1e-4)


def test_a_link_restores_step_and_measure(start: Start) -> None:
    app = opened(start, sane_step="2", sane_measure="ssim", sane_methods="saliency,edges", sane_variant="odd")
    assert not app.exception
    begin = header_of(sent(app))["start"]
    assert (begin["at"], begin["measure"]) == (2, "ssim")
    assert any("odd" in warning.value for warning in app.warning)
    before = sent(app)
    of = header_of(before)["of"]
    view = {"at": 3, "measure": "ssim", "range": "all", "when": 1}
    app.session_state["sanity"] = {"view": {"of": "else", **view}}
    app.run()
    assert app.session_state["sane_step"] == 2
    app.session_state["sanity"] = {"view": {"of": of, **view}}
    app.run()
    assert app.session_state["sane_step"] == 3
    assert sent(app) == before


def test_a_method_that_fails_leaves_the_others(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from pruneattr_core.errors import ModelError
    from pruneattr_core.ui.sanity import page as bench_sanity

    def broken(network: Any, inputs: Any, mapped: Any, key: CascadeKey, *more: Any) -> Cascade:
        if key.map.method == "saliency":
            raise ModelError("This network has no such layer.")
        return randomised(network, inputs, mapped, key, *more)

    monkeypatch.setattr(bench_sanity, "randomised", broken)
    app = opened(start, sane_methods="saliency,edges")
    assert not app.exception
    states = {card["title"]: card["state"] for card in header_of(sent(app))["cards"]}
    assert states == {"Gradient (saliency)": "failed", "Edge detector": "ready"}
    assert any(button.label == "Try again" for button in app.button)


def test_a_card_says_that_it_is_the_gradient_where_nothing_that_counts_is_gone(start: Start) -> None:
    for sparsity, said in (("0", "at first the same map as PruneGrad"), ("0.9", "")):
        app = opened(start, sane_methods="prunegrad,saliency", sane_dial="all", sane_sparsity=sparsity)
        assert [card.get("same", "") for card in header_of(sent(app))["cards"]] == ["", said]


def test_a_slider_that_waits_has_room_for_the_step_of_a_link() -> None:
    from pruneattr_core.ui.sanity.payload import payload_of

    start = {"token": 0, "at": 5, "measure": "ssim", "range": "all"}
    header = header_of(payload_of([], np.zeros((8, 8, 3), np.uint8), "cat", ("original",), "of", start))
    assert header["points"] == list(range(6))
    assert len(header["names"]) == len(header["chance"]) == 6


def test_what_is_to_come_is_told_from_a_map_of_zeros() -> None:
    from pruneattr_core.ui.method_cards import Card
    from pruneattr_core.ui.sanity.payload import payload_of

    maps = np.full((4, 8, 8), np.nan, np.float32)
    maps[:3] = np.arange(64).reshape(8, 8)
    maps[2] = 0  # a map of zeros is an answer
    unknown = np.full(4, np.nan)
    part = Cascade(("original", "c", "b", "a"), maps, np.tile(unknown, (3, 1)), unknown, False, 3)
    start = {"token": 0, "at": 0, "measure": "ssim", "range": "all"}
    data = payload_of([Card("One", "computing", result=part)], np.zeros((8, 8, 3), np.uint8), "cat",
                      part.steps, "of", start)  # fmt: skip
    (card,) = header_of(data)["cards"]
    assert (card["state"], card["there"]) == ("ready", 3)
    assert [bool(note) for note in card["notes"]] == [False, False, True, False]
