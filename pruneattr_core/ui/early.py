"""The first view in the page's own HTML: there to be dragged before Streamlit's parts have come.

It is the explorer's own component with the bytes that the app sends first, so that it draws the same. The
app's takes its place, and starts where the hand let go, once it is drawn; see assets/early/early.js. It goes
as well when anything else is shown, and after ten seconds: what Streamlit says of a server that does not
answer is not hidden.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from urllib.parse import parse_qsl

from streamlit import config

from pruneattr_core.share.component import SCRUBBER, Component
from pruneattr_core.ui.first_view import is_first, stored

#: What becomes the script of the page, beside `brought`.
EARLY = Component("early", (*SCRUBBER.scripts, "early/early.js"))
#: Where the page's place is known beforehand: its choices take one row, or are folded.
_SCREENS = "(min-width: 1200px) and (min-height: 481px), (max-width: 640px) and (min-height: 481px)"
_FONT = '"Source Sans", sans-serif'  # Streamlit's
#: What a component asks for -> the setting of the theme.
_COLOURS = {
    "text-color": "textColor",
    "background-color": "backgroundColor",
    "secondary-background-color": "secondaryBackgroundColor",
    "border-color": "borderColor",
    "primary-color": "primaryColor",
}


@cache
def parts() -> Mapping[str, bytes]:
    """Its files, below Streamlit's folder of them, by names that hold a hash; none without a stored view."""
    payload = stored()
    if payload is None:
        return {}
    data = _named("media/first.{}.bin", payload)
    colours = (
        f"--st-{name}: light-dark({config.get_option(f'theme.light.{key}')}, "
        f"{config.get_option(f'theme.dark.{key}')});"
        for name, key in _COLOURS.items()
    )
    style = f"#early {{ --st-font: {_FONT}; --st-base-radius: .5rem; {' '.join(colours)} }}\n{EARLY.css}"
    markup = f"<style>{SCRUBBER.css}</style>{SCRUBBER.html}"
    told = json.dumps({"markup": markup, "style": style, "file": f"./static/{data}", "screens": _SCREENS})
    script = f"const brought = {told};\n{EARLY.js_as('mount')}".encode()
    return {data: payload, _named("js/first.{}.js", script): script}


def _named(pattern: str, content: bytes) -> str:
    return pattern.format(hashlib.sha256(content).hexdigest()[:16])


def wanted(path: str, query: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Whether an address shows the stored view first, to one who does not save on what is sent."""
    asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return not path.strip("/") and is_first(asked) and headers.get(b"save-data", b"").lower() != b"on"


def links() -> str:
    """For the head of the page, before Streamlit's own; "" without a stored view."""
    return "".join(
        f'<script type="module" crossorigin src="./static/{name}"></script>'
        if name.endswith(".js")
        else f'<link rel="preload" as="fetch" media="{_SCREENS}" crossorigin href="./static/{name}">'
        for name in parts()
    )
