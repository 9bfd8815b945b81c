"""The glossary has a clear entry for every word of the trade that pages and components use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pruneattr_core.assets import ASSETS
from pruneattr_core.glossary import entries, meaning

ROOT = Path(__file__).resolve().parents[2]
#: LeRF, SSWA, mAP, DGR: what nobody can guess.
ABBREVIATION = re.compile(r"\b(?:[A-Z]{2,}[a-z]?[0-9]?|[A-Z][a-z]+[A-Z]{2,}|[a-z][A-Z]{2,})\b")
#: Words of everybody's computer, of a keyboard, or of code shown as code.
COMMON = set(
    re.findall(
        r"\w+",
        "OK PNG PDF SVG CSV JSON NPZ NPY HTML AVIF HEIC TIFF JPEG GIF BMP WEBP ZIP URL CPU GPU CUDA MB GB "
        "SHA RGB RGBA ID XML CIFAR VGG VOC API UTF UTC MIT BSD MPS TOML PYTHONPATH PRUNEATTR NAME OWNER "
        "FOLDER SZ TAG WEIGHTS GET",
    )
)


def texts() -> list[tuple[str, str]]:
    found = []
    for path in sorted((ROOT / "pruneattr_core" / "ui").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docs = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented)
                and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        found += [
            (path.name, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        ]
    found += [
        (path.name, re.sub(r"<[^>]*>", " ", path.read_text("utf-8"))) for path in ASSETS.rglob("*.html")
    ]
    return found


def test_no_abbreviation_without_an_entry() -> None:
    spelt = {spelling for one in entries() for spelling in (one["word"], *one.get("also", ()))}
    known = {part for spelling in spelt for part in ABBREVIATION.findall(spelling)} | COMMON
    missing = {
        (word, name) for name, text in texts() for word in ABBREVIATION.findall(text) if word not in known
    }
    assert sorted(missing) == []


def test_entries_are_short_sentences_and_no_spelling_has_two() -> None:
    spelt = [spelling.lower() for one in entries() for spelling in (one["word"], *one.get("also", ()))]
    assert sorted(set(spelt)) == sorted(spelt)
    for one in entries():
        assert 20 < len(one["means"]) < 260, one["word"]
        assert one["means"].endswith("."), one["word"]


def test_every_entry_is_used() -> None:
    python, others = (ROOT / "pruneattr_core").rglob("*.py"), ("**/*.js", "**/*.html", "lessons/**/*.md")
    paths = [*python, *(path for pattern in others for path in ASSETS.glob(pattern))]
    said = "".join(path.read_text("utf-8") for path in paths).lower()
    unused = [
        one["word"]
        for one in entries()
        if not any(spelling.lower() in said for spelling in (one["word"], *one.get("also", ())))
    ]
    assert unused == []


def test_a_word_without_entry_says_where_to_add_it() -> None:
    with pytest.raises(KeyError, match="has no entry"):
        meaning("abracadabra")
