"""Pages of one card a method: which methods; their results come beside the page, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.attribution import METHODS
from pruneattr_core.render.series import series
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.jobs import Failed, Job
from pruneattr_core.ui.kept import kept
from pruneattr_core.ui.results import attempt
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.stage import Blocks
from pruneattr_core.ui.state import Field, refuse, several_of
from pruneattr_core.ui.watching import LOOK, begin, failure, keep_only, running, stop

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

#: Methods on a page, at most.
MOST = 8
#: In an address, where an empty value would be dropped.
_NONE = "none"
#: Seconds for which a page waits for its cards before it is drawn without them.
FIRST_LOOK = 0.3


@dataclass(frozen=True)
class Card(Generic[Result]):
    """One method on the stage.

    Attributes:
        title: its name.
        state: "ready", "computing" or "failed".
        text: what stands on the picture while there is no result.
        result: when ready; a part of it while it is computed.
    """

    title: str
    state: str
    text: str = ""
    result: Result | None = None


def methods_field(prefix: str, first: str, offered: Sequence[str]) -> Field:
    """The setting of a page's methods: comma-separated names, "" for none."""

    def parse(text: str) -> str:
        if text == _NONE:
            return ""
        asked = several_of(text, offered)
        if len(asked) > MOST:
            raise ValueError(text)
        return ",".join(asked)

    return Field(f"{prefix}_methods", first, parse, "the methods", lambda text: text or _NONE)


def choose_methods(
    prefix: str, offered: Sequence[str], reasons: Mapping[str, str], place: DeltaGenerator, always: str = ""
) -> list[str]:
    """The methods of the page's setting that fit the network; a box in `place` changes them.

    Args:
        prefix: of the page's settings.
        offered: methods to choose from.
        reasons: method -> why it does not fit, "" where it does.
        place: where the box stands.
        always: what stands beside the methods in any case, a few words.
    """
    name, box = f"{prefix}_methods", f"{prefix}_box"
    fitting = [method for method in offered if not reasons[method]]
    named = [method for method in st.session_state[name].split(",") if method]
    unfit = [method for method in named if method not in fitting]
    if unfit:
        refuse(name, unfit, "what does not fit this network is left out")
        named = [method for method in named if method in fitting]
        st.session_state[name] = ",".join(named)
    if is_spare():
        return named
    st.session_state[box] = named

    def changed() -> None:
        st.session_state[name] = ",".join(st.session_state[box])

    beside = f" + {always}" if always else ""
    with place, st.popover(f"Methods ({len(named)}{beside})", icon=":material/checklist:"):
        st.multiselect(
            f"Methods, up to {MOST}", fitting, key=box, max_selections=MOST, select_all=False,
            on_change=changed, format_func=lambda method: METHODS[method].title,
        )  # fmt: skip
        left_out = [METHODS[method].title for method in offered if reasons[method]]
        if left_out:
            st.caption(f"Do not fit this network: {', '.join(left_out)}.")
    return named


def cards_of(asked: Mapping[str, Key], partial: Mapping[Key, Result], note: str) -> dict[str, Card[Result]]:
    """How things stand, by name of the method.

    Args:
        asked: name -> key of the result.
        partial: what there is of results that are being computed.
        note: what is being computed, "" where nothing is.
    """
    cards: dict[str, Card[Result]] = {}
    for name, key in asked.items():
        title, found = METHODS[name].title, engine().jobs.results.get(key)
        if isinstance(found, Failed):
            cards[name] = Card(title, "failed", found.text)
        elif found is not None:
            cards[name] = Card(title, "ready", result=found)
        elif note:
            text = note if note.split(" · ")[0] == title else "waiting"
            cards[name] = Card(title, "computing", text, partial.get(key))
        else:
            cards[name] = Card(title, "failed", "not computed")
    return cards


