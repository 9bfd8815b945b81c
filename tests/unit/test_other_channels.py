"""Networks of one, three or four channels: each is decoded in as many, and drawn in colours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pruneattr_core.analysis.decoding import Recipe, decode
from pruneattr_core.errors import InputError
from pruneattr_core.models import open_model
from pruneattr_core.ui.paths.decoding import Source, decoding_work

CODE = """
from torch import nn

PRUNEATTR = {"size": [12, 16], "mean": [0.5] * CHANNELS, "std": [0.25] * CHANNELS}

def build():
    return nn.Sequential(nn.Conv2d(CHANNELS, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(560, 3))
"""


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_network_is_decoded_in_its_channels(channels: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"CHANNELS = {channels}\n{CODE}")
    network, card = open_model(f"{tmp_path}/mine.py:build")
    engine: Any = SimpleNamespace(network=lambda *_: network)
    chosen: Any = SimpleNamespace(card=card)
    told: list[int] = []
    task: Any = SimpleNamespace(partial=None, tick=lambda done, _: told.append(done))
    one = Source("whole", "Original network", None, None)
    work = decoding_work(engine, SimpleNamespace(model=card.id), chosen, one, 1, Recipe(steps=4), False)  # type: ignore[arg-type]
    drawn = work(task)
    (pixels,) = [value for value in vars(drawn).values() if isinstance(value, np.ndarray)]
    assert pixels.shape == (12, 16, 3)
    assert pixels.dtype == np.uint8
    assert told[-1] == 4
    if channels == 1:
        assert np.array_equal(pixels[..., 0], pixels[..., 2])
    with pytest.raises(InputError, match=r"Expected a size \(C, H, W\) and C of mean and std"):
        decode(network, 1, (channels + 1, 12, 16), card.mean, card.std)
