"""Uploads: the part a network sees is drawn and moved, errors stand at the top, nothing is decoded twice."""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core.datasets import folder
from pruneattr_core.datasets import folder as folder_module
from pruneattr_core.datasets.opening import OWN_FOLDER
from pruneattr_core.images import decode_image
from pruneattr_core.models import model_card
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui import pictures, state
from pruneattr_core.ui.crop import PLACES, box_within, cropped, seen_box
from pruneattr_core.ui.pictures import Picture
from tests.app.conftest import ROOT, healthy

Start = Callable[..., AppTest]
CARD = model_card("torchvision/resnet18")


def ramp(width: int, height: int) -> Image.Image:
    """Red rises to the right, green to the bottom."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("size", [(800, 200), (200, 800), (300, 200)])
@pytest.mark.parametrize("place", [place for place in PLACES if place != "whole"])
def test_the_line_stands_where_the_network_looks(size: tuple[int, int], place: str) -> None:
    image = ramp(*size)
    whole = Picture("upload", "", "", image, "0" * 64, None, "image")
    part = cropped(whole, place)
    left, top, right, bottom = (255 * share for share in box_within(whole, place, part, CARD))
    seen = CARD.display(part.image).astype(float)
    assert seen[:, 0, 0].mean() == pytest.approx(left, abs=3)
    assert seen[:, -1, 0].mean() == pytest.approx(right, abs=3)
    assert seen[0, :, 1].mean() == pytest.approx(top, abs=3)
    assert seen[-1, :, 1].mean() == pytest.approx(bottom, abs=3)
    assert (part is whole) == (place == "50")
    again = eval(part.code, {"image": image})
    assert again.tobytes() == part.image.tobytes()


@pytest.mark.parametrize("size", [(4000, 200), (200, 4000), (90, 30)])
def test_padding_shows_all_of_it(size: tuple[int, int]) -> None:
    image = ramp(*size)
    part = cropped(Picture("upload", "", "", image, "0" * 64, None, "image"), "whole")
    assert part.image.width == part.image.height <= 1600
    pixels = np.asarray(part.image).astype(int)
    lines = pixels.reshape(-1, 3) if size[0] < size[1] else pixels.transpose(1, 0, 2).reshape(-1, 3)
    assert lines[lines[:, 1] > 5][:, 0].max() >= 250  # the far end is there
    assert eval(part.code, {"image": image}).tobytes() == part.image.tobytes()
    assert seen_box(part.image, CARD) == pytest.approx((0.0625, 0.0625, 0.9375, 0.9375))


def given(app: AppTest, name: str, data: bytes) -> AppTest:
    return app.file_uploader(key="uploader").set_value((name, data, "image/png")).run()


def test_an_upload_is_decoded_once_and_said_where_it_is_cut(start: Start, monkeypatch) -> None:
    decoded = []
    monkeypatch.setattr(pictures, "decode_image", lambda *a: decoded.append(1) or decode_image(*a))
    app = given(start(), "wide![x](http://a.b).png", png(ramp(400, 100)))
    healthy(app)
    key = app.session_state["upload"]
    first = app.image[0].proto.imgs[0]
    assert "what the network sees" in first.caption
    assert first.caption.startswith(markdown_text("wide![x](http://a.b).png"))
    app.select_slider(key="crop").set_value("100").run()
    healthy(app)
    assert app.session_state["upload"] == key
    assert app.image[0].proto.imgs[0].url != first.url
    app.run()
    assert len(decoded) == 1
    assert app.query_params["crop"] in ("100", ["100"])


def test_a_tiny_one_is_warned_of_and_a_bad_one_named_twice_until_the_next(start: Start) -> None:
    app = given(start(), "dot.png", png(Image.new("RGB", (1, 1))))
    healthy(app)
    assert any("1 x 1 pixels" in warning.value for warning in app.warning)
    app = given(app, "none.png", b"nothing")
    assert not app.exception
    assert len([error for error in app.error if "not a picture" in error.value]) == 2  # top and box
    app = given(app, "good.png", png(ramp(90, 90)))
    healthy(app)


def test_every_page_says_what_a_folder_leaves_out_and_one_bad_file_takes_no_other_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask of another size, and a picture cut short, beside the picture that is looked at."""
    for name, size in (("cat/a.png", 40), ("cat/b.png", 40), ("masks/cat/b.png", 12), ("loose.png", 40)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        ramp(size, size).convert("L").save(tmp_path / name)
    (tmp_path / "cat" / "c.png").write_bytes(png(ramp(200, 200))[:400])
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))
    app = start(source="folder", picture="1")
    for page in ("pages/1_explore.py", "pages/2_compare.py", "pages/7_removal.py"):
        app.switch_page(page).run()
        healthy(app)
        assert not app.error
        said = " ".join(caption.value for caption in app.sidebar.caption)
        assert "2 files were left out" in said
        assert "12 x 12 instead of 40 x 40" in said
    assert pictures.titles("folder", 3) == ("cat/a.png", "cat/b.png", "cat/c.png")


