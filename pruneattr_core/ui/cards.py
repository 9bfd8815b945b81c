"""The cards of a stage: one a method, computed one after the other while those that are there are shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.render.series import series
from pruneattr_core.ui.stage import Blocks

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Card(Generic[Result]):
    """One method on the stage.

    Attributes:
        title: its name.
        state: "ready", "computing" or "failed".
        text: what stands on the picture while there is no result.
        result: when ready.
    """

    title: str
    state: str
    text: str = ""
    result: Result | None = None


def cards_of(
    asked: Mapping[str, Key], known: Callable[[Key], Result | None], failed: Mapping[Key, str]
) -> dict[str, Card[Result]]:
    """How things stand, by name of the method.

    Args:
        asked: name -> key of the result.
        known: the result of a key if it is there.
        failed: why there will be none, for what was tried in vain.
    """
    cards: dict[str, Card[Result]] = {}
    for name, key in asked.items():
        title, result = METHODS[name].title, known(key)
        if result is not None:
            cards[name] = Card(title, "ready", result=result)
        elif key in failed:
            cards[name] = Card(title, "failed", failed[key])
        else:
            others = any(card.state == "computing" for card in cards.values())
            cards[name] = Card(title, "computing", "waiting" if others else "computing …")
    return cards


def go_on(
    asked: Mapping[str, Key],
    cards: Mapping[str, Card[Result]],
    failed: dict[Key, str],
    compute: Callable[[Key], object],
) -> None:
    """Compute the next result and start the run again; without any left, offer to try again what failed."""
    missing = [key for name, key in asked.items() if cards[name].state == "computing"]
    if missing:
        try:
            compute(missing[0])
        except Cancelled:
            pass
        except PruneAttrError as error:
            failed[missing[0]] = str(error)
        st.rerun()
    if any(card.state == "failed" for card in cards.values()):
        st.button("Try again", icon=":material/refresh:", on_click=failed.clear)


def scene_of(
    cards: Sequence[Card[Result]],
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


def head_of(card: Card[Result], place: int) -> dict[str, Any]:
    """The part of a card that every stage has, in the colours of its place."""
    look = series(place)
    return {
        "title": card.title,
        "state": card.state,
        "text": card.text,
        "blocks": [],
        "colour": look.colour,
        "dash": look.dash,
    }
