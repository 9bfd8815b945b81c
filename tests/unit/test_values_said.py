"""A network that answers values: no place calls one a probability, and what moves is measured in its size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import cli
from pruneattr_core.benchmarks.pixels import RemovalCurve
from pruneattr_core.models import model_card, open_model
from pruneattr_core.render.look import Look
from pruneattr_core.results.removal import FRACTIONS, Removal
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.panels import sweep_panels
from pruneattr_core.share.words import likelihood, likely, sized
from pruneattr_core.show import explain_view
from pruneattr_core.ui.removal.payload import measures_of

CODE = """
import torch
from torch import nn

PRUNEATTR = {"size": [16, 16], "head": "values", "classes": ["age"]}

def build():
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 196, 1))
    net[3].bias.data.fill_(-40)
    return net
"""


@pytest.fixture
def network(tmp_path: Path) -> str:
    (tmp_path / "ages.py").write_text(CODE)
    Image.new("RGB", (16, 16), "teal").save(tmp_path / "face.png")
    return f"{tmp_path}/ages.py:build"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0.0, "0"),
        (-41.53, "\N{MINUS SIGN}41.5"),
        (0.5, "0.500"),
        (12345.0, "1.2e+4"),
        (-0.00002, "\N{MINUS SIGN}2.0e-5"),
    ],
)
def test_a_value_keeps_three_digits_and_its_sign(number: float, said: str) -> None:
    assert likely(number, True) == said


def test_a_number_of_thousands_is_said_by_its_size() -> None:
    said = [sized(number, 3) for number in (0.0, 151.6111, -999.4, 3705742.145)]
    assert said == ["0.000", "151.611", "-999.400", "3.7e+6"]


def test_a_probability_is_said_as_ever() -> None:
    assert [likely(p, False) for p in (0.001, 0.5, 0.999)] == ["<0.01", "0.50", ">0.99"]
    assert [likelihood(valued) for valued in (True, False)] == ["Value", "Probability"]


def test_the_explorer_and_its_files_say_the_value(network: str, tmp_path: Path) -> None:
    view = explain_view(network, Image.open(tmp_path / "face.png"))
    model, card = open_model(network)
    with torch.no_grad():
        whole = float(model(card.preprocess(Image.open(tmp_path / "face.png"))))
    assert view.sweep.valued
    assert float(view.sweep.probability[0]) == pytest.approx(whole, rel=1e-5)
    assert whole < -30
    header = header_of(view.payload())
    assert header["valued"] is True
    look, photo = Look(), np.zeros((16, 16, 3), np.uint8)
    panels, _ = sweep_panels(view.sweep, look, photo, [0])
    assert panels[1].notes[0] == f"value = {likely(whole, True)}"


def test_the_commands_say_the_value(network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = str(tmp_path / "face.png")
    assert cli.main(["explain", photo, "--model", network, "--out", str(tmp_path / "a.json")]) == 0
    assert "value \N{MINUS SIGN}" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())
    assert cli.main(["sweep", photo, "--model", network]) == 0
    out = capsys.readouterr().out
    assert "value  answer" in out
    assert " p  " not in out


def test_a_network_that_answers_classes_has_probabilities(tmp_path: Path) -> None:
    view = explain_view("scenes-net", Image.new("RGB", (128, 128), "teal"))
    assert not view.sweep.valued
    assert "valued" not in header_of(view.payload())
    assert model_card("scenes-net").head == "softmax"


def test_changes_of_negative_values_are_not_negative() -> None:
    answers = np.linspace(-40, 20, len(FRACTIONS))
    place = np.zeros(len(FRACTIONS), np.int64)
    found = Removal(np.zeros(1), np.zeros(1), answers, place, 0, -40.0)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.change, (answers + 40) / 40)
    curves = RemovalCurve(
        (0.1, 0.5), torch.tensor([[-30.0], [10.0]]), torch.tensor([-40.0]), torch.tensor([0])
    )
    assert curves.change.flatten().tolist() == [0.25, 1.25]


def test_pixel_removal_says_whether_it_shows_a_value() -> None:
    assert [one["title"] for one in measures_of("lerf", "age", True)] == ["Output change", "Value"]
    assert [one["title"] for one in measures_of("lerf", "age")] == ["Output change", "Probability"]
    (shown,) = measures_of("insertion", "age", True)
    assert shown["axis"] == "value of age"
