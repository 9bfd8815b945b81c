"""How fast the pages with a scrubber are in Chromium, on the real app, measured from outside.

Prints: time from opening the page to the first map (server just started, and server in use), and from an
input event of the slider to the first animation frame in which the pixels of all watched maps have changed,
for a mouse drag and for the keyboard; with the number of websocket frames and requests sent meanwhile.
Before that, without this watching of pixels: the time between frames under a drag, and the processor time of
the page's main thread for each, which hardly depends on what else the machine does.

    PYTHONPATH=. python perf/scrubber_latency.py [--page explorer|compare|removal|sanity] [--address "/?..."]

With TORCH_HOME=../shared/data/torch_home, Compare is measured on SqueezeNet with nine maps that follow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

from playwright.sync_api import Locator, Page
from serving import chromium, served


@dataclass(frozen=True)
class View:
    """What is measured on a page.

    Attributes:
        address: path of the page.
        slider: beginning of its accessible name.
        canvas: selector of the pictures that are watched; all of them have to change.
        whole: selector of what appears when everything is computed.
    """

    address: str
    slider: str
    canvas: str
    whole: str


#: Nine entries of Compare that move with the hand.
NINE = (
    *("prunegrad", "prunegrad~mode=freeze", "prunegrad~contribution=intgrad", "prunegrad~ties=exact"),
    *("prunegrad~mode=freeze~contribution=intgrad", "neuron_intgrad", "neuron_intgrad~mode=freeze"),
    *("prunegrad_mid", "prunegrad_mid~mode=freeze"),
)
VIEWS = {
    "explorer": View("/", "Sparsity", "[data-panel=map]", "[data-testid=stMetric]"),
    "compare": View(
        f"/compare?model=torchvision/squeezenet1_0&source=samples&methods={','.join(NINE)}",
        "Sparsity of the maps",
        ".cell.ready button.frame canvas",
        ".compare[data-complete=true]",
    ),
    "removal": View("/removal", "Fraction of pixels", ".card canvas", ".stage[data-complete=true]"),
    "sanity": View("/sanity", "Randomised", ".card canvas", ".stage[data-complete=true]"),
}

# Installed on the slider: looks at the map in every frame. A change counts from the oldest input event since
# the frame before, or, when no event came since, from the last one. Events that stay on their level change
# nothing and do not count.
PROBE = """(slider, watched) => {
  const maps = () => [...slider.getRootNode().querySelectorAll(watched)];   // a run puts others in their place
  const sum = canvas => {
    let s = 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer, pixels = new Uint32Array(data);
    for (let i = 0; i < pixels.length; i++) s = (s * 31 + pixels[i]) | 0;
    return s;
  };
  let before = maps().map(sum), oldest = null, last = 0;
  window.latencies = [];
  window.partly = 0;   // frames in which some maps changed and others did not
  const note = event => { last = event.timeStamp; oldest ??= last; };
  slider.addEventListener('input', note);
  slider.addEventListener('keydown', note);
  const look = () => {
    const now = performance.now(), after = maps().map(sum), changed = after.filter((value, k) => value !== before[k]).length;
    if (changed === after.length) window.latencies.push(now - (oldest ?? last));
    else if (changed) window.partly++;
    before = after; oldest = null;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  return before.length;
}"""  # noqa: E501


# Milliseconds between frames from now on.
FRAMES = """() => {
  let before = 0;
  window.between = [];
  const look = now => { if (before) window.between.push(now - before); before = now; requestAnimationFrame(look); };
  requestAnimationFrame(look);
}"""  # noqa: E501


def first_map(page: Page, url: str) -> float:
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator("[data-ready]").wait_for(timeout=300_000)
    return time.perf_counter() - start


class Traffic:
    """Counts what a page sends: websocket frames and requests."""

    def __init__(self, page: Page) -> None:
        self.frames = 0
        self.requests: list[str] = []
        page.on("websocket", lambda connection: connection.on("framesent", lambda _: self.frame()))
        page.on("request", lambda request: self.requests.append(request.url))

    def frame(self) -> None:
        """One more websocket frame."""
        self.frames += 1


def _drag(page: Page, slider: Locator) -> None:
    """Along the whole slider, without letting go."""
    box = slider.bounding_box()
    assert box is not None
    y, left, width = box["y"] + box["height"] / 2, box["x"] + 13, box["width"] - 26
    page.mouse.move(left, y)
    page.mouse.down()
    for step in range(1, 81):
        page.mouse.move(left + width * step / 80, y)
        page.wait_for_timeout(12)


def all_of_it(page: Page, view: View) -> None:
    """Ask for what the page leaves out as expensive, and wait until all is there and stays."""
    ask, stop = (page.get_by_role("button", name=name, exact=True) for name in ("Compute", "Cancel"))
    still, asked = 0, False
    while still < 8:
        page.wait_for_timeout(500)
        if ask.count() and not asked:
            ask.click()
            asked = True
        still = 0 if ask.count() or stop.count() or not page.locator(view.whole).count() else still + 1


def frames_under_a_drag(page: Page, view: View) -> tuple[list[float], float]:
    """Milliseconds between frames, and of the main thread's processor time a frame."""
    slider = page.get_by_role("slider", name=view.slider)
    slider.scroll_into_view_if_needed()
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})

    def used() -> float:
        metrics = clock.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    page.evaluate(FRAMES)
    before = used()
    _drag(page, slider)
    after, found = used(), page.evaluate("window.between")
    page.mouse.up()
    clock.detach()
    return found, 1000 * (after - before) / len(found)


