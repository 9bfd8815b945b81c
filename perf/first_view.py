"""The first view on a server that has just come up, in Chromium: when a map is there to drag.

Prints, per server: seconds for the files of Streamlit's page, fetched one after the other by one line, from
navigation until the stored map is drawn, until it has been moved, and until the computed view has taken its
place; and whether the map drawn of it is the stored one's, pixel by pixel (its numbers may differ in their
last bits). The hand waits .3 seconds before it moves. Bar of the project: a map within 2 seconds, and the
same one after it.

    PYTHONPATH=. python perf/first_view.py [--servers 3]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect
from serving import chromium, served

from pruneattr_core.runtime import provenance

PATIENCE = 180_000


def drawn(page: Page) -> str:
    """The map on the screen, as a PNG in text, once it stands still."""
    page.wait_for_timeout(300)
    picture: str = page.locator("[data-ready] canvas[data-panel=map]").first.evaluate(
        "one => one.toDataURL()"
    )
    return picture


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


def visit(browser: Browser, address: str) -> tuple[float, float, float, bool]:
    """Seconds until the map, until it was dragged, until the computed view; whether they are equal."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("[data-ready] [data-panel=map]").first.wait_for()
    shown = time.perf_counter() - start
    stored = drawn(page)
    before = page.locator(".reading").first.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".reading").first).not_to_have_text(before, timeout=PATIENCE)
    dragged = time.perf_counter() - start
    page.get_by_test_id("stMetric").first.wait_for()
    page.locator("[data-complete=true]").first.wait_for()
    live = time.perf_counter() - start
    again = context.new_page()  # the page before stands where it was dragged to
    again.goto(address)
    again.get_by_test_id("stMetric").first.wait_for()
    again.locator("[data-complete=true] [data-panel=map]").first.wait_for()
    computed = drawn(again)
    context.close()
    return shown, dragged, live, stored == computed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=3)
    arguments = parser.parse_args()
    found = []
    with chromium() as browser:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {provenance()}, {browser.version}")
        print(f"{'files':>8} {'map':>8} {'dragged':>8} {'computed':>9}   equal")
        for _ in range(arguments.servers):
            with served() as (_, url):
                found.append(visit(browser, url))
                fetched = files(url)
            shown, dragged, live, equal = found[-1]
            print(f"{fetched:8.3f} {shown:8.2f} {dragged:8.2f} {live:9.2f}   {equal}", flush=True)
    maps = [one[0] for one in found]
    print(f"map: fastest {min(maps):.2f} s, median {statistics.median(maps):.2f} s")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
