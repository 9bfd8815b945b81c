"""Comparisons by numpy and gates by way of bytes: what torch's plain words give, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneattr_core.selection import _SAMPLE, higher, is_zero, masked, order_statistics

SPECIAL = (0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e-45)
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def values(layout: torch.memory_format, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers of every kind, (2, 4, 6, 5)."""
    drawn = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0)).flatten()
    drawn[: len(SPECIAL)] = torch.tensor(SPECIAL)
    return drawn.view(2, 4, 6, 5).to(dtype).contiguous(memory_format=layout)


def bits(given: Tensor) -> Tensor:
    """The values' own bits: NaN equals itself, -0 is not 0."""
    return given.view(torch.int32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_compares_as_torch_does_in_the_layout_of_the_values(
    layout: torch.memory_format, dtype: torch.dtype
) -> None:
    given = values(layout, dtype)
    than = torch.tensor([0.25, -0.5], dtype=dtype).view(2, 1, 1, 1)
    for ours, plain in ((higher(given, than), given > than), (is_zero(given), given == 0)):
        assert ours.dtype == torch.bool
        assert torch.equal(ours, plain)
        assert ours.stride() == plain.stride() == given.stride()


def test_compares_what_wants_a_gradient_and_one_value_alone() -> None:
    given = values(torch.contiguous_format).requires_grad_()
    assert not higher(given, given).any()
    assert not is_zero(given).requires_grad
    assert is_zero(torch.tensor(0.0)).shape == ()
    assert bool(is_zero(torch.tensor(-0.0)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_mask", LAYOUTS)
def test_a_gate_multiplies_and_keeps_the_layout_of_the_values(
    layout: torch.memory_format, of_mask: torch.memory_format
) -> None:
    given = values(layout)
    before = given.clone()
    mask = (torch.rand(given.shape, generator=torch.Generator().manual_seed(1)) < 0.5).contiguous(
        memory_format=of_mask
    )
    ours, plain = masked(given, mask), given * mask
    assert torch.equal(ours.view(torch.int32), plain.view(torch.int32)), (
        "0 times inf is NaN, -1 times 0 is -0"
    )
    assert ours.stride() == given.stride(), "a convolution that follows would take another way"
    assert torch.equal(given.view(torch.int32), before.view(torch.int32)), (
        "the activation is the network's own"
    )
    assert ours.untyped_storage().data_ptr() != mask.untyped_storage().data_ptr()


@pytest.mark.parametrize("sampled", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_rank_is_right_where_the_sample_misleads(sampled: float, share: float) -> None:
    """Every value of the sample is another than those around it: too small, within them, too large."""
    count = 5 * _SAMPLE
    row = torch.rand(1, count, generator=torch.Generator().manual_seed(2)) + 0.5
    row[:, :: count // _SAMPLE | 1] = sampled
    rank = round(share * (count - 1))
    found = order_statistics([row], torch.tensor([[rank]]))
    assert found.item() == row.flatten().sort().values[rank].item()
