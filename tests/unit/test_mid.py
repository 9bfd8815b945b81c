"""PruneGrad-Mid at many places of the dial: maps and answers from the same passes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import networks
from pruneattr_core.attribution.prunegrad_mid import mid_sweep, prunegrad_mid
from pruneattr_core.errors import InputError
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.scoring import contributions


@pytest.mark.parametrize("mode", ["zero", "freeze"])
@pytest.mark.parametrize("name", ["residual", "plain"])
def test_a_sweep_of_prunegrad_mid_is_its_maps_and_the_pruned_answers(name: str, mode: str) -> None:
    """One pass a level, and none for a level that removes what another one does."""
    net, x = networks.network(name), networks.inputs(2)
    scores = contributions(net, x, torch.tensor([1, 0]))
    shares, told = [0, 0.3, 0.31, 0.8, 0.3, 1], []
    maps, answers = mid_sweep(
        net, x, scores, shares, of="contributing", mode=mode, progress=lambda *at: told.append(at)
    )
    assert told == [(k, 6) for k in range(6)]
    for share, level in zip(shares, maps, strict=True):
        alone = prunegrad_mid(net, x, scores.question, sparsity=share, of="contributing", mode=mode)
        torch.testing.assert_close(level, alone, rtol=0, atol=0)
    expected = output_curve(net, x, scores, shares, of="contributing")
    assert torch.equal(answers.sparsity, expected.sparsity)
    if mode == "freeze":
        assert (answers.output_change < 1e-10).all()
    else:
        assert answers.output_change[-1].all()
        torch.testing.assert_close(answers.output_change, expected.output_change, rtol=1e-10, atol=1e-12)


class Divides(nn.Module):
    """Has no answer once every neuron of its first layer is gone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.a(x).relu()
        return self.head(self.b(h / h.sum((1, 2, 3), keepdim=True)).relu().mean((2, 3)))


def test_a_level_of_prunegrad_mid_without_an_answer_leaves_the_others() -> None:
    net, x = Divides().eval(), networks.inputs(2).float()
    scores = contributions(net, x)
    with torch.inference_mode():
        maps, answers = mid_sweep(net, x, scores, [0, 0.5, 1.0], scores.names[0])
    assert maps[:2].isfinite().all()
    assert answers.logit[:2].isfinite().all()
    assert answers.logit[2].isnan().all()
    for layer in scores.names:
        with pytest.raises(InputError, match=r"pruned network .* Remove fewer neurons"):
            prunegrad_mid(net, x, scores.question, layer, sparsity=1.0)
    with pytest.raises(InputError, match="at least one"):
        mid_sweep(net, x, scores, [])
