"""One HTML file that holds a live view: it asks nothing of any server and opens from a mail."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from pruneattr_core import __version__
from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import StoreError
from pruneattr_core.share.component import Component
from pruneattr_core.share.way_back import Carried, left_out
from pruneattr_core.share.words import in_words, said

#: What stands over the settings of a file.
WORDS = ("Settings and provenance", "Drop this file on PruneAttr to come back to this view.")
#: Characters of settings that are read: lists of nothing take thirty times their text.
SETTINGS_LIMIT = 1 << 20
#: Characters of a file, at most, where that can be: it shall go through any mail.
FILE_LIMIT = 1_000_000
#: Shades that a file's maps may have: the first of these that makes it small enough.
SHADES = (256, 128, 64)
_OPEN = '<script type="application/json" id="pruneattr-settings">'


def one_file(
    component: Component,
    payload: bytes,
    title: str,
    settings: Mapping[str, Any],
    paragraphs: Sequence[str] = (),
    pictures: Sequence[Carried] = (),
    beside: str = "",
) -> str:
    """A self-contained page. Its content security policy forbids every request.

    Args:
        component: what draws.
        payload: what it draws, as the app sends it.
        title: plain text.
        settings: what restores the view and says how it was computed; JSON values.
        paragraphs: plain texts under the view.
        pictures: what the view is about, where no data set has it.
        beside: markup under the view, see `share.beside`.
    """
    prose = (f"<p>{escape(text)}</p>" for text in paragraphs)
    body = "\n".join(['<div id="view"></div>', *prose, beside])
    return document(title, body, settings, live(component, {"view": payload}), pictures=pictures)


def mailable(made: Callable[[int, bool], str]) -> str:
    """The best file of at most `FILE_LIMIT`: fewer shades first, then without the pictures it is about.

    Args:
        made: called with shades of the maps, and whether the pictures go along.
    """
    for along in (True, False):
        for shades in SHADES:
            text = made(shades, along)
            if len(text) <= FILE_LIMIT:
                return text
    return made(SHADES[0], True)  # too large either way


def document(
    title: str,
    body: str,
    settings: Mapping[str, Any],
    scripts: str = "",
    style: str = "",
    language: str = "en",
    words: tuple[str, str] = WORDS,
    pictures: Sequence[Carried] = (),
) -> str:
    """A page that is one file, with its settings in it; every file of ours is written here.

    Args:
        title: plain text.
        body: markup, below the title.
        settings: see `one_file`.
        scripts: elements for its end, see `live`.
        style: rules beside the shared ones.
        language: of the page.
        words: the heading over the settings, and how to come back; plain texts.
        pictures: see `one_file`.
    """
    template = Template((ASSETS / "share" / "share.html").read_text("utf-8"))
    return template.substitute(
        version=__version__,
        language=escape(language),
        title=escape(title),
        style=style,
        body=body,
        provenance=escape(words[0]),
        back=f"<p>{escape(f'{words[1]} {left_out(settings)}'.strip())}</p>" if "view" in settings else "",
        rows="\n".join(
            f"<tr><th scope='row'>{escape(in_words(name))}</th><td>{escape(said(value))}</td></tr>"
            for name, value in settings.items()
        ),
        scripts=scripts,
        pictures="\n".join(picture.markup() for picture in pictures),
        # Inside a script element only "</" and "<!--" could end or change it.
        settings=json.dumps(settings).replace("<", "\\u003c"),
    )


def live(component: Component, payloads: Mapping[str, bytes]) -> str:
    """Markup for the end of a page of one's own: it mounts a component once for each payload.

    Args:
        component: what draws.
        payloads: id of the element that is to hold the view -> what is drawn there.
    """
    scripts = "\n".join(
        f'<script type="application/octet-stream" data-for="{escape(name)}">'
        f"{base64.b64encode(data).decode()}</script>"
        for name, data in payloads.items()
    )
    return f"""<template id="parts"><style>{component.css}</style>{component.html}</template>
{scripts}
<script type="module">
{component.js_as("mount")}
for (const held of document.querySelectorAll('script[data-for]')) {{
  const root = document.getElementById(held.dataset.for).attachShadow({{mode: 'open'}});
  root.append(document.getElementById('parts').content.cloneNode(true));
  const data = Uint8Array.from(atob(held.textContent), c => c.charCodeAt(0));
  mount({{data, parentElement: root, alone: true, setStateValue() {{}}}});
}}
</script>"""


def settings_in(text: str) -> dict[str, Any]:
    """The settings that `one_file` was given.

    Raises:
        StoreError: no page of ours, or a damaged one.
    """
    _, found, rest = text.partition(_OPEN)
    inner, closed, _ = rest.partition("</script>")
    try:
        if not found or not closed:
            raise ValueError("it holds no settings")
        if len(inner) > SETTINGS_LIMIT:
            raise ValueError("its settings are too long")
        settings = json.loads(inner)
        if not isinstance(settings, dict):
            raise ValueError("its settings are no table")
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"This HTML file is not a view saved by PruneAttr, or is damaged ({error})."
        ) from error
    return settings
