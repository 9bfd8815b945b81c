"""A press on a button is heard at once, also where the run that it asks for ends before the button."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[2] / "pruneattr_core" / "ui"


def deaf(source: str) -> list[int]:
    """Lines with a button that says what was pressed only to a run that comes as far as it."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("button", "form_submit_button")
        and all(word.arg != "on_click" for word in call.keywords)
    ]


@pytest.mark.parametrize("file", sorted(UI.rglob("*.py")), ids=lambda file: str(file.relative_to(UI)))
def test_buttons_act_on_the_press_itself(file: Path) -> None:
    """Decode, Compute and Cancel were lost where something else was chosen in the same moment."""
    assert deaf(file.read_text("utf-8")) == []


def test_the_rule_itself() -> None:
    assert deaf("if st.button('a'):\n    go()\nst.button('b', on_click=go)") == [1]
