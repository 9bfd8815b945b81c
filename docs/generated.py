"""Pages and tables of the documentation that are made from the code and the runs, when the site is built."""

from __future__ import annotations

from typing import Any

from pruneattr_core.attribution import METHODS
from pruneattr_core.reproduction.page import all_claims, markdown

_TABLES = {"<!-- methods -->": "methods", "<!-- reproduction -->": "reproduction"}


def methods() -> str:
    """The table of methods, as the library has it."""
    rows = [
        f"| `{name}` | {method.title} | {'both signs' if method.signed else 'one sign'} | {method.citation} |"
        for name, method in METHODS.items()
    ]
    return "\n".join(["| name | method | values | source |", "|---|---|---|---|", *rows])


def reproduction() -> str:
    """Every claim with its verdict."""
    return markdown(all_claims())


def on_page_markdown(text: str, **_: Any) -> str:
    """MkDocs calls this for each page: a marker becomes its table."""
    for marker, name in _TABLES.items():
        if marker in text:
            text = text.replace(marker, globals()[name]())
    return text
