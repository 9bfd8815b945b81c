"""A picture moved in and out of its ball: Prop. 4 and 5 of SCP hold inside, and end at the edge."""

from __future__ import annotations

import pytest
import torch

import networks
from pruneattr_core import PruneGrad, contributions
from pruneattr_core.analysis.linearity import linear_radius
from pruneattr_core.analysis.nudging import nudged, way_of
from pruneattr_core.errors import InputError

STD = (0.5, 0.25, 0.2)


@pytest.mark.parametrize("kind", ["edge", "noise", "brightness", "block"])
def test_inside_nothing_switches_and_the_map_stays(kind) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    path = contributions(net, x).path(0.9)
    ball = linear_radius(net, x, path)
    way = way_of(kind, x, STD, ball.normal, place=(3, 5))
    target = int(net(x).argmax())
    found = nudged(net, x, path, target, float(ball.value), way, (0.5, 0.999, 1.001, 3000.0))
    assert float(way.norm()) == pytest.approx(1)
    assert found.switched[:2].tolist() == [0, 0]
    torch.testing.assert_close(found.maps[1:3], found.maps[:1].expand(2, -1, -1, -1), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.frozen[:2], found.affine[:2], rtol=1e-10, atol=1e-12)
    assert found.likeness[:2].tolist() == pytest.approx([1, 1])
    if kind == "edge":
        assert int(found.switched[2]) == 1
    assert int(found.switched[3]) > 1
    assert float(found.overlap[3]) < 1
    for row, factor in enumerate(found.factors):
        moved = x + factor * float(ball.value) * way
        torch.testing.assert_close(found.logits[row], net(moved)[0], rtol=1e-9, atol=1e-9)
        own = contributions(net, moved, target).path(0.9)
        assert float(found.overlap[row]) == pytest.approx(float(path.jaccard(own)))
    frozen = PruneGrad(net).sweep(x, target, [0.9], mode="freeze").maps[0]
    torch.testing.assert_close(found.maps[:1], frozen.view_as(x), rtol=1e-9, atol=1e-12)


def test_a_block_is_a_block_and_nonsense_is_refused() -> None:
    x = networks.inputs(1)
    block = way_of("block", x, STD, x, place=(7, 0))
    rows, columns = (block[0, 0] != 0).nonzero(as_tuple=True)
    side = x.shape[-1]
    assert rows.min() == 7 * side // 8
    assert columns.max() == max(side // 8, 1) - 1
    with pytest.raises(InputError, match="from 0 to 7"):
        way_of("block", x, STD, x, place=(8, 0))
    net = networks.network("residual")
    with pytest.raises(InputError, match="finite radius"):
        nudged(net, x, contributions(net, x).path(0.9), 0, float("inf"), x)
