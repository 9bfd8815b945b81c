"""A lesson as one HTML file: to read, with its views to move, without a server."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.assets import ASSETS
from pruneattr_core.lessons.figures import Figure, Frame
from pruneattr_core.lessons.glossary import glossary_in
from pruneattr_core.lessons.tables import Rows, tables_of
from pruneattr_core.lessons.text import Lesson, Step, address
from pruneattr_core.render.figure import Panel
from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.html import document, live

_STYLE = """main { font-size: 1.05rem; max-width: 60rem; }
ol { padding-left: 1.4rem; } section { break-inside: avoid; } code { overflow-wrap: anywhere; }
.panels { display: flex; flex-wrap: wrap; gap: .6rem; } .frame[hidden] { display: none; }
figure { margin: 0; flex: 0 1 min(10.5rem, (100% - 2.4rem) / 5); min-width: 8rem; font-size: .85rem; }
figure.chart { flex: none; width: min(32rem, 100%); }
.chart .picture { image-rendering: auto; } .table { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .85rem; } td, th { padding: .2rem .6rem; text-align: left;
  border: 1px solid var(--st-border-color); }
.picture { aspect-ratio: 1; background-size: 100% 100%; image-rendering: pixelated;
  border: 1px solid var(--st-border-color); }
input[type=range] { width: min(28rem, 100%); vertical-align: middle; }
@media print { details, .live, input { display: none; } }
"""
_SCRIPT = """for (const view of document.querySelectorAll('.slides')) {
  const slider = view.querySelector('input'), said = view.querySelector('output');
  const frames = [...view.querySelectorAll('.frame')];
  const show = () => {
    frames.forEach((frame, k) => { frame.hidden = k !== Number(slider.value); });
    said.textContent = frames[slider.value].dataset.title;
    slider.setAttribute('aria-valuetext', said.textContent);
  };
  slider.addEventListener('input', show);
  show();
}"""
#: Colours of a picture; maps are smooth, and a file is to be small.
_COLOURS = 96


def sheet(
    lesson: Lesson,
    word: Callable[[str], str],
    settings: Mapping[str, Any],
    figures: Mapping[int, Figure] | None = None,
    explorers: Mapping[int, bytes] | None = None,
) -> str:
    """The file: texts, questions, views; solutions unfold.

    Args:
        lesson: what is written.
        word: a text of the page by its key, in the language of the lesson.
        settings: what opens the lesson again, see `document`.
        figures: step number, from 1 -> what its view shows, with a slider where the page has one.
        explorers: step number -> what the live explorer draws there, instead of a figure.
    """
    pictures = _Pictures()
    explorers = explorers or {}
    steps = []
    for number, step in enumerate(lesson.steps, 1):
        if number in explorers:
            shown = f'<div class="live" id="live-{number}"></div>'
        else:
            shown = _shown((figures or {}).get(number), pictures, word)
        steps.append(_step(number, step, word, shown))
    scripts = [live(SCRUBBER, {f"live-{k}": data for k, data in explorers.items()})] if explorers else []
    if explorers and lesson.language == "de":
        scripts.append(f'<script type="module">\n{_german()}</script>')
    if any('class="slides"' in one for one in steps):
        scripts.append(f"<script>{_SCRIPT}</script>")
    body = "\n".join([f"<p>{_inline(lesson.know)}</p>", *steps])
    return document(
        lesson.title, body, settings, "".join(scripts), _STYLE + pictures.style, lesson.language,
        (word("file_settings"), word("file_back")),
    )  # fmt: skip


def _german() -> str:
    """What puts the explorers' English texts into German, once they are mounted."""
    code = (ASSETS / "share" / "german.js").read_text("utf-8")
    words = json.dumps(glossary_in("de"), ensure_ascii=False).replace("<", "\\u003c")
    each = "for (const live of document.querySelectorAll('.live')) speakGerman(live.shadowRoot);"
    return f"{code}explainInGerman({words});\n{each}\n"


