"""A class on one link: it follows its teacher alone, counts are right under threads, and nothing grows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pruneattr_core.errors import InputError
from pruneattr_core.lessons import classroom
from pruneattr_core.lessons.classroom import MOST_CLASSES, MOST_VOTERS, Classes, Place
from pruneattr_core.ui.lessons.group import AT_ONCE, LEASE, Turns


def test_thirty_threads_vote_and_change_their_minds() -> None:
    classes = Classes()
    code, _ = classes.open(Place("a", "en", 1))

    def vote(voter: int) -> None:
        for choice in (2, 1, voter % 3):  # the last one counts
            classes.answer(code, "a", 1, f"voter {voter}", choice)

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(vote, range(30)))
    assert classes.counts(code, "a", 1) == {0: 10, 1: 10, 2: 10}


def test_only_the_key_moves_it_and_only_the_present_step_counts() -> None:
    classes = Classes()
    code, key = classes.open(Place("a", "en", 1))
    other, _ = classes.open(Place("a", "en", 1))
    for wrong in ("", "x" * 32):
        with pytest.raises(InputError, match="open a new one"):
            classes.move(code, wrong, Place("a", "en", 2))
    classes.answer(code, "a", 2, "early", 0)
    classes.move(code, key, Place("a", "en", 2))
    classes.answer(code, "a", 1, "late", 0)
    classes.answer(code, "a", 2, "in time", 1)
    assert classes.place(code) == Place("a", "en", 2)
    assert (classes.counts(code, "a", 1), classes.counts(code, "a", 2)) == ({}, {1: 1})
    assert classes.counts(other, "a", 2) == {}


def test_who_has_the_key_leads_and_ends_it() -> None:
    classes = Classes()
    code, key = classes.open(Place("a", "en", 1))
    assert [classes.led(code, one) for one in (key, "", "ä", key[:-1])] == [True, False, False, False]
    classes.close(code, "x")
    assert classes.place(code) is not None
    classes.close(code, key)
    assert (classes.place(code), classes.led(code, key)) == (None, False)


def test_classes_and_voters_are_bounded_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = Classes()
    first, _ = classes.open(Place("a", "en", 1))
    codes = {classes.open(Place("a", "en", 1))[0] for _ in range(MOST_CLASSES)}
    assert len(codes) == MOST_CLASSES
    assert classes.place(first) is None
    code = codes.pop()
    for voter in range(MOST_VOTERS + 5):
        classes.answer(code, "a", 1, str(voter), 0)
    assert classes.counts(code, "a", 1) == {0: MOST_VOTERS}
    now = classroom.time.monotonic()
    monkeypatch.setattr(classroom.time, "monotonic", lambda: now + classroom.LIFE + 1)
    assert classes.place(code) is None


def test_pages_are_drawn_a_few_at_a_time_and_everybody_s_turn_comes() -> None:
    turns, waiting, late = Turns(), [f"pupil {number}" for number in range(30)], 0.0
    while waiting:
        drawn = [who for who in waiting if turns.take(who, late)]
        assert drawn == waiting[:AT_ONCE]
        assert turns.take(drawn[0], late)  # it stays its turn, however often it asks
        for who in drawn[1:]:
            turns.give_back(who)
        late += LEASE  # of the first one nothing is heard any more: it holds nobody up for longer
        waiting = [who for who in waiting if who not in drawn]
    turns.give_back("somebody without a turn")
