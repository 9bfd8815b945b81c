"""What a page that has been left still asks for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pruneattr_core.ui.late import is_late


class _Session(SimpleNamespace):
    """A session of Streamlit's, as far as it is asked: the page of its latest run."""

    def whole(self, page: str) -> None:
        assert not is_late(SimpleNamespace(fragment_id="", page_script_hash=page), self)

    def part_is_late(self, page: str) -> bool:
        return is_late(SimpleNamespace(fragment_id="f", page_script_hash=page), self)


@pytest.fixture
def session() -> _Session:
    session = _Session(page_script_hash="")
    session.whole("")  # a browser arrives
    session.page_script_hash = "explore"  # and its run begins
    return session


def test_a_part_of_the_page_that_was_left_is_late_before_and_after_the_next_one_runs(
    session: _Session,
) -> None:
    assert not session.part_is_late("explore")
    session.whole("removal")
    assert session.part_is_late("explore")
    session.page_script_hash = "removal"
    assert session.part_is_late("explore")
    assert not session.part_is_late("removal")


def test_a_page_that_the_script_turned_to_is_not_left(session: _Session) -> None:
    session.whole("explore")
    session.page_script_hash = "compare"  # st.switch_page
    assert not session.part_is_late("compare")
    assert session.part_is_late("explore")


def test_whoever_stays_is_never_late(session: _Session) -> None:
    session.whole("explore")
    assert not session.part_is_late("explore")
    session.whole("")  # a line that broke is taken up again
    assert not session.part_is_late("explore")
