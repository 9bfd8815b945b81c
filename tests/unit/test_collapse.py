"""From channels to one map."""

from __future__ import annotations

import pytest
import torch

from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.errors import InputError


def test_rules_by_hand() -> None:
    a = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 2.0, 0.0]]).t().reshape(1, 3, 1, 2)
    assert collapse(a).flatten().tolist() == [3, -4]
    assert collapse(a, "abs_sum").flatten().tolist() == [6, 6]
    assert collapse(a, "sum").flatten().tolist() == [2, -2]
    assert collapse(a, "channel1").flatten().tolist() == [-2, 2]
    assert collapse(torch.tensor([-2.0, 2.0]).reshape(1, 2, 1, 1)).item() == 2


def test_unknown_rules_are_named() -> None:
    for how in ("max", "channel3"):
        with pytest.raises(InputError, match="channel2"):
            collapse(torch.zeros(1, 3, 2, 2), how)
    with pytest.raises(InputError, match="B, C, H, W"):
        collapse(torch.zeros(3, 2, 2))
