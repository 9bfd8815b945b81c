"""Text that came with a file, made harmless for where it is shown: Markdown, charts, spreadsheets."""

from __future__ import annotations

import re
from typing import Any

#: Takes no room and no part in a word; what stands around it is no address and no name of a picture.
_JOINER = "\u2060"
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")
#: What makes a list of a line.
_START = re.compile(r"^(\d*)([-+.)])")
#: Where Streamlit's Markdown finds addresses, emoji and icons in text that holds no other mark.
_FOUND = re.compile(r"([:@])(?=\S)|(?<=[wW])(\.)")
#: First characters of a formula; some spreadsheets read the wide forms as the narrow ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


#: Marks that make something of the text between two of them -> letters that look like them.
_ALIKE = str.maketrans(
    {"*": "\u2217", "`": "\u02cb", "$": "\uff04", "\\": "\u29f5", "~": "\u223c", "|": "\u2223"}
)
#: Where words or marks begin something in what pages, charts and titles read.
_BEGINS = re.compile(r"(?<!\w)_|_(?!\w)|[\[\]<&@](?=\S)|[:%](?=[^\s\d])|(?<=[wW])\.|^[#>+=-]|^\d+(?=[.)])")


def inert(text: str) -> str:
    """The text as it looks, on one line, but no markup wherever it is read: for names that go everywhere.

    A mark that makes something of the letters beside it gets a joiner, which takes no room; one that makes
    something of what stands between two of it becomes its double.
    """

    def still(found: re.Match[str]) -> str:
        mark = found[0]
        return "\uff3f" if mark == "_" else f"{_JOINER}." if mark == "." else f"{mark}{_JOINER}"

    return _BEGINS.sub(still, " ".join(text.split()).translate(_ALIKE))


def markdown_text(text: object) -> str:
    """The text itself where Markdown is read, on one line: no link, picture, heading, formula or emoji."""
    line = " ".join(str(text).split())
    escaped = _START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))
    return _FOUND.sub(lambda found: f"{found[0]}{_JOINER}" if found[1] else f"{_JOINER}{found[0]}", escaped)


def chart_text(text: object) -> str:
    """The text itself in a Plotly chart, which reads some HTML and, on hover, names between %{ and }."""
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("%{", "%" + _JOINER + "{")


def sheet_cell(value: Any) -> Any:
    """A value of a CSV; a text that a spreadsheet would take for a formula stands behind an apostrophe.

    The first characters are those OWASP names for CSV injection, also behind blanks.
    """
    if not isinstance(value, str):
        return value
    return f"'{value}" if value[:1] in _FORMULA or value.lstrip()[:1] in _FORMULA else value
