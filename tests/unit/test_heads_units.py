"""Attention heads as units: what is gated is the slice of that head, in every way attention is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import VisionTransformer

import networks
from pruneattr_core import PruneGrad, tape
from pruneattr_core.attention import is_heads, tokens_of, with_heads
from pruneattr_core.circuits.units import block_of, unit_contributions
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.pruning import pruned_logits

HEADS, WIDTH = 4, 32


class Spelled(nn.Module):
    """Attention by hand: softmax, then a product."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        split = self.qkv(x).view(*x.shape[:2], 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind(0)
        weights = F.dropout((q @ k.transpose(-2, -1) / 3).softmax(-1), 0.1, self.training)
        mixed: Tensor = self.proj((weights @ v).transpose(1, 2).reshape(x.shape))
        return mixed


class Fused(Spelled):
    """The same by PyTorch's function."""

    def forward(self, x: Tensor) -> Tensor:
        split = self.qkv(x).view(*x.shape[:2], 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind(0)
        mixed: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))
        return mixed


class Whole(nn.Module):
    """The same by PyTorch's layer, with weights asked for, as most write it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    @property
    def proj(self) -> nn.Linear:
        return self.layer.out_proj

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.layer(x, x, x)[0]
        return mixed


class Block(nn.Module):
    def __init__(self, attention: type[nn.Module]) -> None:
        super().__init__()
        self.attn, self.norm = attention(), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 24), nn.GELU(), nn.Linear(24, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm(x))
        mixed: Tensor = x + self.mlp(x)
        return mixed


class Tokens(nn.Module):
    def __init__(self, attention: type[nn.Module]) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, WIDTH, 4, 4), nn.Linear(WIDTH, 5)
        self.blocks = nn.ModuleList(Block(attention) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x.mean(1))
        return logits


def network(attention: type[nn.Module]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = Tokens(attention).double().eval().requires_grad_(False)
    return model, torch.randn(3, 3, 16, 16, dtype=torch.float64)


def without(model: nn.Module, block: int, head: int) -> nn.Module:
    """A copy in which the output matrix no longer reads that head's slice."""
    changed, size = copy.deepcopy(model), WIDTH // HEADS
    changed.blocks[block].attn.proj.weight[:, head * size : (head + 1) * size] = 0
    return changed


