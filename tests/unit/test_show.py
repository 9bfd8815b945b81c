"""A view out of the server: its numbers are the library's, its file is whole, bad requests are sentences."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pruneattr_core import PruneGrad, explain_view, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.datasets import load_dataset
from pruneattr_core.render import read_provenance
from pruneattr_core.share.html import settings_in

NAME = "resnet8-cifar10"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "a <b>scene.png"
    load_dataset("scenes")[2].image.save(file)
    return file


def test_the_level_shown_is_what_the_library_says(photo: Path) -> None:
    view = explain_view(NAME, Image.open(photo), sparsity=0.8)
    inputs = model_card(NAME).preprocess(Image.open(photo))
    reached = float(view.sweep.sparsity[view.level])
    direct = PruneGrad(load_model(NAME)).sweep(inputs, sparsities=[view.sweep.requested[view.level]])
    np.testing.assert_allclose(view.sweep.maps[view.level], direct.maps[0, 0], rtol=1e-3, atol=1e-5)
    assert reached == pytest.approx(float(direct.sparsity[0, 0]))
    assert view.numbers()["sparsity_of_contributing"] == pytest.approx(0.8, abs=0.01)
    assert not view.numbers()["plain_gradient"]


def test_files_hold_the_same_view(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("html", "png", "npz", "json"):
        command = ["explain", str(photo), "--model", NAME, "--json", "--out", str(tmp_path / f"v.{kind}")]
        assert main(command) == 0
    told = json.loads(capsys.readouterr().out.split("}\n")[0] + "}")
    page = (tmp_path / "v.html").read_text("utf-8")
    assert len(page) < 1_000_000
    assert "<b>scene" not in page
    assert settings_in(page)["picture"] == photo.name
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert len(arrays["attribution"]) == len(arrays["sparsity"]) > 20
    inside = read_provenance((tmp_path / "v.png").read_bytes())
    assert inside is not None
    assert inside["probability"] == told["probability"]
    assert json.loads((tmp_path / "v.json").read_text())["answer"] == told["answer"]


def test_a_notebook_gets_a_frame_that_holds_everything(photo: Path) -> None:
    bundle = explain_view(NAME, Image.open(photo))._repr_mimebundle_()
    assert bundle["text/html"].startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert '"' not in bundle["text/html"].split('srcdoc="')[1].split('" sandbox')[0]
    assert set(bundle) == {"text/plain", "text/html", "image/png"}


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--out", "x.gif"], "ending in"),
        (["--out", "x.html", "--model", "nothing"], "nothing"),
        (["--out", "x.html", "--target", "99"], "Target 99"),
        (["--out", "/proc/x.html"], "/proc"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    extra: list[str], says: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(photo), "--model", NAME, *extra]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert says in said[-1]
    assert said[-1].startswith("error: ")


def test_no_picture_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(io.BytesIO(b"\xff\xd8\xff nothing").getvalue())
    for file in (broken, tmp_path / "missing.png", tmp_path):
        assert main(["explain", str(file), "--model", NAME, "--out", str(tmp_path / "x.html")]) == 1
        assert capsys.readouterr().err.startswith("error: ")
