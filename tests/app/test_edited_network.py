"""A network of one's own that is edited while the app runs: nothing of it is mixed with what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pruneattr_core.errors import ModelError
from pruneattr_core.models import declared, load_model, model_card
from pruneattr_core.results.keys import MapKey, Subject, map_key
from pruneattr_core.results.sweeps import Question
from pruneattr_core.ui import cache, own_weights, results
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.review.lineup import of_file
from tests.app.conftest import Start, healthy

NAME = "own/mine"
CODE = """
import torch
from torch import nn

PRUNEATTR = {"size": (8, 8), "mean": (0.5,), "std": (0.5,), "weights": "WEIGHTS"}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc(x.flatten(1).relu()) * 1

build = Net
"""
PICTURE = Picture("upload", "", "", Image.new("RGB", (8, 8), (200, 90, 40)), "1" * 64, None, "image")


class Edited:
    """The network's files, and what an engine says of a picture with them."""

    def __init__(self, folder: Path) -> None:
        self.code, self.weights = folder / "mine.py", folder / "mine.pt"
        self.factor, self.engine = 1, Engine()
        self.write(1)
        self.save(0)

    def write(self, factor: int) -> None:
        """As many bytes each time, at once."""
        code = CODE.replace("WEIGHTS", str(self.weights)).replace("* 1", f"* {factor}")
        self.code.write_text(code, "utf-8")
        self.factor = factor

    def save(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.linear = nn.Linear(64, 3)
        torch.save({"fc." + name: one for name, one in self.linear.state_dict().items()}, self.weights)

    @property
    def logits(self) -> torch.Tensor:
        with torch.no_grad():
            inputs = model_card(NAME).preprocess(PICTURE.image)
            return self.factor * self.linear(inputs.flatten(1).relu())[0]

    def probabilities(self) -> np.ndarray:
        return np.asarray(self.engine.answer(NAME, PICTURE, lambda *_: None).probabilities)

    @property
    def subject(self) -> Subject:
        answer = self.engine.answer(NAME, PICTURE, lambda *_: None)
        return Subject(NAME, answer.weights, PICTURE.sha256, 1, "cpu", code=model_card(NAME).code_sha256)


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edited]:
    settings = tmp_path / "pruneattr.toml"
    settings.write_text('[models.mine]\nbuild = "mine.py:build"\n', "utf-8")
    monkeypatch.setenv(declared.SETTINGS, str(settings))
    monkeypatch.setenv("PRUNEATTR_DEVICE", "cpu")
    yield Edited(tmp_path)
    declared._closed.clear()


def _job() -> Job:
    return Job("test", lambda job: None)


@pytest.mark.parametrize("what", ["code", "weights"])
def test_an_edited_network_answers_as_it_is_now(edited: Edited, what: str) -> None:
    for step in (2, 3, 4):
        expected = torch.softmax(edited.logits, 0).numpy()
        np.testing.assert_allclose(edited.probabilities(), expected, atol=1e-6)
        subject = edited.subject
        network = edited.engine.network(subject, _job())
        assert float(network(model_card(NAME).preprocess(PICTURE.image))[0, 1]) == pytest.approx(
            float(edited.logits[1]), abs=1e-5
        )
        edited.write(step) if what == "code" else edited.save(step)
        assert edited.subject != subject


