"""Does a long review grow the server? 500 pictures by 5 networks, judged by keyboard in Chromium.

Starts the app, opens the review desk, gives a verdict on every picture and turns every page. Prints the
resident memory of the server's process after each 50 pictures, the browser's JavaScript heap, the seconds a
page took, and the bar: memory after 500 at most 1.3 times that after 50.

    PYTHONPATH=. python perf/review_memory.py [--method gradcam] [--pictures 500] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect
from serving import chromium, resident, served

from pruneattr_core.compression.review_verdicts import load_review
from pruneattr_core.runtime import provenance
from pruneattr_core.ui.review.lineup import first_students, zoo

ROWS, BAR, NAME = 6, 1.3, "memory"


def judge_page(page: Page, number: int, rows: int) -> float:
    """Verdicts on all rows of a page; seconds until the next page is complete."""
    desk = page.locator(f".review[data-page='{number}'][data-complete=true]")
    start = time.perf_counter()
    desk.wait_for(timeout=120_000)
    seconds = time.perf_counter() - start
    desk.locator(".row").first.focus()
    for row in range(rows):
        page.keyboard.press("123"[(number + row) % 3])
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    teacher, (_, students) = next(iter(zoo().items()))
    chosen = list(dict.fromkeys([*first_students(students), *(one.id for one in students)]))[:4]
    home = tempfile.mkdtemp()
    os.environ["XDG_DATA_HOME"] = home
    memory: dict[int, float] = {}
    heap: dict[int, float] = {}
    waits: list[float] = []
    try:
        with served() as (server, url), chromium() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            names = ",".join(chosen)
            query = f"students={names}&desk_count=500&review={NAME}&desk_method={arguments.method}"
            page.goto(f"{url}/review?{query}")
            pages = -(-arguments.pictures // ROWS)
            for number in range(1, pages + 1):
                rows = min(ROWS, arguments.pictures - (number - 1) * ROWS)
                waits.append(judge_page(page, number, rows))
                done = min(number * ROWS, arguments.pictures)
                if done // 50 > (done - rows) // 50 or done == arguments.pictures:
                    expect(page.get_by_text(f"{done} of 500")).to_be_visible(timeout=30_000)
                    memory[done] = resident(server.pid)
                    heap[done] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
                    print(f"{done:4d} pictures: server {memory[done]:.0f} MB, browser {heap[done]:.0f} MB")
        saved = len(load_review(NAME))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    first, last = memory[min(memory)], memory[max(memory)]
    print(f"{1 + len(chosen)} networks: {teacher}, {', '.join(chosen)}")
    print(f"method {arguments.method}, {saved} verdicts saved")
    print(f"wait for a page: median {statistics.median(waits):.2f} s, longest {max(waits):.2f} s")
    print(f"memory after {max(memory)} / after {min(memory)}: {last / first:.3f} (bar {BAR})")
    if arguments.out:
        result = {
            "memory_mb": memory,
            "heap_mb": heap,
            "wait_s": statistics.median(waits),
            "ratio": last / first,
        }
        result |= {"networks": [teacher, *chosen], "method": arguments.method, "verdicts": saved}
        arguments.out.write_text(json.dumps({**result, "made_with": provenance("cpu")}, indent=1) + "\n")
    if last > BAR * first or saved != arguments.pictures:
        raise SystemExit("the bar is missed")


if __name__ == "__main__":
    main()