@pytest.mark.parametrize("attention", [Spelled, Fused, Whole])
def test_a_gated_head_is_its_slice_set_to_zero(attention: type[nn.Module]) -> None:
    model, x = network(attention)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    view = with_heads(model, x)
    record = tape.run(view, x)
    assert torch.allclose(record.logits, model(x), rtol=1e-12)
    assert [is_heads(name) for name in record.names] == [True, False, True, False]
    for block, head in ((0, 1), (1, 3)):
        masks = [torch.ones_like(a, dtype=torch.bool) for a in record.activations]
        masks[2 * block][:2, head] = False  # of the first two pictures alone
        found, wanted = pruned_logits(view, x, masks), without(model, block, head)(x)
        torch.testing.assert_close(found[:2], wanted[:2], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found[2:], model(x)[2:], rtol=1e-10, atol=1e-12)
        assert not torch.allclose(found[:2], model(x)[:2])
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_the_map_of_a_network_without_heads_is_that_of_the_changed_network() -> None:
    model, x = network(Fused)
    view = with_heads(model, x)
    found = unit_contributions(view, x, target=[0, 1, 2], unit="head")
    assert found.neurons == 2 * HEADS
    size = WIDTH // HEADS
    for image in range(3):
        scores = torch.cat([layer[image].flatten() for layer in found.layers])
        lowest = int(scores.argmin())
        changed = without(model, lowest // HEADS, lowest % HEADS)
        given = x[image : image + 1].clone().requires_grad_()
        (wanted,) = torch.autograd.grad(changed(given)[0, image], given)
        sweep = PruneGrad(view).sweep(x[image : image + 1], None, [1 / (2 * HEADS)], ties="exact",
                                      scores=found[image])  # fmt: skip
        torch.testing.assert_close(sweep.maps[0], wanted, rtol=1e-9, atol=1e-12)
        assert sweep.sparsity[0, 0] == 1 / (2 * HEADS)  # a share of heads, not of their numbers
    assert size == 8


def test_a_heads_score_is_its_signed_sum() -> None:
    """First order: d f / d gate at 1, by central differences of the gate."""
    model, x = network(Whole)
    view = with_heads(model, x)
    found = unit_contributions(view, x, target=2, unit="head")
    step, at = 1e-5, (0, 2)

    def response(scale: float) -> Tensor:
        def gate(index: int, activation: Tensor) -> Tensor:
            if index != at[0]:
                return activation
            factor = torch.ones(1, HEADS, 1, 1, dtype=activation.dtype)
            factor[:, at[1]] = scale
            return activation * factor

        return tape.run(view, x, gate).logits[:, 2]

    slope = (response(1 + step) - response(1 - step)) / (2 * step)
    torch.testing.assert_close(found.layers[0][:, at[1]].flatten(), slope.abs(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("unit", "units", "gone"),
    [("channel", 2 * (HEADS + 24), None), ("head", 2 * HEADS, None), ("mlp", 2, 16 * 24), ("block", 2, None)],
)
def test_units_go_as_one_and_what_is_not_ranked_stays(unit: str, units: int, gone: int | None) -> None:
    model, x = network(Fused)
    view = with_heads(model, x)
    found = unit_contributions(view, x, unit=unit)  # type: ignore[arg-type]
    assert found.neurons == units
    path = found.path(0.5, "exact")
    assert path.meta["unit"] == unit
    assert [layer.shape for layer in path.layers] == [(3, HEADS, 16, 8), (3, 16, 24)] * 2
    heads, mlps = path.layers[0::2], path.layers[1::2]
    if unit == "head":
        assert all(bool(mask.all()) for mask in mlps)
    if unit == "mlp":
        assert all(bool(mask.all()) for mask in heads)
        assert {int(mask[0].sum()) for mask in mlps} == {0, gone}
    if unit == "block":
        for one, other in zip(heads, mlps, strict=True):
            assert torch.equal(one.flatten(1)[:, 0], other.flatten(1)[:, 0])
            assert bool((one == one[:, :1, :1, :1]).all())
    assert all(torch.equal(mask, mask[:, :, :1, :1].expand_as(mask)) for mask in heads)
    single = unit_contributions(view, x[1:2], unit=unit).path(0.5, "exact")  # type: ignore[arg-type]
    assert all(torch.equal(a, b[1:2]) for a, b in zip(single.layers, path.layers, strict=True))


def test_blocks_are_those_of_the_module_tree() -> None:
    model = VisionTransformer(32, 8, 2, 2, 16, 16)
    assert block_of(model, "encoder.layers.encoder_layer_1.mlp.1") == "encoder.layers.encoder_layer_1"
    assert block_of(networks.network("plain"), "1") == "1"


def test_networks_without_heads_say_so() -> None:
    model, x = networks.network("plain"), networks.inputs(1)
    with pytest.raises(ModelError, match="no attention heads"):
        with_heads(model, x)
    with pytest.raises(InputError, match=r"Heads are units of with_heads\(model, inputs\)"):
        unit_contributions(model, x, unit="head")
    with pytest.raises(InputError, match="Expected a unit out of"):
        unit_contributions(model, x, unit="neurons")  # type: ignore[arg-type]


def test_tokens_beside_the_patches_are_called_as_the_network_has_them() -> None:
    small = VisionTransformer(16, 8, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8, num_classes=2)
    assert tokens_of(small) == ("class token",)
    assert tokens_of(nn.Linear(2, 2)) == ()


@pytest.mark.parametrize(
    ("name", "options", "tokens"),
    [
        ("vit_tiny_patch16_224", {}, ("class token",)),
        ("vit_tiny_patch16_224", {"reg_tokens": 2}, ("class token", "register 1", "register 2")),
        (
            "vit_tiny_patch16_224",
            {"reg_tokens": 2, "class_token": False, "global_pool": "avg"},
            ("register 1", "register 2"),
        ),
        ("deit_tiny_distilled_patch16_224", {}, ("class token", "distillation token")),
    ],
)
def test_tokens_of_timms_networks(name: str, options: dict[str, Any], tokens: tuple[str, ...]) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    model = timm.create_model(name, img_size=32, depth=1, **options)
    assert tokens_of(model) == tokens
    assert len(tokens) == model.num_prefix_tokens
