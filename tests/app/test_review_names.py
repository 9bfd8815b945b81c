"""A review's name as people type it: tidied, or refused in a sentence while the review stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import box, healthy
from tests.app.reviewing import Start, finished, opened, say, stand_in


@pytest.fixture(autouse=True)
def desk_of_stand_ins(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def typed(app: AppTest, name: str) -> AppTest:
    """The app after a name that is on no list."""
    found = box(app, "Review")
    found.options.append(name)
    return found.set_value(name).run()


@pytest.mark.parametrize("name", ["Müller", "<b>x</b>", "a/b", "-", " ", "x" * 300])
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(start: Start, name: str) -> None:
    """Nothing was said, and what had been typed was gone."""
    app = opened(start)
    typed(app, "chosen")
    typed(app, name)
    healthy(app)
    assert app.session_state["review"] == "chosen"  # not the first one of the session
    (said,) = [one.value for one in app.warning]
    assert "name has 1 to" in said
    assert "<b>" not in said
    assert len(typed(app, "-no").warning) == 1  # of this name alone
    assert not typed(app, "fine").warning


def test_spaces_around_a_name_make_no_other_review(start: Start) -> None:
    app = opened(start, review="a name")
    say(app, {finished(app)["rows"][0]["key"]: ("ok", "")})
    other = opened(start)
    typed(other, "  a   name ")
    assert other.session_state["review"] == "a name"
    assert box(other, "Review").options.count("a name") == 1
    assert not other.warning
