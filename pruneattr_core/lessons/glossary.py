"""The glossary in the language of a lesson: glossary.json beside its texts, by the English words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pruneattr_core.glossary import entries
from pruneattr_core.lessons.text import FOLDER


@cache
def glossary_in(language: str) -> Mapping[str, Any] | None:
    """The words as a browser takes them; None for a language that has none of its own, as English.

    Returns:
        "glossary": entries as `pruneattr_core.glossary.entries` has them, found by their English spellings,
        too; "exact": what the English entries say -> what these do.
    """
    file = FOLDER / language / "glossary.json"
    if not file.is_file():
        return None
    written = json.loads(file.read_text("utf-8"))
    known: list[Mapping[str, Any]] = []
    exact: dict[str, str] = {}
    for entry in entries():
        here, word, means = written[entry["word"]], entry["word"], entry["means"]
        also = [*here["also"], word, *entry.get("also", ())]
        known.append({**entry, "word": here["title"], "also": also, "means": here["means"]})
        exact |= {word: here["title"], means: here["means"], f": {means}": f": {here['means']}"}
    return {"glossary": known, "exact": exact}
