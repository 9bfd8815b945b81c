"""A network of one's own from a file, on pictures of one's own: explorer, Compare and Paths to the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from perf.serving import faults
from pruneattr_core.datasets.opening import OWN_FOLDER
from pruneattr_core.models.declared import ENVIRONMENT, SETTINGS
from tests.browser.serving import serving
from tests.browser.waiting import until

Settled = Callable[[Page], None]

CODE = '''
import torch
import torch.nn.functional as F
from torch import nn

PRUNEATTR = {"classes": ["left", "right"], "size": (32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3}

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attn(y, y, y)[0]
        return x + self.mlp(x)

class Tokens(nn.Module):
    """A class token and two registers before 4 x 4 patches."""

    def __init__(self):
        super().__init__()
        self.patches, self.block, self.head = nn.Conv2d(3, 16, 8, 8), Block(), nn.Linear(16, 2)
        self.first = nn.Parameter(torch.randn(1, 3, 16))
        nn.init.normal_(self.head.weight)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.block(torch.cat([self.first.expand(len(x), -1, -1), x], 1))[:, 0])

class Module(nn.Module):
    """Shaped as a LightningModule: the network inside, what training needs beside it."""

    def __init__(self, lr=1e-3):
        super().__init__()
        self.model, self.lr, self.trainer = Tokens(), lr, None

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, index):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    for at, label in enumerate(("left", "right")):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        (tmp_path / "pictures" / "masks" / label).mkdir(parents=True)
        pixels = np.random.default_rng(at).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{label}.png")
        mask = np.zeros((40, 40), np.uint8)
        mask[:, 20 * at : 20 * at + 20] = 255
        Image.fromarray(mask).save(tmp_path / "pictures" / "masks" / label / f"{label}.png")
    monkeypatch.setenv(ENVIRONMENT, f"{tmp_path}/mine.py:Module")
    monkeypatch.setenv(SETTINGS, str(tmp_path / "none.toml"))
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path / "pictures"))
    return tmp_path


def test_from_file_to_maps(page: Page, chromium: str, place: Path, settled: Settled, artefacts: Path) -> None:
    with serving(place / "log.txt") as app:
        page.goto(f"{app.url}/?model={place}/mine.py:Module&source=folder")
        expect(page.locator("[data-complete=true]")).to_have_count(1)
        expect(page.locator("[data-panel=photo]")).to_have_attribute("aria-label", re.compile("left"))
        expect(page.get_by_role("radio", name="left/left.png")).to_be_checked()
        expect(page.locator(".reading")).to_contain_text("of 456 neurons left")  # 19 tokens of 24 features
        words = page.get_by_text("gelu is smooth")  # what the papers do not promise of it
        expect(words).to_contain_text("multi_head_attention_forward multiply or divide")

        page.get_by_text("Channels, heads", exact=True).click()
        expect(page.locator(".reading")).to_contain_text("of 26 channels and heads left")  # and two heads
        expect(page.locator("[data-complete=true]")).to_have_count(1)
        settled(page)
        page.screenshot(path=artefacts / "own-network.png")

        page.get_by_role("link", name="Critical paths").click()
        expect(page.get_by_role("heading", name="Critical paths")).to_be_visible()
        page.get_by_text("Where it lives", exact=True).click()
        expect(page.get_by_text("All features of model.block.mlp.1, token by token")).to_be_visible()
        expect(page.get_by_text("Share of features kept")).to_contain_text("class token")
        expect(page.get_by_text("Share of features kept")).to_contain_text("register 2")
        page.screenshot(path=artefacts / "own-network-paths.png")

        page.get_by_role("link", name="Compare").click()
        expect(page.locator(".compare[data-complete=true]")).to_have_count(1)
        until(page, lambda: page.locator(".compare .cell.ready").count() > 4)
        page.screenshot(path=artefacts / "own-network-compare.png")
        assert faults(app.said()) == ""