class _Pictures:
    """Pictures of a file, each held once however often it is shown."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def name(self, panel: Panel) -> str:
        """Class of an element that shows it."""
        out = io.BytesIO()
        Image.fromarray(panel.pixels).quantize(_COLOURS).save(out, "PNG", optimize=True)
        return self._names.setdefault(out.getvalue(), f"p{len(self._names)}")

    @property
    def style(self) -> str:
        """The rules that hold them."""
        return "\n".join(
            f".{name} {{ background-image: url(data:image/png;base64,{base64.b64encode(data).decode()}); }}"
            for data, name in self._names.items()
        )


def _shown(figure: Figure | None, pictures: _Pictures, word: Callable[[str], str]) -> str:
    if figure is None:
        return ""
    frames = "".join(
        _frame(frame, pictures, figure, place == figure.at) for place, frame in enumerate(figure.frames)
    )
    if len(figure.frames) == 1:
        return f"{frames}<p><small>{escape(figure.caption)}</small></p>"
    curves = "" if figure.curves is None else _curves(figure, figure.curves, pictures)
    return (
        f'<div class="slides">{frames}<label>{escape(word("slide"))} <input type="range" min="0" '
        f'max="{len(figure.frames) - 1}" value="{figure.at}"></label> <output></output>'
        f"<p><small>{escape(figure.caption)}</small></p>{curves}</div>"
    )


def _curves(figure: Figure, pixels: NDArray[np.uint8], pictures: _Pictures) -> str:
    panel = Panel("", pixels)
    return (
        f'<figure class="chart"><div class="picture {pictures.name(panel)}" role="img" {_shape(panel)}'
        f'aria-label="{escape(figure.caption)}"></div></figure>'
    )


def _frame(frame: Frame, pictures: _Pictures, figure: Figure, first: bool) -> str:
    kind = ' class="chart"' if figure.chart else ""
    panels = "".join(
        f'<figure{kind}><div class="picture {pictures.name(panel)}" role="img" {_shape(panel)}'
        f'aria-label="{escape(panel.title or figure.caption)}"></div>'
        f"<figcaption>{escape(' · '.join(filter(None, (panel.title, *panel.notes))))}</figcaption></figure>"
        for panel in frame.panels
    )
    hidden = "" if first else " hidden"
    return f'<div class="frame panels" data-title="{escape(frame.title)}"{hidden}>{panels}</div>'


def _shape(panel: Panel) -> str:
    """What says that a picture is no square; maps and pictures are."""
    high, wide = panel.pixels.shape[:2]
    return "" if high == wide else f'style="aspect-ratio: {wide} / {high}" '


def _step(number: int, step: Step, word: Callable[[str], str], shown: str) -> str:
    parts = [f"<section><h2>{number}. {escape(step.title)}</h2>", _blocks(step.printed)]
    if step.page:
        shown += f"<p>{escape(word('view_at'))} <code>{escape(address(step))}</code></p>"
    hidden = step.locked == "hidden"
    if not hidden:
        parts.append(shown)
    if step.question:
        choices = "".join(f"<li>{_inline(choice.text)}</li>" for choice in step.choices)
        parts.append(f"<p><strong>{_inline(step.question)}</strong></p><ol>{choices}</ol>")
        reasons = "".join(
            f"<li>{'✓' if choice.right else '✗'} {_inline(choice.text)}. {_inline(choice.reason)}</li>"
            for choice in step.choices
        )
        parts.append(f"<details><summary>{escape(word('solution'))}</summary><ol>{reasons}</ol>")
        if hidden:
            parts.append(shown)
    answer = _blocks(step.reveal) + "".join(map(_table, tables_of(step.table, word)))
    parts.append(f"{answer}</details>" if step.question else answer)
    return "\n".join([*parts, "</section>"])


def _table(rows: Rows) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row.values())}</tr>" for row in rows)
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _blocks(text: str) -> str:
    """Paragraphs and lists of a lesson's Markdown; anything else stays as it is written."""
    drawn = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.split("\n")
        if all(line.startswith("- ") for line in lines):
            drawn.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        elif block:
            drawn.append(f"<p>{_inline(block)}</p>")
    return "\n".join(drawn)


def _inline(text: str) -> str:
    """Strong, emphasised and code; everything else escaped."""
    found = escape(text)
    for mark, name in ((r"\*\*(.+?)\*\*", "strong"), (r"\*(.+?)\*", "em"), (r"`(.+?)`", "code")):
        found = re.sub(mark, rf"<{name}>\1</{name}>", found, flags=re.DOTALL)
    return found