@pytest.mark.parametrize("broken", ["labels", "empty", "refused"])
def test_a_folder_that_cannot_be_opened_takes_no_other_pictures_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The app stood without a picture on every page."""
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))
    if broken != "empty":
        ramp(40, 40).save(tmp_path / "a.png")
    if broken == "labels":
        (tmp_path / "labels.json").write_text("{")
    if broken == "refused":

        def refusing(place: Path) -> list[Path]:
            raise PermissionError(13, "no entry", str(place))

        monkeypatch.setattr(folder, "_sorted", refusing)
    app = start(source="folder")
    healthy(app)
    assert not app.error
    assert "folder" not in pictures.sources()
    said = {
        "labels": "no description of pictures",
        "empty": "no picture we can read",
        "refused": "(no entry)",
    }
    captions = [caption.value for caption in app.sidebar.caption if said[broken] in caption.value]
    assert len(captions) == 1
    assert str(tmp_path) not in captions[0]  # a visitor may read it


def test_what_the_app_asks_to_mend_in_a_folder_counts_when_it_is_mended(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a new start of the server saw it."""
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))
    (tmp_path / "masks").mkdir()
    ramp(40, 40).save(tmp_path / "a.png")
    ramp(12, 12).convert("L").save(tmp_path / "masks" / "a.png")
    app = start(source="folder")
    asked = "instead of 40 x 40"
    assert [one for one in app.sidebar.caption if asked in one.value]
    ramp(40, 40).convert("L").save(tmp_path / "masks" / "a.png")
    ramp(40, 40).save(tmp_path / "b.png")
    pictures._stamp.clear()  # as time does
    app.switch_page("pages/2_compare.py").run()
    healthy(app)
    assert not [one for one in app.sidebar.caption if asked in one.value]
    assert pictures.dataset("folder")[0].mask is not None
    assert pictures.titles("folder", 2) == ("a.png", "b.png")


def test_a_saved_grid_names_every_upload_that_nobody_has() -> None:
    """The first one's hash filled the sentence: the others were gone without a word."""
    gone = [letter * 64 for letter in "abcde"]
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    given(app.switch_page("pages/2_compare.py").run(), "a.png", png(ramp(80, 80)))
    own = app.session_state["upload"]
    app.session_state["_not_in_browser"] = set(gone)
    app.session_state[state._RESTORED] = {"uploads": ",".join(gone)}
    app.run()
    healthy(app)
    (said,) = [one.value for one in app.warning if "more uploads" in one.value]
    assert all(one[:7] in said for one in gone)
    assert "which are not available here; what is missing is left out: upload it again." in said
    assert app.session_state["uploads"] == ()
    assert app.session_state["upload"] == own


@pytest.mark.parametrize("what", ["thumbnail", "from_dataset", "keep_upload"])
def test_a_picture_that_several_ask_for_at_once_is_decoded_once(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))
    ramp(40, 30).save(tmp_path / "a.png")
    for cache in (pictures._stamp, pictures._opened, pictures._decoded, pictures._thumbnails):
        cache.clear()
    pictures.dataset("folder")
    calls: list[str] = []
    decode = folder_module.decode_image

    def slow(data: bytes, name: str) -> Image.Image:
        calls.append(name)
        time.sleep(0.2)
        return decode(data, name)

    monkeypatch.setattr(folder_module, "decode_image", slow)
    monkeypatch.setattr(pictures, "decode_image", slow)
    data = (tmp_path / "a.png").read_bytes()

    def ask() -> object:
        if what == "keep_upload":
            return pictures._upload("hash", "a.png", data)
        return getattr(pictures, what)("folder", 0)

    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(ask) for _ in range(4)]]
    assert calls == ["a.png"]
    assert all(one == found[0] for one in found)


def test_what_a_network_sees_is_kept_by_all_that_decides_it() -> None:
    """A card of one id had other channels once its file was opened: the former view stood for good."""
    picture = Picture("upload", "", "", ramp(90, 60), "5" * 64, None, "image")
    grey = replace(CARD, mean=CARD.mean[:1], std=CARD.std[:1])
    for card in (CARD, grey, replace(CARD, size=(96, 128)), replace(CARD, squash=True), CARD):
        np.testing.assert_array_equal(pictures.seen_by(card, picture), card.display(picture.image))


@pytest.fixture
def young() -> Iterator[None]:
    """`gc.collect` looks through what the test has made, and not half a second through all that was there."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("young")
def test_a_folder_that_changes_often_never_shows_a_former_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures were kept by the number of an object, which another one has once it is gone."""
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))
    for shade in range(24):
        Image.new("RGB", (20 + shade, 20), (10 * shade, 0, 0)).save(tmp_path / "a.png")
        pictures._stamp.clear()  # as time does
        pictures._opened.clear()  # as further changes do
        gc.collect()
        found = pictures.from_dataset("folder", 0)
        assert found.image.getpixel((0, 0)) == (10 * shade, 0, 0)
        assert found.sha256 == pictures.pixels_hash(found.image)
