"""No page imports pandas: two seconds of a server that has just come up, before anything is computed."""

from __future__ import annotations

import inspect
import subprocess
import sys
import traceback
from types import FunctionType
from typing import Any

import pytest
import streamlit as st
from streamlit import dataframe_util
from streamlit.components.v2.bidi_component import main as components

from tests.app.conftest import ROOT, Start, healthy

PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py"))
#: What Streamlit imports it in, to see whether it was given a table.
DOORS = {
    name: function
    for name, function in vars(dataframe_util).items()
    if isinstance(function, FunctionType) and "import pandas" in inspect.getsource(function)
}


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who went through one of the doors."""
    found: list[str] = []

    def watched(name: str, function: FunctionType) -> Any:
        def door(*arguments: Any, **options: Any) -> Any:
            if sys._getframe(1).f_globals["__name__"].partition(".")[0] != "tests":
                found.append(name + "\n" + "".join(traceback.format_stack()[-12:-1]))
            return function(*arguments, **options)

        return door

    for name, function in DOORS.items():
        monkeypatch.setattr(dataframe_util, name, watched(name, function))
    monkeypatch.setattr(
        components, "determine_data_format", watched("components", DOORS["determine_data_format"])
    )
    return found


@pytest.mark.parametrize("page", PAGES)
def test_no_page_imports_pandas(start: Start, entered: list[str], page: str) -> None:
    app = start()
    healthy(app.switch_page(f"pages/{page}").run())
    assert entered == []


@pytest.mark.parametrize("presenter", ["0", "1"])
@pytest.mark.parametrize(("number", "answer"), [("5", "choice_1"), ("7", "choice_2")])
def test_no_table_of_a_lesson_imports_pandas(
    start: Start, entered: list[str], number: str, answer: str, presenter: str
) -> None:
    address = {"lesson": "4-clever-hans", "lesson_step": number, "presenter": presenter}
    app = start(**address).switch_page("pages/10_lessons.py").run()
    healthy(app.button(key=answer).click().run())
    drawn = [one for one in app.markdown if one.value.startswith("| ")]
    assert [*drawn, *app.dataframe]
    assert entered == []


def test_the_doors_are_watched(entered: list[str]) -> None:
    st.table([{"one": 1}])
    assert entered


def test_a_table_of_ours_needs_none() -> None:
    code = "import sys; sys.modules['pandas'] = None; from pruneattr_core.ui.kept import dataframe; "
    code += "dataframe([{'one': 1, 'two': None}, {'one': 2.5, 'two': 'x'}], 'table')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=ROOT)
