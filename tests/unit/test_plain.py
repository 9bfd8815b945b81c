"""Text that came with files: never markup, wherever it is shown or written."""

from __future__ import annotations

import ast
import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core.compression.review_verdicts import Verdict, review_csv
from pruneattr_core.render.plain import chart_text, inert, markdown_text, sheet_cell
from pruneattr_core.share.review_report import html_report

UI = Path(__file__).parents[2] / "pruneattr_core" / "ui"
HOSTILE = (
    "![x](http://evil.example/p.png)", "[a](javascript:alert(1))", "<img src=x onerror=alert(1)>",
    "www.evil.example", "a@evil.example", ":material/home:", ":red[x]", "$\\frac{1}{2}$", "# big", "> said",
    "1. one", "- one", "| a | b |\n|---|---|", "`code`", "a\n\nb",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_reads_the_characters_themselves(text: str) -> None:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    (opening, inline, closing) = reader.parse(markdown_text(text))
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert {part.type for part in inline.children or ()} <= {"text", "text_special"}
    said = "".join(part.content for part in inline.children or ())
    assert said.replace("\u2060", "") == " ".join(text.split())
    # What Streamlit itself finds in plain text: addresses, emoji and icons, directives.
    for mark in ("://", "www.", "@e", ":m", ":r"):
        assert mark not in said


@pytest.mark.parametrize(
    "text", [*HOSTILE, "_x_", "a*b*c", "=1+1", "%{x}", "&lt;b&gt;", "$a$", "+x", "@x", "~~s~~"]
)
def test_an_inert_name_is_no_markup_anywhere_and_looks_as_it_was(text: str) -> None:
    from markdown_it import MarkdownIt

    name = inert(text)
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for said in (name, f"Answer *{name}* here", f"**{name}**"):
        inline = reader.parse(said)[1]
        kinds = {part.type for part in inline.children or ()}
        assert kinds <= {"text", "softbreak", "em_open", "em_close", "strong_open", "strong_close"}
        assert sum(part.type in ("em_open", "strong_open") for part in inline.children or ()) == (
            said != name
        )
    for mark in ("://", "www.", "@e", ":m", ":r", "$", "&l", "%{"):
        assert mark not in name
    assert not re.search(r"<\w|</", name)
    assert sheet_cell(name) == name or text[0] in "=+-@"
    assert len(name.replace("\u2060", "")) == len(" ".join(text.split()))


@pytest.mark.parametrize(
    "text",
    ["hot_dog", "A&B".replace("&", " and "), "C++", "trilobite, 3 cm", "n01440764", "10:30", "rock 'n' roll"],
)
def test_plain_names_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_charts_get_no_tags_and_no_fields() -> None:
    assert "<" not in chart_text('<a href="http://evil.example">x</a>')
    assert "%{" not in chart_text("%{customdata}")


@pytest.mark.parametrize(
    "first",
    ["=", "+", "-", "@", "\t", "\r", "\n", " =", "  @", "\t\n=", "\uff1d", "\uff0b", "\uff0d", " \uff20"],
)
def test_no_cell_of_a_table_is_a_formula(first: str) -> None:
    text = f"{first}1+1"
    assert sheet_cell(text) == f"'{text}"
    one = Verdict("t", "s", "d", 0, text, "cat", "saliency", "ok", note=text)
    (row,) = list(csv.DictReader(io.StringIO(review_csv({one.key: one}).decode("utf-8-sig"), newline="")))
    assert row["name"] == row["note"] == f"'{text}"


def test_whatever_writes_a_table_guards_its_cells() -> None:
    core = Path(__file__).resolve().parents[2] / "pruneattr_core"
    texts = {file: file.read_text("utf-8") for file in core.rglob("*.py")}
    writing = {name for name, text in texts.items() if "csv.writer(" in text or "DictWriter(" in text}
    assert len(writing) >= 5
    assert [name for name in writing if texts[name].count("sheet_cell") < 2] == []  # imported and used


def test_numbers_and_plain_words_stay() -> None:
    assert [sheet_cell(value) for value in (-1.5, None, "a-b", "")] == [-1.5, None, "a-b", ""]


def test_the_report_holds_no_tag_of_a_file() -> None:
    one = Verdict("<b>t", "<i>s", "d", 0, '"><script>', "<u>", "saliency", "ok", note="<img src=http://x>")
    pixels = np.zeros((2, 2, 3), np.uint8)
    text = html_report("<script>", {one.key: one}, lambda _: [("<svg>", pixels)], {"<x>": "<y>"})
    assert text.count(b"<script") == 1  # the settings, which are no code
    for tag in (b"<b>", b"<i>", b"<u>", b"<img src=http", b"<svg", b"<x>", b"<y>"):
        assert tag not in text


def test_errors_reach_the_page_through_one_door() -> None:
    """`st.error` reads Markdown, and errors repeat names and keys of files: only `complain` calls it."""
    called = {
        file.name
        for file in UI.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "error" and getattr(node.value, "id", "") == "st"
    }
    assert called == {"errors.py"}
