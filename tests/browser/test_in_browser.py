"""PruneGrad in the browser alone: the gallery's page on a plain file server, against torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from pruneattr_core import PruneGrad, load_model, model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.gallery import browser_page

DATA = "name => Array.from(globalThis.pruneattr[name].data)"


class Quiet(SimpleHTTPRequestHandler):
    """A static host."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        kinds = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return kinds.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def static(tmp_path: Path) -> Iterator[str]:
    """The page on a static host."""
    folder = tmp_path / "browser"
    try:
        browser_page(folder)
    except PruneAttrError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_map_is_torch_s_and_nothing_is_asked_elsewhere(
    static: str, page: Page, artefacts: Path, tmp_path: Path
) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(static)
    said = page.locator("#said")
    expect(said).to_contain_text("80 % removed")
    card, model = model_card("scenes-net"), load_model("scenes-net")
    x = card.preprocess(load_dataset("scenes")[0].image)
    np.testing.assert_allclose(np.array(page.evaluate(DATA, "inputs")), x.flatten(), atol=1e-6)
    for share, keys in ((0.8, ""), (0.99, "End")):
        if keys:
            page.get_by_role("slider").press(keys)
            expect(said).to_contain_text("99 % removed")
        drawn = torch.tensor(page.evaluate(DATA, "map")).view_as(x)
        target = page.evaluate("() => globalThis.pruneattr.target")
        reached = page.evaluate("() => globalThis.pruneattr.reached")
        assert abs(reached - share) < 0.002
        expected = PruneGrad(model).attribute(x, target, sparsity=reached, of="contributing")
        assert float((drawn - expected).abs().max()) <= 1e-5
    page.screenshot(path=artefacts / "in-browser.png")
    print("a map took", said.get_attribute("data-took"), "ms")
    mine = tmp_path / "mine.png"
    load_dataset("scenes")[3].image.save(mine)
    page.locator("#file").set_input_files(mine)
    expect(said).to_contain_text("star")
    page.locator("#file").set_input_files([])
    page.get_by_label("Network").select_option(model_card("resnet8-cifar10").title)
    expect(said).to_contain_text("cat")
    seen = torch.tensor(page.evaluate(DATA, "inputs")).view(1, 3, 32, 32)
    answer = load_model("resnet8-cifar10")(seen).argmax()
    assert page.evaluate("() => globalThis.pruneattr.target") == int(answer)
    assert hosts - {""} == {urlsplit(static).netloc}