def measure(page: Page, view: View, gesture: str, traffic: Traffic) -> tuple[list[float], int, int]:
    slider = page.get_by_role("slider", name=view.slider)
    slider.scroll_into_view_if_needed()
    slider.press("Home")
    page.wait_for_timeout(2500)  # let the release before be answered
    all_of_it(page, view)
    page.evaluate("window.latencies = []")
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=300_000)
    frames, requests = traffic.frames, len(traffic.requests)
    if gesture == "mouse drag":
        _drag(page, slider)
        found = page.evaluate("window.latencies")
        used = found, traffic.frames - frames, len(traffic.requests) - requests
        page.mouse.up()
        return used
    for _ in range(28):
        slider.press("ArrowRight")
        page.wait_for_timeout(40)
    return page.evaluate("window.latencies"), traffic.frames - frames, len(traffic.requests) - requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", choices=VIEWS, default="explorer")
    parser.add_argument("--address", help="path and query of the view to measure, the page's own by default")
    arguments = parser.parse_args()
    view = VIEWS[arguments.page]
    address = arguments.address or view.address
    with served() as (_, url), chromium() as browser:
        cold = first_map(browser.new_page(viewport={"width": 1400, "height": 900}), url + address)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        traffic = Traffic(page)
        start = time.perf_counter()
        warm = first_map(page, url + address)
        # The stored first screen gives way to the computed one, which has the numbers below it.
        page.locator(view.whole).first.wait_for(timeout=300_000)
        all_of_it(page, view)
        print(f"everything computed after       {time.perf_counter() - start:6.2f} s")
        page.wait_for_timeout(1500)
        between, processor = frames_under_a_drag(page, view)
        print(
            f"under a drag: {len(between)} frames, {statistics.median(between):.1f} ms apart (median), "
            f"{statistics.quantiles(between, n=10)[-1]:.1f} (p90); {processor:.1f} ms of processor each"
        )
        page.wait_for_timeout(2000)
        all_of_it(page, view)  # maps of the place where it was let go
        levels = page.locator(".track .dot").count()
        maps = page.get_by_role("slider", name=view.slider).evaluate(PROBE, view.canvas)
        print(f"first map, server just started  {cold:6.2f} s")
        print(f"first map, server in use        {warm:6.2f} s")
        print(f"\n{levels} levels on screen; milliseconds from input event to changed pixels of {maps} maps")
        columns = f"{'median':>7} {'p90':>7} {'worst':>7} {'ws frames':>10} {'requests':>9}"
        print(f"{'gesture':12} {'events':>7} {columns}")
        for gesture in ("mouse drag", "keyboard"):
            found, frames, requests = measure(page, view, gesture, traffic)
            ordered = sorted(found) or [float("nan")]
            p90 = ordered[int(0.9 * (len(ordered) - 1))]
            row = f"{len(found):7} {statistics.median(ordered):7.1f} {p90:7.1f} {ordered[-1]:7.1f}"
            # The keyboard releases after every press; its frames are the levels written back to Python.
            print(f"{gesture:12} {row} {frames:10} {requests:9}")
        print(f"frames in which only some of the maps changed: {page.evaluate('window.partly')}")


if __name__ == "__main__":
    main()
