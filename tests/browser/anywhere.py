"""Presses at random places of every page, fast: on whatever is drawn there, and on keys.

Nothing may be wrong in the browser's console, on the screen or in the server's log. The walker
(`tests.browser.walker`) presses what it knows, and waits; this knows nothing, and hardly waits.

    python -m tests.browser.anywhere --seconds 50 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import deque
from contextlib import suppress

from playwright.sync_api import Error, Page, TimeoutError

from perf.serving import faults
from tests.browser.says import SAYS
from tests.browser.serving import browsing, complaints

SMALL = "model=scenes-net&source=scenes"
PAGES = (
    *(f"/{name}?{SMALL}" for name in ("", "compare", "sanity", "removal", "paths", "decoding")),
    *("/review", "/benchmarks", "/reproduction", "/lessons?lesson=1-local-or-global"),
)
KEYS = (
    *("ArrowLeft", "ArrowRight", "ArrowDown", "Enter", "Escape", " ", "Tab", "PageDown", "Home", "End"),
    *"+-0nb1fgjkz",
)
#: Where something is drawn in the main part, whose text is no file's.
PLACES = """() => {
  const roots = [document];
  for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  const inMain = node => Boolean(node && (node.closest('[data-testid=stMain]') || inMain(node.getRootNode().host)));
  const drawn = 'button, [role=radio], [role=slider], input, canvas, svg, img, summary, label, th, td, [tabindex]';
  return roots.flatMap(root => [...root.querySelectorAll(drawn)])
    .filter(node => inMain(node) && node.checkVisibility() && !/CSV|HTML|PDF|PNG|SVG|JSON|Download|Import/.test(node.innerText ?? ''))
    .map(node => node.getBoundingClientRect()).filter(box => box.width > 4 && box.height > 4 && box.top > 0 && box.top < innerHeight)
    .map(box => [box.x, box.y, box.width, box.height]);
}"""  # noqa: E501


def press(page: Page, chance: random.Random) -> str:
    """One press, somewhere; what."""
    places = page.evaluate(PLACES)
    if not places:
        return "nothing is there"
    left, top, width, height = chance.choice(places)
    x, y = left + chance.random() * width, top + chance.random() * height
    kind = chance.choices(("click", "twice", "drag", "wheel", "key"), (55, 10, 15, 8, 12))[0]
    if kind == "click":
        page.mouse.click(x, y)
    elif kind == "twice":
        page.mouse.dblclick(x, y)
    elif kind == "wheel":
        page.mouse.move(x, y)
        page.mouse.wheel(0, chance.choice((-300, 300, 120)))
    elif kind == "drag":
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + chance.randrange(-200, 200), y + chance.randrange(-30, 30), steps=3)
        page.mouse.up()
    else:
        kind = chance.choice(KEYS)
        page.keyboard.press(kind)
    return f"{kind} at {x:.0f}, {y:.0f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=50, help="on each page")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, wrong = random.Random(options.seed), 0
    with browsing() as (served, browser):
        for path in PAGES:
            page, way, presses, logged = browser.new_page(), deque[str](maxlen=8), 0, len(served.said())
            said, end = complaints(page, served.url), time.monotonic() + options.seconds
            page.goto(served.url + path)
            while time.monotonic() < end:
                with suppress(Error, TimeoutError):  # the page is just being replaced
                    if path.partition("?")[0] not in page.url:
                        page.goto(served.url + path)
                    way.append(press(page, chance))
                    presses += 1
                    time.sleep(chance.choice((0, 0.05, 0.2, 0.5)))
                    now = page.evaluate(SAYS)
                    told = [*said, *now["errors"], *(now["body"] or ()), *faults(served.said()[logged:])]
                    if told:
                        wrong += 1
                        print(f"FAULT on {path}: {told}\n  {'; '.join(way)}\n  at {page.url}", flush=True)
                        said.clear()
                        logged = len(served.said())
                        page.goto(served.url + path)
            print(f"{path}: {presses} presses", flush=True)
            page.close()
    sys.exit(f"{wrong} faults" if wrong else 0)


if __name__ == "__main__":
    main()
