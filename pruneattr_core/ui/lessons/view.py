"""The real page of a step, with its view set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

import streamlit as st

from pruneattr_core.errors import PruneAttrError, Unknown
from pruneattr_core.lessons.text import Step, address
from pruneattr_core.models import ModelCard, model_card
from pruneattr_core.ui import pictures, shell
from pruneattr_core.ui.asking import PREDICTED
from pruneattr_core.ui.browser_store import at_hand
from pruneattr_core.ui.crop import cropped
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.lessons.state import word
from pruneattr_core.ui.spare import draw_spare
from pruneattr_core.ui.state import Field, publish
from pruneattr_core.ui.state import view as texts_of

#: Page -> (module that draws it, module of its settings, whether it draws what was selected).
_PAGES = {
    "explore": ("explore.page", "explore.page", True),
    "compare": ("compare.page", "compare.state", True),
    "paths": ("paths.page", "paths.state", True),
    "decoding": ("decoding.page", "decoding.page", True),
    "sanity": ("sanity.page", "sanity.page", True),
    "removal": ("removal.page", "removal.page", True),
    "review": ("review.page", "review.state", False),
    "benchmarks": ("benchmarks.page", "benchmarks.page", False),
    "reproduction": ("reproduction.page", "reproduction.page", False),
}
#: The step whose view the session holds: (lesson, step number, what a class has in common).
_ENTERED = "_lesson_entered"
#: Settings that name what somebody made: another step of the same lesson goes on with it.
_MADE = ("review",)
#: What a hand changes all the same is set back by the next run.
_LOCKED = "<style>.st-key-lesson_view_locked { pointer-events: none; }</style>"
#: Pixels across of the picture that stands there instead of a view.
_PHOTO = 360


def _module(name: str) -> Any:
    return import_module(f"pruneattr_core.ui.{name}")


def fields_of(step: Step) -> tuple[Field, ...]:
    """Settings of the step's page, those of the sidebar first where it uses them."""
    if not step.page:
        return ()
    _, settings, selected = _PAGES[step.page]
    own: tuple[Field, ...] = _module(settings).FIELDS
    return (*shell.FIELDS, *own) if selected else own


def needs_selection(step: Step) -> bool:
    """Whether the step's page is about the sidebar's network and picture."""
    return _PAGES[step.page][2]


def complaint(step: Step) -> str:
    """What is wrong with the step's view, empty if nothing: a setting that the page does not know, say."""
    known = {field.name: field for field in fields_of(step)}
    state, held = st.session_state, {}
    try:
        for name, text in step.view:
            if name not in known:
                return f"The page {step.page} has no setting {name!r}."
            try:
                value = known[name].parse(text)
            except (ValueError, KeyError, Unknown):
                return f"The setting {name} of the page {step.page} cannot be {text!r}."
            if name not in state or state[name] != value:  # what comes after it may depend on it
                held[name] = (state[name],) if name in state else ()
                state[name] = value
    finally:
        for name, former in held.items():
            if former:
                state[name] = former[0]
            else:
                del state[name]
    return ""


def enter(lesson: str, number: int, step: Step, locked: bool, frozen: Mapping[str, str] | None) -> None:
    """Set the step's view: once a step, or at every run where it is locked.

    Args:
        lesson: its name.
        number: of the step.
        step: the step.
        locked: whether what somebody changed is set back.
        frozen: network, picture and class that a class has in common, as texts; None outside of one. What a
            link says about the first step stands only outside of one.
    """
    former = st.session_state.get(_ENTERED)
    here = (lesson, number, tuple(sorted((frozen or {}).items())))
    if former == here and not locked:
        return
    st.session_state[_ENTERED] = here
    made = _MADE if former is not None and former[0] == lesson else ()
    linked = set(st.query_params) if former is None and frozen is None else set()
    texts = {**dict(step.view), **(frozen or {})}
    for field in fields_of(step):
        if field.name not in linked and not (field.name in made and st.session_state.get(field.name)):
            text = texts.get(field.name)
            st.session_state[field.name] = field.default if text is None else field.parse(text)
    if step.page and _PAGES[step.page][2]:
        publish(shell.FIELDS)


