"""Networks that are not ours, to the end: one from a user's file, DeiT-tiny and ConvNeXt of the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from perf.serving import faults
from pruneattr_core.datasets.opening import OWN_FOLDER
from pruneattr_core.models.declared import ENVIRONMENT, SETTINGS
from tests.browser.serving import Served, serving
from tests.browser.waiting import painted, until

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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a network, pictures with masks, and what huggingface_hub keeps."""
    place = tmp_path_factory.mktemp("own")
    (place / "mine.py").write_text(CODE)
    for at, label in enumerate(("left", "right")):
        (place / "pictures" / label).mkdir(parents=True)
        (place / "pictures" / "masks" / label).mkdir(parents=True)
        pixels = np.random.default_rng(at).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "pictures" / label / f"{label}.png")
        mask = np.zeros((40, 40), np.uint8)
        mask[:, 20 * at : 20 * at + 20] = 255
        Image.fromarray(mask).save(place / "pictures" / "masks" / label / f"{label}.png")
    return place


@pytest.fixture(scope="module")
def app(chromium: str, place: Path) -> Iterator[Served]:
    """A server that may run that file; afterwards its log must hold no fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, f"{place}/mine.py:Module")
        patch.setenv(SETTINGS, str(place / "none.toml"))
        patch.setenv(OWN_FOLDER, str(place / "pictures"))
        patch.setenv("HF_HUB_CACHE", str(place / "hub"))
        with serving(place / "log.txt") as served:
            yield served
            assert faults(served.said()) == ""


def test_from_file_to_maps(page: Page, app: Served, place: Path, settled: Settled, artefacts: Path) -> None:
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
    heading = page.get_by_text("All features of model.block.mlp.1, token by token")
    expect(heading.first).to_be_visible()  # that of the run before may still stand beside it
    settled(page)  # while a run moves the lines, one stands twice
    expect(page.get_by_text("Share of features kept")).to_contain_text("class token")
    expect(page.get_by_text("Share of features kept")).to_contain_text("register 2")
    page.screenshot(path=artefacts / "own-network-paths.png")

    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".compare[data-complete=true]")).to_have_count(1)
    # A busy machine leaves what takes many passes to a button.
    until(page, lambda: page.locator(".compare .cell.ready, .compare .cell.dear").count() > 4)
    expect(page.locator(".compare .cell.ready").first).to_be_visible()
    page.screenshot(path=artefacts / "own-network-compare.png")


def hubbed(place: Path) -> None:
    """Networks of timm at 64x64 with random weights, as huggingface_hub keeps what it has fetched."""
    timm = pytest.importorskip("timm", reason="timm is not installed (requirements-dev.txt)")
    torch.manual_seed(0)
    small = {"depths": (1, 1, 1, 1), "dims": (16, 24, 32, 48)}
    for name, architecture, options, head in (
        ("deit", "deit_tiny_patch16_224", {"img_size": 64}, "head"),
        ("convnext", "convnext_atto", small, "head.fc"),
    ):
        network = timm.create_model(architecture, num_classes=3, **options).eval()
        torch.nn.init.normal_(network.get_submodule(head).weight)
        network.pretrained_cfg["input_size"] = (3, 64, 64)
        repository = place / "hub" / f"models--random--{name}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("abc")
        said = {"num_classes": 3, "label_names": ["left", "right", "up"], "model_args": options}
        timm.models.save_for_hf(
            network, str(repository / "snapshots" / "abc"), model_config=said, safe_serialization=True
        )


def test_tokens_and_convnext_of_the_hub(
    page: Page, app: Served, place: Path, settled: Settled, artefacts: Path
) -> None:
    hubbed(place)
    for name, neurons, units, promise in (
        (
            "deit",
            12 * 17 * 768,
            "9,252 channels and heads",
            "scaled_dot_product_attention multiply or divide",
        ),
        ("convnext", 4 * (16 * 256 + 24 * 64 + 32 * 16 + 48 * 4), "", "gelu is smooth"),
    ):
        page.goto(f"{app.url}/?model=hf-hub:random/{name}&source=folder")
        scrubber, reading = page.locator("[data-complete=true]"), page.locator(".reading")
        expect(scrubber).to_have_count(1)
        expect(reading).to_contain_text(f"of {neurons:,} neurons left")
        expect(page.get_by_text("gelu is smooth")).to_contain_text(promise)
        expect(page.get_by_text("gelu is smooth")).to_contain_text("the slope at this very picture")
        slider, box = page.get_by_role("slider", name="Sparsity", exact=True), None
        settled(page)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 2, y)
        page.mouse.down()
        seen = set()
        for step in range(1, 11):
            page.mouse.move(box["x"] + 13 + (box["width"] - 26) * step / 10, y)
            painted(page)
            seen.add(scrubber.get_attribute("data-level"))
        page.mouse.up()
        assert len(seen) > 5, seen
        page.wait_for_url(re.compile("at=0[.]9"))
        expect(page.get_by_test_id("stMetric").first).to_contain_text(f"of {neurons:,}")
        page.screenshot(path=artefacts / f"hub-{name}.png")
        if units:
            page.get_by_text("Channels, heads", exact=True).click()
            expect(reading).to_contain_text(f"of {units} left")
            expect(scrubber).to_have_count(1)
            settled(page)
            page.screenshot(path=artefacts / f"hub-{name}-heads.png")
        else:
            expect(page.get_by_text("Channels, heads", exact=True)).to_have_count(0)
