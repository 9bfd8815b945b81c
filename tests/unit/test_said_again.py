"""What a browser's tab says again is heard once, and never over another's word."""

from __future__ import annotations

from typing import Any

import pytest

from pruneattr_core.compression.review_verdicts import Verdict
from pruneattr_core.ui.review import again

START = ["", "", None]


@pytest.fixture(autouse=True)
def nothing_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "_heard", type(again._heard)())


def word(verdict: str, name: str, note: str = "") -> dict[str, Any]:
    return {"verdict": verdict, "note": note, "level": 0, "n": 1, "id": name}


def told(said: Any, *before: Any) -> dict[str, Any]:
    return {"review": "mine", "rows": {"row": {"said": said, "before": list(before)}}}


def stands(verdict: str, note: str = "") -> dict[str, Verdict]:
    return {"row": Verdict("t", "s", "d", 0, "one", "cat", "gradcam", verdict, note=note)}


def test_what_nobody_heard_is_said_and_what_was_heard_is_not() -> None:
    said = told(word("ok", "1"), START)
    assert again.unheard(said, "mine", {}) == {"row": word("ok", "1")}
    again.heard([word("ok", "1")], "me")
    assert again.unheard(said, "mine", {}) == {}
    assert again.heard_by("1") == "me"


def test_two_words_that_were_lost_are_one() -> None:
    said = told(word("broken", "2"), START, ["ok", "", "1"])
    assert again.unheard(said, "mine", {}) == {"row": word("broken", "2")}


@pytest.mark.parametrize("now", [{}, stands("suspicious"), stands("ok", "theirs")])
def test_another_s_word_stays(now: dict[str, Verdict]) -> None:
    again.heard([word("ok", "1")], "me")
    said = told(word("broken", "2"), START, ["ok", "", "1"])
    assert again.unheard(said, "mine", now) == {}
    assert again.unheard(said, "mine", stands("ok")) == {"row": word("broken", "2")}


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], "x", 7, {}, {"review": "mine"}, {**told(word("ok", "1"), START), "review": "other"},
        {"review": "mine", "rows": [1]}, {"review": "mine", "rows": {"row": None}},
        told(None, START), told([], START),
        told(word("ok", "1")), told(word("ok", "1"), None, 3, [], ["", ""], {"a": 1}),
        {"review": "mine", "rows": {"row": {"said": word("ok", "1"), "before": "xyz"}}},
    ],
)  # fmt: skip
def test_whatever_else_a_browser_sends_says_nothing(wrong: Any) -> None:
    assert again.unheard(wrong, "mine", {}) == {}


def test_no_more_is_remembered_than_a_minute_needs() -> None:
    again.heard([word("ok", str(k)) for k in range(again.MOST + 10)], "me")
    assert again.heard_by("9") == ""
    assert again.heard_by(str(again.MOST + 9)) == "me"
    assert again.heard_by(["1"]) == ""
