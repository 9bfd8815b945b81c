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

from pruneattr_core import PruneGrad, load_model, model_card
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


def measure(page: Page, repeats: int) -> tuple[list[float], list[float], list[float]]:
    """Of each map: milliseconds, its largest difference to torch's, how far its share is from the one asked.

    Differences are shares of the map's largest value. The page cuts where two neighbouring scores are
    furthest apart, near the share that is asked; torch is asked for the share that the page says.
    """
    card, model = model_card("scenes-net"), load_model("scenes-net")
    x = card.preprocess(load_dataset("scenes")[0].image)
    said = page.locator("#said")
    expect(said).to_contain_text("removed", timeout=120_000)
    print(f"the first map took {float(said.get_attribute('data-took') or 'nan'):.0f} ms")
    target = page.evaluate("() => globalThis.pruneattr.target")
    took, apart, off = [], [], []
    for k in range(repeats):
        share = (40 + 3 * k % 59) / 100  # never the same place twice running
        page.evaluate(MOVE, share)
        expect(said).to_have_attribute("data-share", str(share), timeout=120_000)
        took.append(float(said.get_attribute("data-took") or "nan"))
        drawn = torch.tensor(page.evaluate(DATA, "map")).view_as(x)
        reached = page.evaluate("() => globalThis.pruneattr.reached")
        wanted = PruneGrad(model).attribute(x, target, sparsity=reached, of="contributing")
        apart.append(float((drawn - wanted).abs().max() / wanted.abs().max()))
        off.append(abs(reached - share))
    return took, apart, off


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
        took, apart, off = measure(page, repeats)
        server.shutdown()
    quarter, half, more = statistics.quantiles(took)
    print(
        f"{repeats} maps of scenes-net: median {half:.0f} ms, quartiles {quarter:.0f} and {more:.0f}, "
        f"slowest {max(took):.0f}; load of the machine {before:.1f}"
    )
    print(
        f"largest difference to torch: {max(apart):.0e} of a map's largest value, over all {repeats}; the "
        f"cut lies at most {max(off):.4f} of the contributing neurons from the share that was asked"
    )


if __name__ == "__main__":
    main()
