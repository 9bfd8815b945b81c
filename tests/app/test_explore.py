"""The threshold explorer without a browser: every choice, bad addresses, hostile uploads, exports."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core import PruneGrad, difference, wrong_class_control
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import RUNNER_UP
from pruneattr_core.results.nearest import nearest
from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.html import one_file
from pruneattr_core.share.payload import COLLAPSES
from pruneattr_core.ui.explore.page import CONTRIBUTIONS, MODES
from pruneattr_core.ui.explore.wrong import LEVELS
from pruneattr_core.ui.look import CLIPS, SIGNS
from tests.app.conftest import drawn, small_network, until

Start = Callable[..., AppTest]


def header(app: AppTest) -> dict[str, Any]:
    return header_of(drawn(app)[-1].proto.bytes)


def healthy(app: AppTest) -> None:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]


def download(app: AppTest, key: str) -> str:
    return next(
        button.proto.url for button in app.get("download_button") if button.proto.id.endswith(f"-{key}")
    )


def test_opens_with_a_map_before_any_click(start: Start) -> None:
    app = start()
    healthy(app)
    found = header(app)
    assert len(found["levels"]) >= 24
    assert found["levels"][0]["sparsity"] == 0
    assert found["levels"][-1]["sparsity"] == pytest.approx(0.999, abs=2e-3)
    assert {"0", "80 %", "90 %", "95 %", "99 %"} <= {mark["label"] for mark in found["marks"]}
    plain = [mark["label"] for mark in found["marks"] if found["levels"][mark["level"]]["plain"]]
    assert set(plain) <= {"0", "silent only"}  # no preset lands on the plain gradient unawares
    assert found["signed"]
    assert found["width"] == 128
    assert app.metric[0].label == "Neurons left"
    assert app.query_params == {}  # defaults make no address, and so no entry in the browser's history


def test_each_level_has_a_place_of_its_own_in_the_address(start: Start) -> None:
    levels = header(start())["levels"]
    shares = [level["contributing"] for level in levels]
    assert levels[1]["plain"]  # only the silent neurons are gone: the press of a walker landed on level 0
    told = [float(f"{share:.4g}") for share in shares]
    assert [nearest(shares, share) for share in told] == list(range(len(levels)))


def test_every_choice_draws(start: Start) -> None:
    app = start()
    seen = {header(app)["id"]}
    choices = (
        [("mode", m) for m in MODES] + [("collapse", c) for c in COLLAPSES] + [("sign", s) for s in SIGNS]
    )
    choices += [("clip", c) for c in CLIPS] + [("scale", s) for s in ("shared", "own")]
    choices += [("contribution", c) for c in CONTRIBUTIONS]
    for key, value in choices:
        app.session_state[key] = value
        app.run()
        healthy(app)
        found = header(app)
        seen.add(found["id"])
        assert found["planes"] == (3 if app.session_state["collapse"] == "channels" else 1)
        assert found["signed"] == (
            app.session_state["sign"] == "signed" and app.session_state["collapse"] != "abs_sum"
        )
        assert len(found["lut"]) == 768
    assert len(seen) >= 10


def test_freeze_says_whose_curve_it_is(start: Start) -> None:
    app = start(mode="freeze")
    healthy(app)
    assert "mode zero" in header(app)["note"]
    assert any("mode zero" in metric.label for metric in app.metric)
    zero = start(mode="zero")
    assert [level["change"] for level in header(zero)["levels"]] == pytest.approx(
        [level["change"] for level in header(app)["levels"]], abs=1e-5
    )


def test_level_comes_back_from_the_component_and_goes_into_the_address(start: Start) -> None:
    app = start()
    before = header(app)
    wanted = before["levels"][3]["contributing"]
    let_go(app, before["of"], wanted)
    healthy(app)
    assert header(app)["id"] == before["id"]  # nothing is sent again
    assert float(app.query_params["at"]) == pytest.approx(wanted, abs=1e-4)


def let_go(app: AppTest, of: str, share: object, when: float = 1.0) -> None:
    """What the scrubber says when the hand lets go."""
    app.session_state["scrub"] = {"at": {"of": of, "dial": "contributing", "share": share, "when": when}}
    app.run().run()


@pytest.mark.parametrize("nonsense", [None, "0.5", 7, float("nan"), [0.5]])
def test_answers_to_another_payload_and_nonsense_are_dropped(start: Start, nonsense: object) -> None:
    app = start()
    before = header(app)
    let_go(app, "another payload", before["levels"][3]["contributing"])
    assert app.session_state["at"] == 0.8
    let_go(app, before["of"], nonsense)
    healthy(app)
    assert app.session_state["at"] in (0.8, 0.5)


def test_numbers_are_those_of_the_picture_on_screen(start: Start) -> None:
    """An index that belongs to the former sweep must not choose among the levels of the next."""
    app = start()
    let_go(app, header(app)["of"], header(app)["levels"][-3]["contributing"])
    last = app.session_state["at"]
    for name, choice in (("picture", 3), ("target", 2), ("picture", 5)):
        app.session_state[name] = choice
        app.run()
        healthy(app)
        shown = header(app)
        assert shown["start"]["share"] == pytest.approx(last, abs=1e-5)
        level = shown["levels"][nearest([one["contributing"] for one in shown["levels"]], last)]
        left = round(shown["neurons"] * (1 - level["sparsity"]))
        assert app.metric[0].value == f"{left:,}"


def test_an_allowed_change_is_kept_and_finds_its_level_in_every_sweep(start: Start) -> None:
    """The address says what is allowed, not where that was in the sweep of another picture."""
    app = start(dial="change", at="0.25")
    for picture in (0, 3, 5):
        app.session_state["picture"] = picture
        app.run()
        healthy(app)
        shown = header(app)
        assert shown["start"] | {"token": 0} == {"token": 0, "dial": "change", "share": 0.25}
        above = [one for one in shown["levels"] if one["change"] > 0.25] or shown["levels"][-1:]
        left = round(shown["neurons"] * (1 - above[0]["sparsity"]))
        assert app.metric[0].value == f"{left:,}"
    assert (app.query_params["dial"], app.query_params["at"]) == ("change", "0.25")


def test_address_restores_the_view(start: Start) -> None:
    app = start(picture="7", target="2", mode="freeze", at="0.95", collapse="abs_sum")
    healthy(app)
    found = header(app)
    assert found["mode"] == "freeze"
    assert found["target"] == 2
    assert (found["start"]["dial"], found["start"]["share"]) == ("all", 0.95)
    assert app.query_params["picture"] == "7"


def test_a_class_can_be_explained_instead_of_the_runner_up(start: Start) -> None:
    app = start(picture="3", target="2")
    alone = header(app)
    app.selectbox(key="_how").select(RUNNER_UP).run()
    healthy(app)
    found, card = header(app), model_card("scenes-net")
    with torch.no_grad():
        logits = small_network()(card.preprocess(load_dataset("scenes")[3].image))[0]
    other = int(torch.cat([logits[:2], torch.tensor([-torch.inf]), logits[3:]]).argmax())
    lead = next(one for one in app.metric if one.label == f"Lead over {card.classes[other]}")
    level = nearest([one["contributing"] for one in found["levels"]], 0.8)
    kept = PruneGrad(small_network()).sweep(
        card.preprocess(load_dataset("scenes")[3].image),
        difference(2, other),
        [found["levels"][level]["sparsity"]],
    )
    assert float(lead.value.replace("\N{MINUS SIGN}", "-")) == pytest.approx(float(kept.logit), abs=0.006)
    assert found["unit"].startswith("difference of two logits")
    assert f"{card.classes[2]} instead of {card.classes[other]}" in found["note"]
    assert found["id"] != alone["id"]
    assert app.query_params["contrast"] == "runner-up"
    app.switch_page("pages/7_removal.py").run()
    assert any("explains the class by itself" in caption.value for caption in app.caption)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model", "../../etc/passwd"),
        ("model", "cifar-resnet20"),
        ("source", "<script>"),
        ("picture", "-3"),
        ("picture", "99999999"),
        ("picture", "4000"),
        ("picture", "nan"),
        ("target", "123456"),
        ("target", "-7"),
        ("contrast", "me"),
        ("target", "cat"),
        ("mode", "one"),
        ("contribution", "' OR 1=1"),
        ("collapse", "\u202e"),
        ("clip", "1e400"),
        ("at", "nan"),
        ("at", "2"),
        ("colours", "jet"),
        ("scale", "x" * 5000),
        ("upload", "zzz"),
    ],
)
def test_nonsense_in_the_address_gets_one_sentence(start: Start, name: str, text: str) -> None:
    app = start(**{name: text})
    healthy(app)
    said = ("not available here", "comes without weights")
    assert [one.value for one in app.warning if any(text in one.value for text in said)], app.warning
    assert all(len(warning.value) < 200 and "<" not in warning.value for warning in app.warning)
    assert header(app)["levels"]


def test_unknown_upload_asks_for_the_file(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(source="upload", upload="ab" * 32)
    assert not app.exception
    assert any("in this browser" in caption.value for caption in app.caption)  # it is asked first
    from pruneattr_core.ui import browser_store

    monkeypatch.setattr(browser_store, "ask_browser", lambda _: False)  # it has said no
    app = start(source="upload", upload="ab" * 32)
    assert "upload the same file again" in app.error[0].value


def png(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 90).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00 not a picture", "not a picture"),
        (png()[:60], "damaged"),
        (png((4000, 7)), "shape"),
        (b"\x80\x04\x95pickle", "not a picture"),
    ],
)
def test_hostile_uploads_get_one_sentence(start: Start, data: bytes, words: str) -> None:
    app = start()
    before = header(app)
    app.file_uploader(key="uploader").upload("cat.png", data, "image/png").run()
    assert not app.exception
    assert words in app.error[0].value
    assert header(app)["id"] == before["id"]


def test_upload_is_explained_and_named_by_its_hash(start: Start) -> None:
    app = start()
    app.file_uploader(key="uploader").upload("mine.png", png((64, 50)), "image/png").run()
    healthy(app)
    assert app.query_params["source"] == "upload"
    assert len(app.query_params["upload"]) == 64
    assert "mine.png" in header(app)["picture"]


@pytest.mark.parametrize("kind", ["json", "html"])
def test_saved_view_comes_back_from_its_file(start: Start, kind: str) -> None:
    app = start(picture="3", mode="freeze", at="0.95", target="4")
    saved = json.loads(settings(app))
    fresh = start()
    assert header(fresh)["target"] != 4 or header(fresh)["mode"] != "freeze"
    text = json.dumps(saved) if kind == "json" else one_file(SCRUBBER, b"", "A view", saved)
    fresh.file_uploader(key="uploader").upload(f"view.{kind}", text.encode(), "text/plain").run()
    healthy(fresh)
    found = header(fresh)
    assert (found["mode"], found["target"]) == ("freeze", 4)
    assert found["start"]["dial"] == "all"
    assert found["start"]["share"] == pytest.approx(saved["sparsity"], abs=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[1]",
        b'{"format": "pruneattr-view-1", "view": {"at": 3}}',
        b"[" * 100_000,
        b"<!doctype html><p>of somebody else</p>",
        b'<script type="application/json" id="pruneattr-settings">[1]</script>',
        b"<\xff\xfe",
    ],
)
def test_foreign_json_is_refused(start: Start, data: bytes) -> None:
    app = start()
    app.file_uploader(key="uploader").upload("view.json", data, "application/json").run()
    assert not app.exception
    assert "PruneAttr" in app.error[0].value or "JSON" in app.error[0].value


def settings(app: AppTest) -> str:
    """The JSON on offer."""
    from pruneattr_core.ui import exports

    made: list[dict[str, Any]] = []
    original = exports.record
    try:
        exports.record = lambda *args: made.append(original(*args)) or made[-1]  # type: ignore[assignment,func-returns-value]
        app.run()
    finally:
        exports.record = original
    return json.dumps(made[-1])


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"mode": "freeze", "collapse": "channels", "at": "0.97"},
        {"collapse": "abs_sum", "sign": "absolute", "target": "1", "picture": "5"},
        {"target": "3", "contrast": "runner-up"},
    ],
)
def test_python_for_this_view_gives_the_identical_array(start: Start, query: dict[str, str]) -> None:
    from pruneattr_core.ui import exports

    arrays: list[bytes] = []
    original = exports.python_code
    app = start()

    def spy(question: Any, sweep: Any, look: Any, picture: Any, level: int) -> str:
        arrays.append(exports.arrays_npz(sweep, look, np.zeros((1, 1, 3), np.uint8), level, {}))
        return original(question, sweep, look, picture, level)

    try:
        exports.python_code = spy
        app = start(**query)
    finally:
        exports.python_code = original
    healthy(app)
    code = next(shown.value for shown in app.code if "PruneGrad(" in shown.value)
    assert len(code.strip().splitlines()) <= 15
    space: dict[str, Any] = {}
    exec(code, space)
    with np.load(io.BytesIO(arrays[-1]), allow_pickle=False) as saved:
        assert np.array_equal(saved["attribution"], space["attribution"][0].numpy())
        assert np.array_equal(np.squeeze(saved["map"]), np.squeeze(space["values"]))


def test_model_that_is_not_here_offers_its_download(start: Start) -> None:
    app = start(model="torchvision/resnet18")
    assert not app.exception
    assert "not on this machine" in app.info[0].value
    assert app.button(key="fetch").label.startswith("Download")


def test_unknown_failure_is_an_apology(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from pruneattr_core.ui import cache

    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(cache, "explain_levels", fail)
    app = start()
    assert not app.exception
    assert "Sorry" in app.error[0].value
    assert "secret" not in app.error[0].value


@pytest.mark.parametrize("contrast", ["", RUNNER_UP])
def test_the_wrong_class_control_is_off_until_asked_and_is_right(start: Start, contrast: str) -> None:
    app = start(picture="3", **({"contrast": contrast} if contrast else {}))
    assert not app.get("plotly_chart")
    app.toggle(key="_wrong").set_value(True).run()
    until(app, lambda app: bool(app.get("plotly_chart")))
    healthy(app)
    assert app.query_params["wrong"] == "yes"
    card = model_card("scenes-net")
    inputs = card.preprocess(load_dataset("scenes")[3].image)
    count = len(card.classes)
    found = wrong_class_control(small_network(), inputs, (2, count), LEVELS, instead=bool(contrast))
    assert " ".join(found.words(card.classes)) in [caption.value for caption in app.caption]
    lines = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    assert [line["name"].partition(", ")[2] for line in lines] == [
        "explained",
        "the runner-up",
        f"the last of {count}",
    ]
    app.toggle(key="_wrong").set_value(False).run()
    assert not app.get("plotly_chart")
