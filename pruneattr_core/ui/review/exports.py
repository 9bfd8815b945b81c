"""What leaves the review desk: a table of verdicts, and a report with pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.compression.review_maps import Seen, levels_of
from pruneattr_core.compression.review_verdicts import Verdict, level_words, load_review, review_csv
from pruneattr_core.errors import InputError
from pruneattr_core.render import colour_table, colourise
from pruneattr_core.share.review_report import html_report
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.exports import alone_record
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.review.lineup import Lineup
from pruneattr_core.ui.review.payload import COLOURS, coded, place_of
from pruneattr_core.ui.review.pictures import Pictures
from pruneattr_core.ui.review.sheet import Sheet, seen
from pruneattr_core.ui.review.state import SENT
from pruneattr_core.ui.state import view

#: Share of the picture that shines through a map in the report.
UNDER = 0.35


def take_away(name: str, lineup: Lineup, pictures: Pictures, level: int) -> None:
    """The downloads, made when they are asked for; the slider stands at `level`."""
    stem, asked = name.replace(" ", "-"), {**view(SENT, every=True), "desk_level": str(level)}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Verdicts (CSV)", lambda: review_csv(load_review(name)), f"{stem}.csv", "text/csv",
            key="desk_csv", icon=":material/table:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Report (HTML)", lambda: report(name, lineup, pictures, asked, level), f"{stem}.html",
            "text/html", key="desk_html", icon=":material/description:", on_click="ignore",
            help="One file with the pictures inside; maps are drawn for the teacher and students on screen, "
            "at the level at which each verdict was given.",
        )  # fmt: skip
        st.caption("The address of this page restores the view; verdicts are on the disk of this machine.")


def report(
    name: str, lineup: Lineup, pictures: Pictures, asked: Mapping[str, str], shown_level: int
) -> bytes:
    """The HTML report of a review; pictures are drawn for networks and pictures that are open now.

    Maps are those of the level at which a verdict was given, as its numbers are.

    Args:
        name: of the review.
        lineup: networks.
        pictures: those looked at.
        asked: the page's settings as texts, what restores the view.
        shown_level: of the slider; what is drawn, and said, where a verdict has no level of its own.
    """
    by_id = {one.id: one for one in lineup.students}
    classes = lineup.teacher.card.classes
    job, shelf = Job("report", lambda _: None), engine().jobs.results

    def draw(one: Verdict) -> Sequence[tuple[str, NDArray[np.uint8]]]:
        if one.teacher != lineup.teacher.id or one.student not in by_id or one.data != pictures.id:
            raise InputError("Its networks or pictures are not open on the page: no maps here.")
        shown = pictures[one.picture]
        target = classes.index(one.target)
        sheet = Sheet(lineup, pictures, (one.picture,), one.method, None)
        columns = (lineup.teacher, by_id[one.student])
        cells = []
        for column in columns:
            kept = shelf.get(sheet.cell_key(column, one.picture, target))
            cells.append(kept if isinstance(kept, Seen) else seen(job, sheet, column, shown, target, shelf))
        levels = levels_of(one.method)
        if one.scale == "all" and one.level not in levels:
            raise InputError(f"The slider does not stop at {one.level_words}: no maps here.")
        recorded = place_of(one, levels)
        level = shown_level if recorded is None else recorded
        beside = f", at {level_words(levels[level])}" if recorded is None else ""
        codes = coded([cell.maps[level : level + 1] for cell in cells])
        photo = np.asarray(lineup.teacher.card.display(shown.image))
        mask = mask_seen(lineup.teacher.card, shown.mask(target))
        plain = outlined(photo, mask)
        maps = [outlined(over(photo, code[0]), mask) for code in codes]
        return [("picture", plain), *zip((f"teacher{beside}", f"student{beside}"), maps, strict=True)]

    return html_report(name, load_review(name), draw, alone_record("review", asked))


def over(photo: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map's colours with the picture shining through."""
    drawn = colourise(codes, colour_table(COLOURS)).astype(np.float32)
    return np.asarray(np.rint(drawn + UNDER * (photo - drawn)), np.uint8)


def outlined(pixels: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """A white line of one pixel along the inside of the mask."""
    if mask is None:
        return pixels
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    out = pixels.copy()
    out[mask & ~inner] = 255
    return out
