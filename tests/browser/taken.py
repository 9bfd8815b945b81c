"""What a page gives away, held against what it shows: values, settings, picture and class are the same.

A view in one file is opened in a page of its own, where the same scripts draw it; its words, its maps and the
places of its sliders must be those of the page it was taken from. Arrays are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Locator, Page, expect

from pruneattr_core.attribution import METHODS
from pruneattr_core.share.html import settings_in
from pruneattr_core.share.words import chance

#: What a component shows, in the app and in a file alike; null where there is none.
VIEW = """() => {
  const roots = [document];
  for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  const all = what => roots.flatMap(root => [...root.querySelectorAll(what)]).filter(node => node.checkVisibility());
  const view = all('.scrubber[data-ready], .compare[data-ready], .stage[data-ready]')[0];
  if (!view) return null;
  const words = node => node.innerText.replace(/\\s+/g, ' ').trim();
  // Who has only a file can ask nobody to compute more.
  const told = node => [...node.querySelectorAll('.hole button')].map(words).reduce((text, ask) => text.replace(`${ask} `, ''), words(node));
  const inside = what => [...view.querySelectorAll(what)].filter(node => node.checkVisibility());
  const sum = canvas => new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)
    .reduce((sum, pixel) => (sum * 31 + pixel) | 0, 0);
  return {
    words: inside('.cell, .card, .reading, .sentence, .axis-title, [data-key=chance]').map(told),
    // How far the picture shines through is the eye's matter, and in no file.
    maps: inside('.opacity input').some(one => one.value !== one.defaultValue) ? [] : inside('.cell canvas, .card canvas, .panels canvas').map(sum),
    sliders: inside('input.slider').map(one => one.getAttribute('aria-valuetext') || one.value),
    chosen: inside('[role=radio][aria-checked=true]').map(words),
  };
}"""  # noqa: E501
#: What else the page says: all of its words, and the pictures that are chosen.
PAGE = """() => ({
  words: document.body.innerText.replace(/\\s+/g, ' '),
  picture: [...document.querySelectorAll('*')].map(node => node.shadowRoot?.querySelector('.thumbs [aria-checked=true]'))
    .filter(Boolean).map(node => node.title),
})"""  # noqa: E501
#: Of Compare: the values under the pointer, map by map, and where it is.
PROBED = """() => {
  const roots = [document];
  for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  const grid = roots.map(root => root.querySelector('.compare')).find(Boolean);
  return {
    place: grid.querySelector('.toolbar .pixel').innerText,
    cells: [...grid.querySelectorAll('.cell.ready')].map(cell => [
      cell.querySelector('h3').innerText, cell.querySelector('.value').innerText,
      cell.querySelector('.curve + .caption strong')?.innerText ?? '']),
  };
}"""  # noqa: E501
#: Button of the explorer's arrays, of Compare's, and of any view in one file.
ARRAYS, ALL_ARRAYS, ONE_FILE = "Arrays (NPZ)", "All arrays (NPZ)", "One file (HTML)"
#: Addresses of the pages that give their view away as one file, once all is computed.
OFFERING = ("", "compare", "sanity", "removal", "paths")


def denials(page: Page, says: Callable[[], Mapping[str, Any]], patience: float, every: bool = True) -> str:
    """Take from a page that stands still what it gives away; what that and the page do not agree on.

    Args:
        page: of the app.
        says: what the explorer's screen says, see `says.SAYS`.
        patience: milliseconds for a file.
        every: whether all of its files are asked for; else the explorer's arrays alone.
    """

    def taken(name: str, suffix: str) -> Path | None:
        button = page.get_by_role("button", name=name, exact=True).locator("visible=true")
        if not button.count() or not button.first.is_enabled() or locked(button.first):
            return None
        # A press may meet a button that goes, and the file of a press before may come now.
        with page.expect_download(
            lambda one: one.suggested_filename.endswith(suffix), timeout=patience / 4
        ) as waiting:
            button.first.click()
        file = Path(waiting.value.path()).with_suffix(suffix)
        waiting.value.save_as(file)  # by its name the browser knows what it is
        return file

    if every and urlsplit(page.url).path.strip("/") in OFFERING:
        file = page.get_by_role("button", name=ONE_FILE, exact=True).locator("visible=true").first
        try:
            expect(file).to_be_enabled(timeout=patience / 4)
        except AssertionError:
            return ""  # it waits for a picture, say, or much is to be computed, and it says so
    wrong = []
    if (file := taken(ARRAYS, ".npz")) is not None:
        with np.load(file, allow_pickle=False) as held:
            wrong.append(denied(held, says()))
    if not every:
        return "; ".join(one for one in wrong if one)
    if (file := taken(ALL_ARRAYS, ".npz")) is not None:
        page.locator(".cell.picture canvas").first.hover(timeout=patience)
        with np.load(file, allow_pickle=False) as held:
            wrong.append(disputed(held, page.evaluate(PROBED)))
        page.mouse.move(0, 0)
    if (file := taken(ONE_FILE, ".html")) is not None:
        spare = page.context.new_page()
        try:
            wrong.append(parted(page, file, spare))
        finally:
            spare.close()
    return "; ".join(one for one in wrong if one)


def locked(control: Locator) -> bool:
    """Whether the pointer goes past it: a lesson's view, until its question has been answered."""
    return bool(control.evaluate("one => getComputedStyle(one).pointerEvents === 'none'"))


