"""A lesson in another language: every word of it, of the glossary and of the pages that it shows."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from string import Formatter

from pruneattr_core.attribution import METHODS
from pruneattr_core.glossary import entries
from pruneattr_core.lessons.glossary import glossary_in
from pruneattr_core.lessons.numbers import numbers
from pruneattr_core.lessons.text import FOLDER, languages
from pruneattr_core.ui.benchmarks.published import DATA_SETS
from pruneattr_core.ui.benchmarks.tables import told_of_areas

ROOT = Path(__file__).resolve().parents[2]
#: What the sidebar holds, which no lesson's view has.
SIDEBAR = {"crop.py", "networks.py", "own_weights.py", "shell.py", "uploader.py"}
#: Pages of no lesson's view, and the page of the lessons, which has words of its own.
ELSEWHERE = {"benchmarks", "lessons", "reproduction"}
#: Streamlit's controls, whose first argument is their label.
CONTROLS = {
    "button", "checkbox", "download_button", "expander", "multiselect", "number_input", "pills", "popover",
    "radio", "segmented_control", "selectbox", "slider", "text_input", "toggle",
}  # fmt: skip


def test_every_language_has_every_word() -> None:
    english, *others = (json.loads((FOLDER / one / "words.json").read_text("utf-8")) for one in languages())
    for other in others:
        assert other.keys() == english.keys()
        assert all(_named(other[key]) == _named(english[key]) for key in other)


def test_texts_of_pages_in_another_language_are_rules_that_a_browser_can_follow() -> None:
    found = {
        one: json.loads(file.read_text("utf-8"))
        for one in languages()
        if (file := FOLDER / one / "tool.json").is_file()
    }
    assert set(found) == set(languages()) - {"en"}
    for words in found.values():
        assert all(english and other for english, other in words["exact"].items())
        for rule, other in words["patterns"]:
            assert rule[0] == "^"
            groups = re.compile(rule).groups
            assert {int(place) for place in re.findall(r"\$(\d)", other)} <= set(range(1, groups + 1)), rule


def test_the_glossary_is_whole_in_every_language() -> None:
    for language in set(languages()) - {"en"}:
        written = json.loads((FOLDER / language / "glossary.json").read_text("utf-8"))
        assert list(written) == [one["word"] for one in entries()]
        found = glossary_in(language)
        assert found is not None
        for here, english in zip(found["glossary"], entries(), strict=True):
            assert 15 < len(here["means"]) < 260
            assert here["means"].endswith(".")
            assert {english["word"], *english.get("also", ())} <= {here["word"], *here["also"]}
            assert found["exact"][english["means"]] == here["means"]
        spelt = [one for here in written.values() for one in {here["title"], *here["also"]}]
        assert sorted({one.lower() for one in spelt}) == sorted(one.lower() for one in spelt)
    assert glossary_in("en") is None


def test_every_help_text_of_a_page_in_a_lesson_is_known_in_every_language() -> None:
    helps = {
        (path.name, text.value)
        for path in sorted((ROOT / "pruneattr_core" / "ui").rglob("*.py"))
        if path.name not in SIDEBAR and path.parent.name != "lessons"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "help"
        for text in ast.walk(node.value)
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and " " in text.value.strip()
    }
    assert len(helps) > 25
    for language in set(languages()) - {"en"}:
        known = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))["exact"]
        assert sorted(one for one in helps if one[1] not in known) == []


def test_every_label_of_a_control_in_a_lesson_is_known_in_every_language() -> None:
    """On a phone a German lesson's view had a button 'Choices', and popovers had labels in English."""
    pages = [
        path for path in sorted((ROOT / "pruneattr_core" / "ui").rglob("*.py"))
        if path.name not in SIDEBAR | {"asking.py"} and path.parent.name not in ELSEWHERE
    ]  # fmt: skip
    labels = {
        (path.name, node.args[0].value)
        for path in pages
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CONTROLS
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    } | {
        (path.name, label)
        for path in pages
        for label in re.findall(r"<summary>([^<{]+)</summary>", path.read_text("utf-8"))
    }
    assert len(labels) > 40
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        shapes = [re.compile(shape) for shape, _ in words["patterns"]]
        unknown = [one for one in labels if one[1] not in words["exact"] and not one[1].isupper()]
        assert sorted(one for one in unknown if not any(shape.search(one[1]) for shape in shapes)) == []