def common(step: Step) -> tuple[tuple[str, str], ...]:
    """Network, picture and class of this session's view, as a class is to have them in common."""
    if not step.page or not _PAGES[step.page][2]:
        return ()
    # An upload lies in this session alone: the class looks at the step's own picture then.
    own = ("upload", "crop", *(("source", "picture") if is_own_picture(step) else ()))
    return tuple((name, text) for name, text in texts_of(shell.FIELDS).items() if name not in own)


def is_own_picture(step: Step) -> bool:
    """Whether the step shows an upload, which no class can have in common."""
    return bool(step.page) and needs_selection(step) and st.session_state["source"] == pictures.UPLOAD


def leave() -> None:
    """Nothing is entered any more: the next step sets its view again."""
    st.session_state[_ENTERED] = "", 0, ()


def draw(step: Step, locked: bool, spare: bool) -> None:
    """The page itself; where it is locked, hands off.

    Args:
        step: the step.
        locked: whether what somebody changes is set back.
        spare: whether a whole class is shown it at once, see `ui.spare`.
    """
    draw_spare(spare)
    if locked and step.locked == "hidden":
        _instead(step)
        return
    if locked:
        st.html(_LOCKED)
        st.caption(word("locked" if step.locked == "always" else "locked_until"))
    with st.container(key="lesson_view_locked" if locked else "lesson_view"):
        _draw(step)


def _instead(step: Step) -> None:
    """What stands there until the question is answered: the picture that it is about."""
    shown = _shown() if needs_selection(step) else None
    if shown is not None:
        card, picture = shown
        photo = pictures.seen_by(card, picture)
        st.image(inline(photo), width=_PHOTO, alt=f"Picture {picture.title} as the network sees it")
    st.caption(word("hidden_until"))


def _shown() -> tuple[ModelCard, pictures.Picture] | None:
    """Network and picture of the session's view; None while an upload is not here, which is said."""
    card = model_card(st.session_state["model"] or shell.default_model())
    source = st.session_state["source"] or shell.default_source(card.id)
    if source == pictures.UPLOAD:
        wanted = st.session_state["upload"] or next(iter(list(pictures.uploads())[::-1]), "")
        if not at_hand(wanted):
            return None
        picture = pictures.from_upload(wanted)
    else:
        place = min(st.session_state["picture"], len(pictures.dataset(source)) - 1)
        picture = pictures.from_dataset(source, place)
    return card, cropped(picture, st.session_state["crop"])


def _draw(step: Step) -> None:
    drawing, _, needs = _PAGES[step.page]
    if not needs:
        _module(drawing).draw()
        return
    shown = _shown()
    if shown is None:
        return
    card, picture = shown
    target = st.session_state["target"]
    chosen = shell.selected(card, picture, None if target == PREDICTED else target)
    if chosen is not None:
        _module(drawing).draw(chosen)


def prepare(step: Step) -> None:
    """Have the view of the step that comes next computed, where that takes long: the explorer's maps.

    What is wrong with that view is said when the step is there.
    """
    view, known = dict(step.view), {field.name: field for field in fields_of(step)}
    if step.page != "explore" or not {"model", "source"} <= view.keys():
        return

    def of(name: str) -> Any:
        return known[name].parse(view[name]) if name in view else known[name].default

    with suppress(ValueError, KeyError, Unknown, PruneAttrError):
        card, target = model_card(of("model")), of("target")
        place = min(of("picture"), len(pictures.dataset(of("source"))) - 1)
        if card.available_offline():
            _module("explore.ahead").compute_ahead(
                card.id, pictures.from_dataset(of("source"), place), None if target < 0 else target,
                of("mode"), of("contribution"),
            )  # fmt: skip


def link(step: Step) -> str:
    """Address of the step's page, relative to this page's."""
    return "." + address(step)
