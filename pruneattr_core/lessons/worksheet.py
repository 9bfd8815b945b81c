"""A lesson on paper: a worksheet with the views of its steps, and an answer sheet as its last pages."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.importing import one_at_a_time
from pruneattr_core.lessons.figures import Figure
from pruneattr_core.lessons.tables import tables_of
from pruneattr_core.lessons.text import Lesson, Step, address, right_answers
from pruneattr_core.render.figure import Panel, figure

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.recorder import FPDFRecorder

#: Millimetres of a page's margin and of the widest figure; points of the text.
_MARGIN, _WIDE, _TEXT = 18.0, 174.0, 10.5
#: Millimetres of one panel of a figure, at most: two fit a line of text, not a page.
_PANEL = 44.0
#: Millimetres of a chart.
_CHART = 88.0
#: Places that a slider has passed, from which on they are shown; panels that fill a line of text, at least.
_PASSED, _LEAST = 3, 6
#: How much wider a table's first column is than the others: it holds names.
_FIRST = 1.6
_DPI = 130


def worksheet(lesson: Lesson, word: Callable[[str], str], figures: Mapping[int, Figure]) -> bytes:
    """The file, A4; equal input gives equal bytes. Its text is text, in a font that it carries.

    Args:
        lesson: what is written.
        word: a text of the page by its key, in the language of the lesson.
        figures: step number, from 1 -> what its view shows.
    """
    with one_at_a_time:
        from fpdf import FPDF  # a moment that only a worksheet should pay
        from matplotlib import get_data_path

    fonts = Path(get_data_path(), "fonts", "ttf")
    pdf = FPDF()
    pdf.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))
    pdf.set_title(lesson.title)
    pdf.set_lang(lesson.language)
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)
    for style, name in (("", ""), ("B", "-Bold"), ("I", "-Oblique"), ("BI", "-BoldOblique")):
        pdf.add_font("text", style, fonts / f"DejaVuSans{name}.ttf")

    pdf.add_page()
    _written(pdf, lesson.title, 18, "B", 3)
    _written(pdf, lesson.know, after=4)
    for number, step in enumerate(lesson.steps, 1):
        with pdf.offset_rendering() as tried:  # a step is not parted, unless a page does not hold it
            _step(tried, number, step, figures.get(number), word)
        if tried.page_break_triggered:
            pdf.add_page()
        _step(pdf, number, step, figures.get(number), word)
    pdf.add_page()
    _written(pdf, f"{word('answer_sheet')} · {lesson.title}", 15, "B", 3)
    for number, choice in right_answers(lesson):
        step = lesson.steps[number - 1]
        _written(pdf, f"{number}. {step.question}", style="B", after=1)
        _written(pdf, f"✓ {choice.text}. {choice.reason}")
        for block in _blocks(step.reveal):
            _written(pdf, block, 9)
        for rows in tables_of(step.table, word):
            pdf.set_font("text", "", 7)
            first = (_FIRST, *([1.0] * (len(rows[0]) - 1)))
            with pdf.table(
                line_height=4, text_align="LEFT", borders_layout="HORIZONTAL_LINES", col_widths=first
            ) as table:
                for cells in (rows[0], *(row.values() for row in rows)):
                    table.row(list(cells))
            pdf.ln(2)
        numbers = _numbers(figures[number]) if number in figures else ""
        if numbers:
            _written(pdf, numbers, 8)
    return bytes(pdf.output())


def _written(
    pdf: FPDF | FPDFRecorder, text: str, size: float = _TEXT, style: str = "", after: float = 2.0
) -> None:
    pdf.set_font("text", style, size)
    pdf.multi_cell(0, size * 0.5, _marks(text), markdown=True, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(after)


def _step(
    pdf: FPDF | FPDFRecorder, number: int, step: Step, drawn: Figure | None, word: Callable[[str], str]
) -> None:
    """Heading, text, figure and question."""
    _written(pdf, f"{number}. {step.title}", 13, "B")
    for block in _blocks(step.printed):
        _written(pdf, block)
    if drawn is not None:
        frame = drawn.frames[drawn.at]
        if drawn.chart:
            _chart(pdf, frame.panels[0].pixels, drawn.caption)
        else:
            panels, across, wide = _panels(drawn)
            pixels = figure(panels, across, "png", wide, _DPI)
            pdf.image(io.BytesIO(pixels), w=wide, alt_text=drawn.caption)
        if drawn.curves is not None:
            _chart(pdf, drawn.curves, drawn.caption)
        _written(pdf, " · ".join(filter(None, (frame.title, drawn.caption))), 8)
    if step.page:
        _written(pdf, f"{word('view_at')} {address(step)}", 7)
    if not step.question:
        return
    _written(pdf, step.question, style="B", after=1)
    for choice in step.choices:
        _written(pdf, f"☐  {choice.text}", after=0.5)
    _written(pdf, "_" * 78, 9, after=4)


def _panels(drawn: Figure) -> tuple[list[Panel], int, float]:
    """What is printed, without what it answers, as that is asked: panels, how many in a row, millimetres.

    Paper has no slider. Where the step sets one some places on, those that it has passed stand side by side,
    a row a map; the picture, which has no title, stands once.
    """
    frames = drawn.frames[: drawn.at + 1]
    if len(frames) < _PASSED:
        panels = [replace(panel, notes=()) for panel in frames[-1].panels]
        return panels, len(panels), min(_WIDE, _PANEL * len(panels))
    rows = list(zip(*(frame.panels for frame in frames), strict=True))
    photo = [row[0] for row in rows if not row[0].title]
    across = max(len(photo) + len(frames), _LEAST)
    empty = Panel("", np.full_like(frames[0].panels[0].pixels, 255))
    panels = []
    for number, row in enumerate(row for row in rows if row[0].title):
        panels += photo if number == 0 else [empty] * len(photo)
        panels += [
            Panel(frame.brief if place else _begun(panel.title, frame.brief), panel.pixels)
            for place, (panel, frame) in enumerate(zip(row, frames, strict=True))
        ]
        panels += [empty] * (-len(panels) % across)
    return panels, across, _WIDE


def _begun(title: str, brief: str) -> str:
    """The title of a row's first panel, which says the place of the slider, too."""
    return title if brief in title else f"{title}, {brief}"


