"""What the desk said last is heard where no picture is left, and an offer counts the pictures looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneattr_core.compression.review_verdicts import load_review
from tests.app.conftest import healthy
from tests.app.reviewing import Start, finished, header, opened, say, stand_in


@pytest.fixture(autouse=True)
def desk_of_stand_ins(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def test_an_undo_and_a_note_arrive_where_no_picture_passes(start: Start) -> None:
    app = opened(start, review="r")
    keys = [row["key"] for row in finished(app)["rows"]]
    app.session_state["desk_todo"] = "broken"
    app.run()
    assert "No picture passes" in app.info[0].value
    assert header(app)["rows"] == []  # the desk stands, with its Undo
    say(app, {keys[0]: ("", "typed at the last moment"), keys[1]: ("broken", "")})
    assert [(one.verdict, one.note) for one in load_review("r").values()] == [
        ("", "typed at the last moment"),
        ("broken", ""),
    ]
    healthy(app)
    assert [row["key"] for row in finished(app)["rows"]] == keys[1:2]  # which passes now
    assert not app.info


def test_an_offer_to_go_on_counts_the_pictures_looked_at(start: Start) -> None:
    app = opened(start, review="last", desk_page="10", desk_count="60")
    say(app, {row["key"]: ("ok", "") for row in finished(app)["rows"]})  # pictures 54 to 59
    other = opened(start, review="new", desk_count="24")
    finished(other)
    assert not [one for one in other.button if one.key == "desk_go_on"]
    app.session_state["desk_page"] = 1
    app.run()
    say(app, {finished(app)["rows"][0]["key"]: ("ok", "")})
    (offer,) = [one for one in opened(start, review="new").button if one.key == "desk_go_on"]
    assert offer.label == "Go on with last (1 of 24)"
