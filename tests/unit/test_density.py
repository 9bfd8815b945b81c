"""Critical path density against its own definition, written out for one small network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import contributions
from pruneattr_core.attribution import explain


class _Two(nn.Module):
    """Two activations of two resolutions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)

    def parts(self, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor, Tensor]:
        one = F.relu(self.first(x))
        gated = one * masks[0] if masks else one
        two = F.relu(self.second(F.avg_pool2d(gated, 2)))
        return one, two, self.head((two * masks[1] if masks else two).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x)[2]


def _share(maps: Tensor) -> Tensor:
    return maps / maps.mean((1, 2), keepdim=True)


@pytest.mark.parametrize(("blend", "sizes"), [("arithmetic", "positive"), ("geometric", "magnitude")])
def test_density_is_where_the_contributions_of_the_path_lie(blend: str, sizes: str) -> None:
    net = _Two().double().eval().requires_grad_(False)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    path = contributions(net, x.detach(), 1).path(0.6)
    one, two, logits = net.parts(x, tuple(mask.double() for mask in path.layers))
    slopes = torch.autograd.grad(logits[:, 1].sum(), (x, one, two))
    kept = [a * g for a, g in zip((x, one, two), slopes, strict=True)]
    maps = [
        _share(k.sum(1).clamp(min=0) if sizes == "positive" and place else k.abs().sum(1))
        for place, k in enumerate(kept)
    ]
    large = torch.stack([F.interpolate(m[:, None], size=(8, 8), mode="bilinear")[:, 0] for m in maps])
    mean = large.mean(0) if blend == "arithmetic" else (large + 1e-3).log().mean(0).exp()
    asked = {"sparsity": 0.6, "of": "all", "sizes": sizes, "smooth": 0.0, "mode": "zero"}
    found = explain(net, x.detach(), 1, "path_density", blend=blend, coarse=0, **asked).values
    torch.testing.assert_close(found[:, 0], _share(mean).detach(), rtol=1e-9, atol=1e-12)
    # The slope of the pruned network alone, and its product with the picture.
    slope = _share(slopes[0].abs().sum(1)).detach()
    finest = explain(
        net, x.detach(), 1, "path_density", coarse=1, fine="gradient", blend="arithmetic", **asked
    )
    expected = _share((slope + large[2].detach()) / 2)
    torch.testing.assert_close(finest.values[:, 0], expected, rtol=1e-9, atol=1e-12)
    # The coarsest alone, without the picture, is one map made large.
    alone = explain(
        net, x.detach(), 1, "path_density", coarse=1, fine="none", blend="arithmetic", **asked
    ).values
    torch.testing.assert_close(alone[:, 0], _share(large[2]).detach(), rtol=1e-9, atol=1e-12)