def parted(page: Page, file: Path, spare: Page) -> str:
    """What a view in one file and the page that it was taken from do not agree on; empty when all is well.

    Args:
        page: of the app.
        file: what it gave away.
        spare: an empty page to open the file in.
    """
    settings = settings_in(file.read_text("utf-8"))
    asked = {name: texts[-1] for name, texts in parse_qs(urlsplit(page.url).query).items()}
    wrong = [
        f"{name}: {settings['view'][name]!r} in the file, {text!r} in the address"
        for name, text in asked.items()
        # The explorer's file stands on a level beside the place asked for; words and maps are held below.
        if name in settings["view"] and name != "at" and settings["view"][name] != text
    ]
    said = page.evaluate(PAGE)
    title = (settings.get("picture") or settings.get("pictures", [{}])[0]).get("title")
    if title and said["picture"] and title not in said["picture"]:
        wrong.append(f"picture: {title!r} in the file, {said['picture']} chosen")
    spare.goto(file.as_uri())
    if page.evaluate(VIEW) is None and page.locator("details:not([open])").count():
        return "; ".join(wrong)  # what is folded away is not in the page
    if page.evaluate(VIEW) is None:
        return "; ".join(wrong + _words(spare, said["words"]))
    spare.wait_for_function(f"() => ({VIEW})() !== null")
    for part, there in spare.evaluate(VIEW).items():
        here = page.evaluate(VIEW)[part]
        if here != there and (here or part != "maps"):
            wrong.append(f"{part}: {[pair for pair in zip(there, here, strict=False) if pair[0] != pair[1]]}")
    return "; ".join(wrong)


def _words(spare: Page, page: str) -> list[str]:
    """What a file of texts, tables and charts says that its page does not."""
    spare.locator(".folio[data-ready]").wait_for()
    lines = spare.locator(".folio > :is(h2, p), .folio figcaption").all_inner_texts()
    said = [" ".join(line.split()) for line in lines]
    return [f"{line!r} in the file only" for line in said if line not in page] or (
        [] if said else ["the file is empty"]
    )


def disputed(held: Mapping[str, np.ndarray], probed: Mapping[str, Any]) -> str:
    """What Compare's file of arrays and the values under the pointer do not agree on; empty when all is well.

    A value on the screen is rounded to one of 127 squares of the map's largest magnitude, and then to the
    digits that are shown.

    Args:
        held: the arrays, see `compare.exports.arrays_npz`.
        probed: what `PROBED` found, for one picture.
    """
    place = re.search(r"x (\d+), y (\d+)", probed["place"])
    if place is None:
        return f"no pixel is pointed at: {probed}"
    x, y = (int(text) for text in place.groups())
    areas = {
        (METHODS[one["method"]].title, f"{one['curve_area']:.3f}" if one["curve_area"] is not None else "")
        for one in json.loads(str(held["settings"]))["results"]
    }
    maps = [name for name in held if name.endswith("/0/map")]
    wrong = [] if len(maps) == len(probed["cells"]) else [f"{len(maps)} maps, {len(probed['cells'])} seen"]
    for title, text, area in probed["cells"]:
        shown = Decimal(text.replace("\N{MINUS SIGN}", "-"))
        value, digit = float(shown), 10.0 ** int(shown.as_tuple().exponent)
        own = [held[name] for name in maps if METHODS[re.split("[~/]", name)[0]].title == title]
        if not any(abs(one[y, x] - value) <= 0.008 * np.abs(one).max() + 0.501 * digit for one in own):
            wrong.append(f"{title}: {[float(one[y, x]) for one in own]} in the file, {text} seen")
        if (title, area) not in areas:
            wrong.append(f"{title}: area {area!r} seen, {sorted(areas)} in the file")
    return "; ".join(wrong)


def denied(held: Mapping[str, np.ndarray], now: Mapping[str, object]) -> str:
    """What the explorer's file of arrays and its screen do not agree on; empty when all is well.

    Args:
        held: the arrays, see `exports.arrays_npz`.
        now: what `SAYS` found.
    """
    told = json.loads(str(held["settings"]))
    level, answer = told["level"], told["zero_mode_answer"]
    cards = re.split(r"\n+", "\n".join(now["cards"]))  # type: ignore[arg-type]
    label = next(line for line in cards if line.startswith("Probability of "))
    pairs = {
        "neurons left": (f"{round(told['neurons'] * (1 - float(held['sparsity'][level]))):,}", cards[1]),
        "probability": (chance(float(held["target_probability"][level])), cards[cards.index(label) + 1]),
        "answer": (answer["prediction"], cards[-1]),
        "picture": (told["picture"]["title"], now["photo"]),
    }
    finite = bool(np.isfinite(held["attribution"]).all() and np.isfinite(held["map"]).all())
    wrong = [
        f"{name}: {one!r} in the file, {other!r} seen" for name, (one, other) in pairs.items() if one != other
    ]
    return "; ".join(wrong if finite else [*wrong, "the file's map is not finite"])
