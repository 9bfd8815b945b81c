"""The app reads what a network answers by its head: several answers stay several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pruneattr_core.datasets import load_dataset
from pruneattr_core.heads import NOT_IT, declare
from pruneattr_core.models import load_model, model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.levels import spaced
from pruneattr_core.results.sweeps import Question, answer, explain_levels, score
from pruneattr_core.ui import cache
from tests.app.conftest import Small, Start


def test_several_answers_are_read_as_sigmoids() -> None:
    network, card = load_model("scenes-vgg"), model_card("scenes-vgg")
    sample = load_dataset("scenes")[1]
    inputs = card.preprocess(sample.image)
    said = answer(network, inputs, "")
    with torch.no_grad():
        expected = 1 / (1 + (-network(inputs).double()).exp())
    assert card.head == said.head == "sigmoid"
    assert said.several
    np.testing.assert_allclose(said.probabilities, expected[0].numpy(), atol=1e-6)
    assert not answer(load_model("scenes-net"), torch.zeros(1, 3, 128, 128), "").several


def test_a_lost_answer_says_which() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2, bias=False)).eval()
    with torch.no_grad():
        network[1].weight.fill_(1.0)
        network[1].bias.copy_(torch.arange(6.0))
        network[3].weight.copy_(torch.tensor([[-2.0, -1.0, 2.0, 0.5, -3.0, 4.0], [9.0] * 6]))
    declare(network, "sigmoid")
    subject = Subject("net", "", "picture", 0, "cpu")
    question, inputs = Question(subject, "zero", "taylor", None), torch.ones(1, 4, 1, 1)
    scored = score(network, inputs, question.scores)
    found = explain_levels(network, inputs, question, scored, spaced(scored.quiet), lambda *_: None)
    yes = found.logit > 0
    assert yes[0]
    np.testing.assert_array_equal(found.prediction, np.where(yes, 0, NOT_IT))
    assert found.named(("heart", "ring"), NOT_IT) == "not heart"


class Gated(Small):
    """Its last layer is x * sigmoid(1.702 x), which is no call that the tape can gate."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        logits: torch.Tensor = self.head((x * torch.sigmoid(1.702 * x)).mean((2, 3)))
        return logits


@pytest.mark.parametrize("kind", [Small, Gated])
def test_about_this_model_says_what_is_not_seen(
    kind: type[nn.Module], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "load_model", lambda *_, **__: kind().eval())
    captions = [one.value for one in start(picture="2").sidebar.caption]
    seen = [caption for caption in captions if "What is not seen is never pruned." in caption]
    assert len(seen) == (kind is Gated)
    assert all("product with its own sigmoid in the network itself" in caption for caption in seen)
    assert any("classes · input" in caption for caption in captions)
