"""The button with which a page gives away its view as one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.models import ModelCard
from pruneattr_core.share.component import FOLIO, Component
from pruneattr_core.share.html import mailable, one_file
from pruneattr_core.share.way_back import UPLOAD, carried
from pruneattr_core.ui import exports
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.shell import FIELDS, Selection
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import Field, view


def one_file_button(
    parts: Component,
    payload: Callable[[int], bytes],
    title: str,
    settings: Mapping[str, Any],
    stem: str,
    key: str,
    about: tuple[ModelCard, Sequence[Picture]] | None = None,
    ready: bool = True,
    beside: Callable[[], str] = str,
) -> None:
    """Draw it; the file is made when it is pressed.

    Args:
        parts: what draws the view.
        payload: makes what it draws, standing where the hand left it, with so many shades where it can.
        title: of the file's page, plain text.
        settings: the record that goes into the file and restores the view, see `exports.record`.
        stem: of the file's name.
        key: of the button, unique on the page.
        about: network and pictures of the view; uploads go with the file, as the network saw them.
        ready: whether all that it shows is there; before, it would say for good that something is to come.
        beside: makes the markup under the view.
    """

    def made() -> str:
        card, shown = about or (None, ())
        uploads = [one for one in shown if one.source == UPLOAD]
        goes = [carried(np.asarray(card.display(one.image)), card, one.title) for one in uploads if card]
        packed, under = cache(payload), beside()

        def with_shades(shades: int, along: bool) -> str:
            pictures = goes if along else ()
            return one_file(parts, packed(shades), title, settings, pictures=pictures, beside=under)

        return mailable(with_shades)

    st.download_button(
        "One file (HTML)",
        made if ready else str,  # a file to come would hold the parts of every drawing until then
        f"{stem}.html",
        "text/html",
        key=key,
        icon=":material/html:",
        on_click="ignore",
        disabled=not ready,
        help="This view, live, in one file that asks nothing of any server: for a mail, a phone, a talk. "
        "Upload it in the sidebar to come back."
        if ready
        else "Can be had once all is computed.",
    )


def page_button(
    page: str,
    parts: Component,
    payload: Callable[[int], bytes],
    chosen: Selection,
    target: int,
    fields: Sequence[Field],
    ready: bool = True,
) -> None:
    """The button of a page that is about one picture and class.

    Args:
        page: its path in the address.
        parts: see `one_file_button`.
        payload: see `one_file_button`.
        chosen: network and picture.
        target: the class, predicted or chosen.
        fields: the page's settings.
        ready: see `one_file_button`.
    """
    if is_spare():
        return
    texts = view((*FIELDS, *fields), every=True)
    settings = exports.page_record(page, chosen.subject, chosen.card, chosen.picture, target, texts)
    stem = f"{page}_{chosen.card.id.replace('/', '-')}_{chosen.picture.sha256[:8]}"
    title = f"{chosen.card.title}: {chosen.card.classes[target]}"
    about = chosen.card, [chosen.picture]
    one_file_button(parts, payload, title, settings, stem, f"{page}_one_file", about, ready)


def folio_button(
    page: str, made: Callable[[], Folio], chosen: Selection, target: int, fields: Sequence[Field]
) -> None:
    """The button of a page of texts, tables, charts and pictures about one picture and class.

    Args:
        page: its path in the address.
        made: what the page shows; called when the file is asked for.
        chosen: see `page_button`.
        target: see `page_button`.
        fields: see `page_button`.
    """

    def payload(_: int) -> bytes:
        folio, named = Folio(), chosen.picture.title
        photo = chosen.photo
        folio.picture(
            inline(photo), f"Picture {named} as the network sees it",
            f"{named}. Explained: **{chosen.card.classes[target]}**",
        )  # fmt: skip
        folio.parts += made().parts
        return folio.payload(page)

    page_button(page, FOLIO, payload, chosen, target, fields)


def alone_button(page: str, folio: Folio, title: str, fields: Sequence[Field], **made_of: Any) -> None:
    """The button of a page that brings its own networks and pictures.

    Args:
        page: its path in the address.
        folio: what the page shows.
        title: of the file's page, plain text.
        fields: the page's settings.
        made_of: what the page read; JSON values.
    """
    if is_spare():
        return
    settings = exports.alone_record(page, view(fields, every=True), **made_of)
    one_file_button(FOLIO, lambda _: folio.payload(title), title, settings, page, f"{page}_one_file")
