"""A sweep in rounds: coarse first, then every other level, and in the end what one sweep would have given."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

from pruneattr_core import models
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.lessons.text import FOLDER, languages
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.levels import first_levels, presets, spaced
from pruneattr_core.results.nearest import nearest
from pruneattr_core.results.sweeps import Explained, Question, explain_levels, merged, rounds, score
from pruneattr_core.share.panels import strip_levels
from pruneattr_core.share.payload import THINGS
from pruneattr_core.ui.explore import page
from pruneattr_core.values import Mode
from tests.app.conftest import small_network
from tests.networks import Inverted, Residual


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_rounds_end_where_one_sweep_ends(mode: str) -> None:
    network = small_network().double()
    inputs = torch.randn(1, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    question = Question(Subject("net", "", "picture", 4, "cpu"), mode, "taylor", 0.83)
    scored = score(network, inputs, question.scores)
    levels = spaced(scored.quiet, question.calibrated)
    found = explain_levels(
        network, inputs, question, scored, first_levels(levels, scored.quiet), lambda *_: None
    )
    assert {0.0, levels[-1]} < set(found.requested)
    for part in rounds(levels, found.requested):
        found = merged(found, explain_levels(network, inputs, question, scored, part, lambda *_: None))
    assert found.requested == levels
    whole = PruneGrad(network).sweep(inputs, 4, levels, mode)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.maps, whole.maps[:, 0].numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.sparsity, whole.sparsity[:, 0].numpy())
    strip = found.contributing[strip_levels(found)]
    np.testing.assert_allclose(strip, (0, 0.5, 0.8, 0.9, 0.95, 0.99), atol=0.01)
    quiet = replace(found, quiet=0.7, sparsity=0.7 + 0.3 * found.sparsity)  # as on SqueezeNet
    assert (quiet.contributing[strip_levels(quiet)[1:]] > 0.4).all()


@pytest.mark.parametrize("quiet", [0.0, 0.5, 0.71, 0.9])
def test_the_first_look_holds_the_default_and_the_place_where_silence_ends(quiet: float) -> None:
    levels = spaced(quiet)
    first = first_levels(levels, quiet)
    assert len(first) <= 4
    assert (
        first[nearest(first, quiet + 0.8 * (1 - quiet))] == levels[nearest(levels, quiet + 0.8 * (1 - quiet))]
    )
    if quiet:
        assert first[1] == pytest.approx(quiet, abs=1e-6)


@pytest.mark.parametrize("mode", ["zero", "freeze"])
@pytest.mark.parametrize("kind", [Inverted, Residual])
def test_a_level_is_called_the_plain_gradient_where_its_map_is(kind: type[nn.Module], mode: Mode) -> None:
    """Neurons at the upper end of a ReLU6 are silent and at work: removing them moves the map."""
    torch.manual_seed(0)
    network = kind().double().eval()
    inputs = 3 * torch.randn(1, 3, 16, 16, dtype=torch.float64)
    question = Question(Subject("net", "", "picture", 1, "cpu"), mode, "taylor", None)
    scored = score(network, inputs, question.scores)
    levels = (0.0, scored.quiet - 1e-9, scored.quiet + 0.5 * (1 - scored.quiet))
    found = explain_levels(network, inputs, question, scored, levels, lambda *_: None)
    leaf = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf)[0, 1], leaf)
    at_work = kind is Inverted and mode == "zero"
    assert (scored.quiet > float(scored.scores.dead_fraction[0]) + 0.01) is (kind is Inverted)
    for k, plain in enumerate(found.plain):
        apart = np.abs(found.maps[k] - gradient[0].numpy()).max() / float(gradient.abs().max())
        assert plain is (bool(apart < 1e-4))
    assert found.plain == (True, not at_work, False)
    assert bool(found.change[1] > 1e-3) is (kind is Inverted)


def test_a_real_network_of_relu6_says_that_silent_neurons_are_at_work() -> None:
    network, card = models.load_model("efficientnet-lite0"), models.model_card("efficientnet-lite0")
    x = card.preprocess(Image.fromarray(data.chelsea()))
    question = Question(Subject("net", "", "picture", 282, "cpu"), "zero", "taylor", None)
    scored = score(network, x, question.scores)
    levels = first_levels(spaced(scored.quiet), scored.quiet)
    found = explain_levels(network, x, question, scored, levels, lambda *_: None)
    assert found.plain == (True, False, False, False)
    marks = presets(found.sparsity.tolist(), found.quiet, found.change.tolist(), None, found.plain)
    assert [mark.label for mark in marks][:2] == ["0", "silent only"]
    assert "the map moves" in marks[1].title


@pytest.mark.parametrize(
    ("change", "answers", "said"),
    [
        (0.4, (1, 1, 1), "already changes the output by 40"),
        (40.0, (1, 1, 1), "already changes the output by >1,000"),
        (np.inf, (1, 1, 1), "already changes the output by infinite"),
        (0.4, (1, 2, 2), "already changes the output by 40"),
        (0.0, (1, 2, 2), "already changes the answer to star"),  # as SqueezeNet's on the dahlia
        (0.0, (1, 1, 2), None),
    ],
)
@pytest.mark.parametrize("unit", list(THINGS))
def test_what_the_silent_do_to_the_answer_is_said_in_every_language(
    change: float, answers: tuple[int, ...], said: str | None, unit: str
) -> None:
    """Of the sentences here a German lesson knew one that was said no more."""
    sparsity = np.array([0.0, 0.5, 0.9])
    sweep = Explained(
        maps=np.zeros((3, 3, 2, 2), np.float32), requested=(0.0, 0.5, 0.9), sparsity=sparsity,
        change=np.array([0.0, change, 1.0]), probability=1 - sparsity, logit=1 - sparsity, unit=unit,
        prediction=np.array(answers), target=1, quiet=0.5, dead=0.4, neurons=10, seconds=1.0,
    )  # fmt: skip
    told = page.early_change(sweep, ["circle", "square", "star"])
    if said is None:
        assert told == ""
        return
    assert said in told
    assert "10\u202f% of all are not dead" in told
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        assert [1 for shape, _ in words["patterns"] if re.search(shape, told)] == [1]
        assert THINGS[unit] in words["exact"]
