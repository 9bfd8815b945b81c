"""Time a map of PruneGrad in the browser alone, beside its difference to torch.

`PYTHONPATH=. python perf/in_browser.py` builds the page on which networks run, opens it in Chromium from
a plain file server and moves its slider; one thread of WebAssembly. Needs npm, once, and a quiet
machine: these are seconds on the wall.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from playwright.sync_api import Page, expect
from serving import chromium
from torch import Tensor

from pruneattr_core import PruneGrad, contributions, load_model, model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.gallery import browser_page

DATA = "name => Array.from(globalThis.pruneattr[name].data)"
MOVE = "share => { const box = document.getElementById('share'); box.value = share; \
box.dispatchEvent(new Event('input')); }"


class Host(SimpleHTTPRequestHandler):
    """A static host that knows WebAssembly and says nothing."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


def measure(page: Page, repeats: int) -> tuple[list[float], list[float], list[int]]:
    """Of each map: milliseconds, largest difference to torch's, neurons on the other side of the threshold.

    Scores of the two differ in their last bits; where one lies that near the threshold, it goes here and
    stays there, and the maps are of two paths.
    """
    card, model = model_card("scenes-net"), load_model("scenes-net")
    x = card.preprocess(load_dataset("scenes")[0].image)
    said = page.locator("#said")
    expect(said).to_contain_text("removed", timeout=120_000)
    print(f"the first map took {float(said.get_attribute('data-took') or 'nan'):.0f} ms")
    target = page.evaluate("() => globalThis.pruneattr.target")
    scores = contributions(model, x, target)
    ours = torch.cat([layer.flatten() for layer in scores.layers])
    theirs = torch.tensor(page.evaluate(DATA, "scores"))
    took, apart, moved = [], [], []
    for k in range(repeats):
        share = (40 + 3 * k % 59) / 100  # never the same place twice running
        page.evaluate(MOVE, share)
        expect(said).to_have_attribute("data-share", str(share), timeout=120_000)
        took.append(float(said.get_attribute("data-took") or "nan"))
        drawn = torch.tensor(page.evaluate(DATA, "map")).view_as(x)
        wanted = PruneGrad(model).attribute(x, target, sparsity=share, of="contributing")
        apart.append(float((drawn - wanted).abs().max()))
        kept = [one > _threshold(one, share) for one in (ours, theirs)]
        moved.append(int((kept[0] != kept[1]).sum()))
    return took, apart, moved


def _threshold(scores: Tensor, share: float) -> Tensor:
    """The largest score that goes, as the page counts."""
    order, silent = scores.sort().values, int((scores == 0).sum())
    return order[silent + int(share * (len(order) - silent - 1))]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        browser_page(Path(scratch))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=scratch))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}")
        before = os.getloadavg()[0]
        took, apart, moved = measure(page, repeats)
        server.shutdown()
    quarter, half, more = statistics.quantiles(took)
    print(
        f"{repeats} maps of scenes-net: median {half:.0f} ms, quartiles {quarter:.0f} and {more:.0f}, "
        f"slowest {max(took):.0f}; load of the machine {before:.1f}"
    )
    same = [one for one, neurons in zip(apart, moved, strict=True) if not neurons]
    other = [one for one, neurons in zip(apart, moved, strict=True) if neurons]
    print(
        f"largest difference to torch: {max(same, default=0):.0e} on {len(same)} maps of the same neurons, "
        f"{max(other, default=0):.0e} on {len(other)} where up to {max(moved)} of all neurons lie so near "
        "the threshold that the last bit of their score decides"
    )


if __name__ == "__main__":
    main()
