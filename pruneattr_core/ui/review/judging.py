"""Verdicts on their way from the desk into the review's file, and what is known of the review."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from pruneattr_core.compression.review_maps import PRUNING, START_LEVEL, levels_of
from pruneattr_core.compression.review_verdicts import (
    NOTE_LIMIT,
    VERDICTS,
    Verdict,
    checked_name,
    latest,
    load_review,
    new_name,
    review_names,
    save_verdicts,
    secret_name,
)
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.machine import serves_group
from pruneattr_core.ui.review.again import heard, heard_by, unheard
from pruneattr_core.ui.review.payload import Row, place_of
from pruneattr_core.ui.review.sheet import Sheet
from pruneattr_core.ui.review.state import KEEP, MADE_UP
from pruneattr_core.ui.state import has_stepped, remark, retract, viewer

#: Names of the reviews this session has opened.
_MINE = "_reviews_mine"
#: Of the session: why a name that was typed is none, until it is said.
_REFUSED = "_review_refused"
#: Rows of former pages whose verdicts may still arrive.
_REMEMBERED = 64


def choose_review() -> None:
    """The name of the review: a new one a session, or one that is there.

    Where a group is served, reviews belong to who began them: names end in a secret and are not listed, so
    only the link opens one.
    """
    mine: list[str] = st.session_state.setdefault(_MINE, [])
    # A step back to before any name was chosen or kept ends no review: it leads to the first one.
    asked = st.session_state["review"] or (next(iter(mine), "") if has_stepped() else "")
    current = asked or new_name()
    st.session_state["review"] = current = secret_name(current) if serves_group() else current
    if not asked:
        st.session_state[MADE_UP] = current
    if current not in mine:
        mine.append(current)

    def named() -> None:
        retract("review")
        try:
            st.session_state["review"] = checked_name(st.session_state["review"])
        except InputError as error:
            st.session_state["review"], st.session_state[_REFUSED] = current, str(error)

    if refused := st.session_state.pop(_REFUSED, None):
        remark("review", markdown_text(refused))

    st.selectbox(
        "Review",
        list(dict.fromkeys([current, *_names()])),
        key="review",
        accept_new_options=True,
        on_change=named,
        width=182,
        help="Verdicts are saved under this name as you go; the address keeps it. Every visit begins a new "
        "review: choose one to resume it, or type a name. Who has the link shares the verdicts.",
        **KEEP,
    )


def _names() -> list[str]:
    """Reviews that may be listed: all on this machine, or where a group is served those of this session."""
    return list(st.session_state.get(_MINE, ())) if serves_group() else review_names()


def last_review() -> str | None:
    """The review that was written last, of those that may be listed."""
    return latest(_names())


def about(verdicts: Mapping[str, Verdict], sheet: Sheet) -> list[Verdict]:
    """Those on the student under review, with these pictures and this method."""
    lineup = sheet.lineup
    asked = (lineup.teacher.id, lineup.student.id, sheet.pictures.id, sheet.method)
    return [one for one in verdicts.values() if (one.teacher, one.student, one.data, one.method) == asked]


def read_review(name: str) -> Mapping[str, Verdict]:
    """The review's verdicts; a damaged file is named on the page and counts as empty."""
    try:
        return load_review(name)
    except PruneAttrError as error:
        complain(error, ":material/folder_off:")
        return {}


def remember(sheet: Sheet, rows: Mapping[str, Row]) -> None:
    """Keep what is needed when a verdict on these rows comes back."""
    kept: OrderedDict[str, tuple[Sheet, Row]] = st.session_state.setdefault("_desk_rows", OrderedDict())
    for key, row in rows.items():
        kept[key] = (sheet, row)
        kept.move_to_end(key)
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def receive(name: str, given: Any, seen: Mapping[str, Verdict | None]) -> Mapping[str, Verdict | None]:
    """Save what is new among the verdicts that the desk holds; after a failure the next call tries again.

    Args:
        name: of the review.
        given: row key -> {verdict, note, level, n}, whatever a browser sends; level is the place on the
            slider at which the verdict was given, or a note alone, None where the browser does not know.
        seen: row key -> what this reader last saw or said; another window's verdict since is not replaced
            without a word.

    Returns:
        Row key -> what has been saved; None where it was taken back.

    Raises:
        PruneAttrError: the review cannot be read or written.
    """
    known: dict[str, Any] = st.session_state.setdefault("_desk_given", {})
    fresh = {key: said for key, said in dict(given or {}).items() if known.get(key) != said}
    rows: Mapping[str, tuple[Sheet, Row]] = st.session_state.get("_desk_rows", {})
    fresh = {key: said for key, said in fresh.items() if key in rows and isinstance(said, Mapping)}
    # A tab may have said it again before the session that it was said to has heard it.
    fresh = {key: said for key, said in fresh.items() if heard_by(said.get("id")) in ("", viewer())}
    if not fresh:
        return {}
    before = load_review(name)
    verdicts = {key: _verdict(*rows[key], said, before.get(key)) for key, said in fresh.items()}
    save_verdicts(name, verdicts)
    heard(fresh.values(), viewer())
    for key, now in verdicts.items():
        other = before.get(key)
        if other is not None and _words(other) not in (_words(seen.get(key)), _words(now)):
            st.toast(
                f"**{markdown_text(rows[key][1].name)}** has been judged in another window since you opened "
                f"this page: {_words(other)}. What you say counts now: {_words(now)}.",
                icon=":material/group:", duration="long",
            )  # fmt: skip
    known.update({key: fresh[key] for key in verdicts})
    for key in list(known)[: -4 * _REMEMBERED]:
        del known[key]
    return verdicts


