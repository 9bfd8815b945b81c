"""How long each page takes to show something, in Chromium, on the real app, measured from outside.

Prints seconds from navigation until the frame (the menu of pages) is drawn and until the page's first result
is: for a server that has just come up, a new one for every page (and for how long it had a core till then),
and for that server in use, where another visitor has seen the page before. Every visit has an empty browser
cache. Bar of the project: 5 seconds to the first result on every page of a server that has just come up.

    PYTHONPATH=. python perf/first_screen.py [--pages explore removal ...] [--visits 3]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path

from playwright.sync_api import Browser, Page, TimeoutError
from serving import chromium, served

from pruneattr_core.runtime import provenance

FRAME = "[data-testid=stSidebarNavLink]"
CHART = ".js-plotly-plot .main-svg"
#: Page -> (path, what shows its first result).
PAGES = {
    # Maps and numbers are stored, see perf/first_view.py: the answer is computed first, every level last.
    "explore": ("/", "[data-testid=stSidebar] [data-testid=stImage] img"),
    "all levels": ("/", "[data-testid=stDownloadButton]"),
    "compare": ("/compare", ".compare .cell.ready canvas"),
    "paths": ("/paths", "[data-testid=stMain] img"),  # what the path sees; its curves follow
    "decoding": ("/decoding", "[data-testid=stMain] img"),
    "benchmarks": ("/benchmarks", CHART),
    "sanity": ("/sanity", ".stage[data-ready] .card.ready canvas"),
    "removal": ("/removal", ".stage[data-ready] .card.ready canvas"),
    "review": ("/review", ".review .cell.ready canvas"),
    "reproduction": ("/reproduction", CHART),
    "lessons": ("/lessons", ".st-key-begin_1-local-or-global button"),
}
PATIENCE = 300_000


def worked(pid: int) -> float:
    """Seconds that a process has had a core, in all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def visit(browser: Browser, address: str, result: str, last: bool) -> tuple[float, float]:
    """Seconds until the frame, and until the first result (inf: not seen), for one who was never here.

    Args:
        browser: which.
        address: of the page.
        result: what shows it.
        last: nobody comes after, who would meet what is still being computed.
    """
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(FRAME).first.wait_for(timeout=PATIENCE)
    frame = time.perf_counter() - start
    try:
        page.locator(result).first.wait_for(timeout=PATIENCE)
        seconds = time.perf_counter() - start
    except TimeoutError:
        seconds = float("inf")
    if not last:
        settle(page)
    page.close()
    return frame, seconds


def settle(page: Page, quiet: int = 4, most: float = 90) -> None:
    """Wait until nothing runs, so that the next visit does not meet what this one is still computing."""
    still, end = 0, time.monotonic() + most
    while still < quiet and time.monotonic() < end:
        state = page.get_by_test_id("stApp").get_attribute("data-test-script-state")
        still = still + 1 if state == "notRunning" else 0
        page.wait_for_timeout(500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=list(PAGES))
    parser.add_argument("--visits", type=int, default=3, help="to the server in use; their median is printed")
    arguments = parser.parse_args()
    with chromium() as browser:
        versions = provenance() | {"streamlit": metadata.version("streamlit"), "chromium": browser.version}
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {versions}")
        print(time.strftime("%Y-%m-%d %H:%M UTC, seconds", time.gmtime()))
        print(f"{'':12} {'server just started':>31} {'server in use':>22} {'':>10}")
        print(
            f"{'page':12} {'frame':>10} {'result':>11} {'work':>8} {'frame':>10} {'result':>11} {'load':>10}"
        )
        for name in arguments.pages:
            path, result = PAGES[name]
            with served() as (server, url):
                before = worked(server.pid)
                first = visit(browser, url + path, result, not arguments.visits)
                work = worked(server.pid) - before
                later = [visit(browser, url + path, result, False) for _ in range(arguments.visits)]
            used = [statistics.median(column) for column in zip(*later, strict=True)] or [float("nan")] * 2
            print(
                f"{name:12} {first[0]:10.2f} {first[1]:11.2f} {work:8.2f} {used[0]:10.2f} {used[1]:11.2f} "
                f"{os.getloadavg()[0]:10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
