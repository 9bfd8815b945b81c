"""The first view on a server that has just come up, in Chromium: when a map is there to see, and to drag.

Prints, per server: seconds for the files of Streamlit's page, fetched one after the other by one line, and
from navigation until a frame with photograph and map has been painted, until a key has moved the slider and
the map with it, until the app's own component stands there (what is before it the page draws by itself), and
until the computed view has taken its place; and whether the map seen first is the computed one, pixel by
pixel (its numbers may differ in their last bits). Then the same for a second visitor of that server. Bar of
the project: a map within 1 second, and the same one after it.

    PYTHONPATH=. python perf/first_view.py [--servers 3]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect
from serving import chromium, served

from pruneattr_core.runtime import provenance

PATIENCE = 180_000
#: A frame that was asked for after now has been painted.
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
#: The map on the screen, as a PNG in text: of whichever component is there.
DRAWN = """() => [...document.querySelectorAll('*')].map(one => one.shadowRoot?.querySelector(
    '[data-ready] canvas[data-panel=map]')).find(Boolean).toDataURL()"""


def files(address: str) -> float:
    """Seconds for the files that the page names, one after the other."""
    parts = urlsplit(address)
    line = HTTPConnection(parts.hostname or "", parts.port)
    line.request("GET", "/")
    named = re.findall(r'"\./(static/[^"]+)"', line.getresponse().read().decode())
    start = time.perf_counter()
    for name in named:
        line.request("GET", f"/{name}")
        line.getresponse().read()
    line.close()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Met:
    """Seconds from navigation, and whether the first map is the computed one."""

    shown: float
    dragged: float
    app: float
    computed: float
    equal: bool

    def __str__(self) -> str:
        return f"{self.shown:8.2f} {self.dragged:9.2f} {self.app:8.2f} {self.computed:9.2f}   {self.equal}"


def visit(browser: Browser, address: str) -> Met:
    """What somebody meets who was never here."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("[data-ready] [data-panel=map]").first.wait_for()
    page.evaluate(PAINTED)
    shown = time.perf_counter() - start
    stored = page.evaluate(DRAWN)
    reading = page.locator(".reading").first
    before = reading.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(reading).not_to_have_text(before, timeout=PATIENCE)
    page.evaluate(PAINTED)
    dragged = time.perf_counter() - start
    page.locator("[data-testid=stMain] [data-ready]").first.wait_for()
    app = time.perf_counter() - start
    expect(reading).not_to_have_text(before)  # it stands where it was dragged to
    page.get_by_test_id("stMetric").first.wait_for()
    page.locator("[data-testid=stMain] [data-complete=true]").first.wait_for()
    live = time.perf_counter() - start
    again = context.new_page()  # the page before stands where it was dragged to
    again.goto(address)
    again.get_by_test_id("stMetric").first.wait_for()
    again.locator("[data-testid=stMain] [data-complete=true] [data-panel=map]").first.wait_for()
    again.wait_for_timeout(300)
    computed = again.evaluate(DRAWN)
    context.close()
    return Met(shown, dragged, app, live, stored == computed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=3)
    arguments = parser.parse_args()
    cold, warm = [], []
    with chromium() as browser:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {provenance()}, {browser.version}")
        print(f"{'':6} {'files':>8} {'shown':>8} {'dragged':>9} {'app':>8} {'computed':>9}   equal")
        for _ in range(arguments.servers):
            with served() as (_, url):
                cold.append(visit(browser, url))
                fetched = files(url)
                print(f"{'first':6} {fetched:8.3f} {cold[-1]}", flush=True)
                warm.append(visit(browser, url))
                print(f"{'second':6} {'':8} {warm[-1]}", flush=True)
    for name, met in (("first", cold), ("second", warm)):
        for what in ("shown", "dragged", "app"):
            times = [getattr(one, what) for one in met]
            middle = statistics.median(times)
            print(f"{name}, {what}: {min(times):.2f} to {max(times):.2f} s, median {middle:.2f} s")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