def _chart(pdf: FPDF | FPDFRecorder, pixels: NDArray[np.uint8], alt: str) -> None:
    """A chart with every pixel that it has: its text would not survive being drawn again."""
    image = io.BytesIO()
    Image.fromarray(pixels).save(image, "PNG")
    pdf.image(image, w=_CHART, alt_text=alt)


def _numbers(drawn: Figure) -> str:
    """What the figure of a step does not say on the sheet of questions."""
    frame = drawn.frames[drawn.at]
    said = (f"{panel.title}: {', '.join(panel.notes)}" for panel in frame.panels if panel.notes)
    return " · ".join(said)


def _blocks(text: str) -> list[str]:
    """Paragraphs and points of a list."""
    found = []
    for block in re.split(r"\n\s*\n", text.strip()):
        points = re.split(r"^- ", block, flags=re.MULTILINE)
        found += [part.strip() for part in points[:1] if part.strip()]
        found += [f"•  {part.strip()}" for part in points[1:]]
    return found


def _marks(text: str) -> str:
    """Our Markdown as fpdf2 reads it: **strong** alike, *emphasis* with underscores, code without signs."""
    plain = re.sub(r"`(.+?)`", r"\1", text.replace("--", "- -"))
    plain = re.sub(r"(?<!_)__(?!_)", "_ _", plain)
    return re.sub(r"(?<!\*)\*(?!\*)(.+?)(?<!\*)\*(?!\*)", r"__\1__", plain)
