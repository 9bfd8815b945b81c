"""Channels as the unit of a path, against their definition written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core import contributions
from pruneattr_core.circuits.edges import strongest_inputs
from pruneattr_core.circuits.replacement import mean_of, replaced_logits, zero
from pruneattr_core.circuits.scores import patching
from pruneattr_core.circuits.shapley import Game
from pruneattr_core.circuits.units import channel_sums, unit_contributions
from pruneattr_core.errors import InputError
from pruneattr_core.scoring.intgrad import intgrad_signed


def slow_path(signed: list[Tensor], image: int, sparsity: float) -> list[Tensor]:
    """Channel by channel in Python numbers: rank |sum of positions|, remove the lowest, spread to neurons."""
    scores = {
        (call, channel): abs(sum(layer[image, channel].flatten().tolist()))
        for call, layer in enumerate(signed)
        for channel in range(layer.shape[1])
    }
    order = sorted(scores, key=lambda unit: scores[unit])
    gone = set(order[: round(sparsity * len(order))])
    masks = [torch.ones_like(layer[image], dtype=torch.bool) for layer in signed]
    for call, channel in gone:
        masks[call][channel] = False
    return masks


@pytest.mark.parametrize("name", ["residual", "concatenating"])
def test_a_path_over_channels_is_its_definition(name: str) -> None:
    model, inputs = networks.network(name), networks.inputs(3)
    signed = list(patching(model, inputs, None, mean_of(model, [torch.zeros_like(inputs)])))
    base = mean_of(model, [torch.zeros_like(inputs)])
    found = unit_contributions(model, inputs, method="patching", replacement=base)
    assert found.neurons == sum(layer.shape[1] for layer in signed)
    for sparsity in (0.0, 0.3, 0.75):
        path = found.path(sparsity, "exact")
        for image in range(3):
            for mask, slow in zip(path[image].layers, slow_path(signed, image, sparsity), strict=True):
                assert torch.equal(mask[0], slow)
        assert path.meta["unit"] == "channel"
    alone = found[1].path(0.3, "exact")
    assert all(
        torch.equal(a, b) for a, b in zip(alone.layers, found.path(0.3, "exact")[1].layers, strict=True)
    )


def test_channels_of_a_layer_stay_complete_and_below_their_neurons() -> None:
    model, inputs = networks.network("residual"), networks.inputs(2)
    signed = intgrad_signed(model, inputs, steps=256).layers
    whole = [torch.ones_like(layer, dtype=torch.bool) for layer in signed]
    answer = model(inputs)
    target = answer.argmax(1, keepdim=True)
    for call, sums in enumerate(channel_sums(signed)):
        masks = [~mask if k == call else mask for k, mask in enumerate(whole)]
        change = (answer - replaced_logits(model, inputs, masks, zero(model, inputs))).gather(1, target)[:, 0]
        torch.testing.assert_close(sums.flatten(1).sum(1), change, rtol=0.02, atol=1e-3)
    neurons = contributions(model, inputs).layers
    for channel, own in zip(unit_contributions(model, inputs).layers, neurons, strict=True):
        assert bool((channel <= own.sum((2, 3), keepdim=True) + 1e-12).all())


def test_features_are_the_channels_of_tokens() -> None:
    """(B, tokens, features): a mean per channel and a path over channels are those of features."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(10, 7), nn.Linear(7, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(torch.relu(self.one(x[:, 0]))).mean(1)

    torch.manual_seed(0)
    model, inputs = Tokens().double().eval(), networks.inputs(2)
    found = unit_contributions(model, inputs)
    assert found.layers[0].shape == (2, 1, 7)
    mask = found.path(0.5, "exact").layers[0]
    assert mask.shape == (2, 10, 7)
    assert torch.equal(mask, mask[:, :1].expand_as(mask))
    assert mean_of(model, [inputs], "channel").layers[0].shape == (1, 1, 7)


def test_channels_may_come_last() -> None:
    """(B, rows, columns, channels), as in ConvNeXt and Swin: rows of the picture are no channels."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = nn.Linear(3, 14), nn.Linear(14, 7), nn.Linear(7, 4)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.relu(self.one(x.permute(0, 2, 3, 1)))
            return self.three(torch.relu(self.two(h))).mean((1, 2))

    torch.manual_seed(0)
    model, inputs = Last().double().eval(), networks.inputs(2)
    found = unit_contributions(model, inputs, 1)
    assert [tuple(layer.shape) for layer in found.layers] == [(2, 1, 1, 14), (2, 1, 1, 7)]
    mask = found.path(0.5, "exact").layers[0]
    assert torch.equal(mask, mask[:, :1, :1].expand_as(mask))
    assert mean_of(model, [inputs], "channel").layers[0].shape == (1, 1, 1, 14)
    assert Game(model, inputs[:1], 1, 0, zero(model, inputs[:1]), "channel").units == 14
    channel = int(found.layers[1][0].argmax())
    node, fed = strongest_inputs(model, inputs[:1], 1, channel, 1, most=100)
    assert abs(node.score) == pytest.approx(float(found.layers[1][0].max()))
    assert max(place for call, place, _ in fed if call == 0) > 9
    _, seen = strongest_inputs(model, inputs[:1], 0, int(found.layers[0][0].argmax()), 1)
    assert sorted((call, place) for call, place, _ in seen) == [(-1, 0), (-1, 1), (-1, 2)]


def test_a_replacement_goes_with_patching_alone() -> None:
    model, inputs = networks.network("plain"), networks.inputs(1)
    with pytest.raises(InputError, match="with no other"):
        unit_contributions(model, inputs, replacement=mean_of(model, [inputs]))
    with pytest.raises(InputError, match="with no other"):
        unit_contributions(model, inputs, method="patching")