@pytest.mark.parametrize("what", ["code", "weights"])
def test_a_result_named_before_an_edit_is_not_computed_after_it(
    edited: Edited, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, engine = edited.subject, edited.engine
    monkeypatch.setattr(results, "engine", lambda: engine)
    edited.write(2) if what == "code" else edited.save(2)
    question = Question(before, "zero", "taylor", None)
    with pytest.raises(ModelError, match="was changed on this machine while it was in use: reload"):
        engine.first_look(question, PICTURE, lambda *_: None)
    with pytest.raises(ModelError, match="reload"):
        results.map_beside(_job(), map_key(before, "saliency", {}), PICTURE)
    with pytest.raises(ModelError, match="reload"):
        results.fits(before, PICTURE, lambda *_: None)
    now = engine.first_look(replace(question, subject=edited.subject), PICTURE, lambda *_: None)
    assert float(now.logit[0]) == pytest.approx(float(edited.logits[1]), abs=1e-5)


def test_a_map_of_edited_code_is_another(edited: Edited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "engine", lambda: edited.engine)
    maps = []
    for factor in (1, 5):
        edited.write(factor)
        key: MapKey = map_key(edited.subject, "saliency", {})
        maps.append(results.map_beside(_job(), key, PICTURE)[2].attribution)
    np.testing.assert_allclose(maps[1], 5 * maps[0], rtol=1e-5)


def test_an_edit_while_a_network_is_loaded_is_said(edited: Edited, monkeypatch: pytest.MonkeyPatch) -> None:
    load = cache.load_model

    def slow(*args, **kwargs):  # type: ignore[no-untyped-def]
        network = load(*args, **kwargs)
        edited.write(7)
        return network

    monkeypatch.setattr(cache, "load_model", slow)
    with pytest.raises(ModelError, match="reload"):
        edited.engine.model(NAME, _job())
    monkeypatch.setattr(cache, "load_model", load)
    edited.engine.model(NAME, _job())


def test_classes_of_a_file_that_is_edited_are_read_again(edited: Edited) -> None:
    names, code = edited.code.with_name("names.txt"), edited.code.read_text("utf-8")
    edited.code.write_text(code.replace('"size"', f'"classes": "{names}", "size"'), "utf-8")
    seen = []
    for text in ("a\nb\nc\n", "d\ne\nf\n"):
        names.write_text(text, "utf-8")
        card = model_card(NAME)
        seen.append((card.classes, card.code_sha256))
    assert [one for one, _ in seen] == [("a", "b", "c"), ("d", "e", "f")]
    assert seen[0][1] != seen[1][1]


def test_weights_of_a_reader_go_with_the_code_that_takes_them(
    edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the review's desk, and under Your own weights."""
    kept: dict[str, cache.Brought] = {}
    monkeypatch.setattr(own_weights, "engine", lambda: edited.engine)
    monkeypatch.setattr(own_weights, "brought", lambda: kept)
    file, found = str(edited.weights), []
    for factor in (1, 6):
        edited.write(factor)
        one = of_file("teacher", NAME, file)
        desk, _ = edited.engine.model(NAME, _job(), (one.weights, one.sha256))
        own = kept[own_weights.bring_path(NAME, file)].network
        inputs = model_card(NAME).preprocess(PICTURE.image)
        for network in (desk, own):
            torch.testing.assert_close(network(inputs)[0], edited.logits)
        found.append(one.sha256)
    assert found[0] != found[1]


PAGE = """
import sys
import torch
from torch import nn

PRUNEATTR = {"size": (32, 32), "classes": ["ant", "bee", "cow"]}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 5, 2), nn.Linear(8, 3)

    def forward(self, x):
        LEAVE
        return self.fc(self.conv(x).relu().mean((2, 3))) + torch.tensor([9.0, 0, 0]).roll(SHIFT)

build = Net
"""


@pytest.mark.parametrize(
    "leave", ["sys.exit(3)", "if x.any(): sys.exit(3)", "if x.any(): raise KeyboardInterrupt"]
)
def test_a_page_takes_what_is_edited_and_says_what_ends_the_program(
    leave: str, edited: Edited, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "load_model", load_model)

    def write(shift: int, leave: str = "pass") -> None:
        edited.code.write_text(PAGE.replace("SHIFT", str(shift)).replace("LEAVE", leave), "utf-8")

    write(0)
    app = start(model=NAME, source="scenes", picture="1")
    assert [one.label for one in app.button if "ant ·" in one.label]
    write(1)
    healthy(app.run())
    assert [one.label for one in app.button if "bee ·" in one.label]
    write(1, leave)
    app.run()
    assert not app.exception
    assert ["ended the program" in error.value for error in app.error] == [True]
    write(2)
    app = start(model=NAME, source="scenes", picture="1")
    healthy(app)
    assert [one.label for one in app.button if "cow ·" in one.label]