def test_what_every_method_claims_is_known_in_every_language() -> None:
    """Of the edge detector, which lesson 4 shows, it stood there in English."""
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        shapes = [re.compile(shape) for shape, _ in words["patterns"]]
        unknown = [one.note for one in METHODS.values() if one.note not in words["exact"]]
        assert [one for one in unknown if not any(shape.search(one) for shape in shapes)] == []


def _put_together(label: ast.JoinedStr) -> str:
    """What is said with a 5 for each thing in it, and with the words that only now and then stand there."""
    said = []
    for part in label.values:
        inside = part.value if isinstance(part, ast.FormattedValue) else part
        inner = next((one for one in ast.walk(inside) if isinstance(one, ast.JoinedStr)), None)
        said.append(
            _put_together(inner) if inner else str(getattr(part, "value", "")) if part is inside else "5"
        )
    return "".join(said)


def test_every_label_that_is_put_together_is_known_in_every_language() -> None:
    """'Order and filters (1)' and 'Go on with ...' stood in the German lesson on small networks."""
    pages = [
        path for path in sorted((ROOT / "pruneattr_core" / "ui").rglob("*.py"))
        if path.name not in SIDEBAR | {"asking.py"} and path.parent.name not in ELSEWHERE
    ]  # fmt: skip
    labels = {
        (path.name, _put_together(node.args[0]))
        for path in pages
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CONTROLS
        if node.args and isinstance(node.args[0], ast.JoinedStr)
    }
    assert len(labels) > 12
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        shapes = [re.compile(shape) for shape, _ in words["patterns"]]
        unknown = [
            (name, part)
            for name, label in labels
            for part in label.split(" · ")
            if re.search("[a-z]", part) and part not in words["exact"]
        ]
        assert sorted(one for one in unknown if not any(shape.search(one[1]) for shape in shapes)) == []


def test_every_sentence_of_a_drawn_part_is_known_in_every_language() -> None:
    parts = [path for part in ("browser", "compare", "folio", "removal", "review", "stage")
             for path in sorted((ROOT / "assets" / part).glob("*.js"))]  # fmt: skip
    said = {
        (path.name, text)
        for path in parts
        for text in re.findall(r"'([A-Z][^'\n]{6,})'", path.read_text("utf-8"))
        if " " in text
    }
    assert len(said) > 20
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        shapes = [re.compile(shape) for shape, _ in words["patterns"]]
        unknown = [one for one in said if one[1] not in words["exact"]]
        assert sorted(one for one in unknown if not any(shape.search(one[1]) for shape in shapes)) == []


def test_where_published_areas_stand_is_known_in_every_language() -> None:
    """A pattern of the whole sentence held for one data set, and until a clause was added."""
    said = [
        f"{told_of_areas(measures, near)}; a click on a column's head sorts."
        for measures in (["lerf"], ["roar"], ["lerf", "roar"], ["roar", "lerf"])
        for near in (*DATA_SETS, None)
    ]
    for language in set(languages()) - {"en"}:
        words = json.loads((FOLDER / language / "tool.json").read_text("utf-8"))
        for text in said:
            first = next(filter(None, (re.search(shape, text) for shape, _ in words["patterns"])))
            assert [part for part in first.groups() if part and part not in words["exact"]] == []


def test_numbers_are_written_as_the_language_does() -> None:
    german = {"decimal": ",", "percent": " %"}.__getitem__
    assert numbers("56.1% ± 1.4%", german) == "56,1 % ± 1,4 %"
    assert numbers("p = 0.98, stage4.1.0 and 1.2.3", german) == "p = 0,98, stage4.1.0 and 1.2.3"
    assert numbers("✗ 0.89", {"decimal": ".", "percent": "%"}.__getitem__) == "✗ 0.89"


def _named(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text)} - {None}
