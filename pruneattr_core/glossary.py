"""What our words mean: one file for pages, components, help texts and tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pruneattr_core.assets import ASSETS


@cache
def entries() -> tuple[Mapping[str, Any], ...]:
    """Every word: {"word", "means", "also": other spellings, "label": True where it only counts as a whole}.

    "Zero" is such a label: alone on a button it is ours, in the middle of a sentence it is anybody's.
    """
    found = json.loads((ASSETS / "glossary.json").read_text("utf-8"))
    return tuple(MappingProxyType(entry) for entry in found)


def meaning(word: str) -> str:
    """One sentence or two, as plain text.

    Raises:
        KeyError: no such word.
    """
    return next((str(one["means"]) for one in entries() if one["word"] == word), None) or _missing(word)


def script() -> str:
    """The entries as JavaScript, for every component."""
    return f"const GLOSSARY = {json.dumps([dict(one) for one in entries()], ensure_ascii=False)};"


def _missing(word: str) -> str:
    raise KeyError(f"assets/glossary.json has no entry {word!r}; add one")
