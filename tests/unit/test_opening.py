"""Neurons are ranked by what they do to a class score before it is rectified; nothing else changes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, contributions


class Scored(nn.Module):
    """Class-score maps, rectified and averaged, as SqueezeNet ends."""

    def __init__(self, rectified: bool = True) -> None:
        super().__init__()
        self.one, self.two, self.rectified = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), rectified

    def forward(self, x: Tensor) -> Tensor:
        scores = self.two(torch.relu(self.one(x)))
        return (F.relu(scores, inplace=True) if self.rectified else scores).mean((2, 3))


def pair() -> tuple[nn.Module, nn.Module, Tensor]:
    """The network, the same one without the last rectifier, and inputs on which it matters."""
    torch.manual_seed(0)
    with_it, without = Scored().double().eval(), Scored(rectified=False).double().eval()
    without.load_state_dict(with_it.state_dict())
    inputs = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert bool((without.two(torch.relu(without.one(inputs))) < 0).any())
    return with_it, without, inputs


def test_contributions_are_those_to_the_scores_before_the_rectifier() -> None:
    with_it, without, inputs = pair()
    target = torch.tensor([0, 2, 3])
    (found,), (expected,) = (contributions(model, inputs, target).layers for model in (with_it, without))
    torch.testing.assert_close(found, expected)
    published = contributions(with_it, inputs, target, class_scores=True).layers[0]
    hidden = torch.relu(with_it.one(inputs)).detach().requires_grad_()
    score = F.relu(with_it.two(hidden)).mean((2, 3)).gather(1, target[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, hidden)
    torch.testing.assert_close(published, (hidden * gradient).abs().detach())
    assert not torch.allclose(published, found)


def test_answers_and_input_gradients_are_those_of_the_network_itself() -> None:
    """Sparsity 0 is the plain gradient in both modes, and the scores stay rectified."""
    model, _, inputs = pair()
    leaf = inputs.clone().requires_grad_()
    logits = model(leaf)
    target = logits.argmax(1)
    (plain,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
    for mode in ("zero", "freeze"):
        sweep = PruneGrad(model).sweep(inputs, sparsities=[0.0], mode=mode)  # type: ignore[arg-type]
        torch.testing.assert_close(sweep.maps[0], plain)
        torch.testing.assert_close(sweep.logit[0], logits.detach().gather(1, target[:, None])[:, 0])