def hear_again(name: str, told: Any) -> bool:
    """Save what a browser's tab said before a reload and nobody has heard; whether there was anything.

    Args:
        name: of the review.
        told: see `unheard`.

    Raises:
        PruneAttrError: the review cannot be read or written.
    """
    if told is None:  # most often: the file need not be read again
        return False
    now = load_review(name)
    saved = receive(name, unheard(told, name, now), now)
    for key in saved:  # the desk of now has not said it: it draws what it is given
        st.session_state["_desk_given"].pop(key, None)
    return bool(saved)


def take_up(told: Any) -> None:
    """Go on with the review of before a reload, where nothing but a name was made up for this one.

    Args:
        told: {review, resume, ...}, whatever a browser sends.
    """
    state = st.session_state
    wanted = told.get("review") if isinstance(told, Mapping) and told.get("resume") is True else None
    fresh = state["review"] == state.get(MADE_UP)
    if not isinstance(wanted, str) or wanted == state["review"] or not fresh:
        return
    with suppress(PruneAttrError):
        if not load_review(state["review"]):
            state["review"] = state[MADE_UP] = checked_name(wanted)


def differ(now: Mapping[str, Verdict], seen: Mapping[str, Verdict | None], rows: Collection[str]) -> bool:
    """Whether another window has said something of these rows since they were drawn."""
    return any(_words(now.get(key)) != _words(seen.get(key)) for key in rows)


def _words(said: Verdict | None) -> str:
    """What was said of a map, in the words of the desk."""
    if said is None:
        return "no verdict"
    level = f" at {said.level_words}" if said.scale == "all" else ""
    note = f", “{markdown_text(said.note)}”" if said.note else ""
    return VERDICTS.get(said.verdict, "no verdict") + level + note


def _verdict(sheet: Sheet, row: Row, said: Mapping[str, Any], before: Verdict | None) -> Verdict | None:
    """What was said, at its level; a note on a verdict leaves all else of it as it was given."""
    word, note = str(said.get("verdict", "")), str(said.get("note", ""))[:NOTE_LIMIT]
    if word not in ("", *VERDICTS) or not (word or note):
        return None
    lineup, levels = sheet.lineup, levels_of(sheet.method)
    told, numbers = said.get("level"), row.numbers.get(lineup.student.id)
    place = told if isinstance(told, int) and 0 <= told < len(levels) else None
    if before is not None and word and before.verdict == word and place in (None, place_of(before, levels)):
        return replace(before, note=note)

    def at(name: str) -> float:
        values = None if numbers is None or place is None else getattr(numbers, name)
        value = None if values is None else values[place]
        return float("nan") if value is None else float(value)

    return Verdict(
        teacher=lineup.teacher.id,
        student=lineup.student.id,
        data=sheet.pictures.id,
        picture=row.place,
        name=row.name,
        target=lineup.teacher.card.classes[row.target],
        method=sheet.method,
        verdict=word,
        note=note,
        cosine=at("cosine"),
        l2=at("l2"),
        point=at("point"),
        mass=at("mass"),
        **_level(sheet.method, place),
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _level(method: str, place: int | None) -> dict[str, Any]:
    if method != PRUNING:
        return {"scale": "none"}
    return {} if place is None else {"scale": "all", "level": levels_of(method)[place]}


def live_level(level: int) -> int:
    """The slider's level, or where it starts."""
    return START_LEVEL if level < 0 else level


def judged_of(verdicts: Mapping[str, Verdict], sheet: Sheet, count: int) -> int:
    """How many of the first `count` pictures are judged for the student under review."""
    return sum(bool(one.verdict) for one in about(verdicts, sheet) if one.picture < count)


def standing(verdicts: Mapping[str, Verdict], sheet: Sheet, count: int) -> str:
    """One line: how far the review of this student is, over the first `count` pictures."""
    lineup, mine = sheet.lineup, [one for one in about(verdicts, sheet) if one.picture < count]
    parts = [
        f"{sum(one.verdict == word for one in mine)} {title.lower()}" for word, title in VERDICTS.items()
    ]
    judged = judged_of(verdicts, sheet, count)
    return f"**{judged} of {count}** judged for {markdown_text(lineup.student.title)}: {', '.join(parts)}"
