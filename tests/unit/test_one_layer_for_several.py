"""A head of several layers is made one only where the network then answers as the one that was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from pruneattr_core.errors import WeightsError
from pruneattr_core.models import open_model

MAKE: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "one layer": ("mobilenet_v3_small", lambda: nn.Linear(576, 5)),
    "one in a Sequential": ("mobilenet_v3_small", lambda: nn.Sequential(nn.Dropout(), nn.Linear(576, 5))),
    "a norm below it": (
        "mobilenet_v3_small",
        lambda: nn.Sequential(nn.LayerNorm(576), nn.ReLU(), nn.ReLU(), nn.Linear(576, 5)),
    ),
    "slopes above it": (
        "mobilenet_v3_small",
        lambda: nn.Sequential(nn.Linear(576, 5), nn.Dropout(), nn.Dropout(), nn.PReLU()),
    ),
    "a head cut off within": (
        "mobilenet_v3_small",
        lambda: nn.Sequential(nn.Linear(576, 1024), nn.Hardswish()),
    ),
    "what pools below it": (
        "maxvit_t",
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 5)),
    ),
}
OPENED = {"one layer", "one in a Sequential"}


@pytest.mark.parametrize("what", MAKE)
def test_it_answers_as_it_did_or_is_refused(what: str, tmp_path: Path) -> None:
    name, head = MAKE[what]
    net = get_model(name)
    net.classifier = head()
    torch.save(net.eval().state_dict(), tmp_path / "w.pth")
    if what not in OPENED:
        with pytest.raises(WeightsError, match="does not fit"):
            open_model(f"torchvision/{name}", weights=tmp_path / "w.pth")
        return
    model, card = open_model(f"torchvision/{name}", weights=tmp_path / "w.pth")
    inputs = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(inputs), net(inputs), atol=1e-5)
    assert len(card.classes) == 5