def show_cards(
    page: str,
    asked: Mapping[str, Key],
    compute: Callable[[Job, Key], object],
    cost: Callable[[Key], float],
    draw: Callable[[dict[str, Card[Any]]], None],
) -> None:
    """Have what is missing computed beside the page, and draw the cards again while they arrive.

    Args:
        page: names the page in the session.
        asked: method -> key of its result.
        compute: puts the result of a key into the cache; sets the job's partial, key -> what there is.
        cost: of a key, in any unit.
        draw: draws the cards, by method.
    """
    results, place = engine().jobs.results, f"_cards_{page}"
    todo = sorted((key for key in asked.values() if results.get(key) is None), key=cost)
    name = (page, *asked.values())

    def work(job: Job) -> None:
        for done, key in enumerate(todo):
            job.tick(done, len(todo))
            found = attempt(lambda key=key: compute(job, key))  # type: ignore[misc]
            if isinstance(found, Failed):
                results.put(key, found)

    if not todo:
        keep_only(place, name)
    elif begin(place, name, work) and (started := running(place)) is not None:
        started.finished.wait(FIRST_LOOK)
    going = running(place) is not None

    def frame() -> None:
        job = running(place)
        if going != (job is not None):
            st.rerun()  # stop the clock
        if failure(place):
            complain(failure(place))
        partial = job.partial if job is not None and job.partial else {}
        note = "" if job is None else job.note or "starting"
        cards = cards_of(asked, partial, note)
        draw(cards)
        if job is not None:
            st.button("Stop", key=f"stop_{page}", icon=":material/close:", on_click=stop, args=(place,))
        elif any(card.state == "failed" for card in cards.values()):
            st.button("Try again", key=f"again_{page}", icon=":material/refresh:", on_click=again)

    def again() -> None:
        for key in asked.values():
            if isinstance(results.get(key), Failed):
                results.drop(key)
        todo[:] = sorted((key for key in asked.values() if results.get(key) is None), key=cost)
        begin(place, name, work, again=True)

    st.fragment(frame, run_every=LOOK if going else None)()


def once_ready(
    cards: Sequence[Card[Any]], of: str, start: Mapping[str, Any], make: Callable[[Mapping[str, Any]], bytes]
) -> bytes:
    """A stage's bytes, made once for all who are shown it when every card has its result.

    Args:
        cards: left to right.
        of: names what is shown, the class explained included, see `hand`.
        start: see `hand.start_of`.
        make: makes them, see `scene_of`.
    """
    if any(card.state != "ready" for card in cards):
        return make(start)
    return bytes(kept(("stage", of, *start.items()), lambda: make(start)))


def scene_of(
    cards: Sequence[Card[Any]],
    photo: NDArray[np.uint8],
    of: str,
    start: Mapping[str, Any],
    blocks: Blocks,
) -> dict[str, Any]:
    """The part of a stage's header that every stage has.

    Args:
        cards: left to right.
        photo: (H, W, 3), exactly the pixels the network sees.
        of: names what is shown, see `hand`.
        start: see `hand.start_of`.
        blocks: takes the photo.
    """
    return {
        "of": of,
        "start": dict(start),
        "complete": all(card.state in ("ready", "failed") for card in cards),
        "height": photo.shape[0],
        "width": photo.shape[1],
        "photo": blocks.add(photo),
    }


def twins(cards: Sequence[Card[Result]], alike: Callable[[Result, Result], bool]) -> list[str]:
    """Per card the title of the first before it with the same result, rounding aside, "" where none has.

    PruneGrad's map is the gradient's while only silent neurons are gone: two equal curves say nothing then.

    Args:
        cards: left to right.
        alike: whether two results are the same.
    """
    found: list[str] = []
    for place, card in enumerate(cards):
        before = (
            other.title
            for other in cards[:place]
            if other.result is not None and card.result is not None and alike(other.result, card.result)
        )
        found.append(next(before, ""))
    return found


def head_of(card: Card[Any], place: int) -> dict[str, Any]:
    """The part of a card that every stage has, in the colours of its place."""
    look = series(place)
    return {
        "title": card.title,
        "state": card.state if card.result is None else "ready",
        "computing": card.state == "computing",
        "text": card.text,
        "blocks": [],
        "colour": look.colour,
        "dash": look.dash,
    }
