"""Choices over a setting: segments side by side, and select boxes whose labels may depend on data.

What the browser sends back never meets other labels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

Option = TypeVar("Option")
#: Setting -> (what its box showed last, number of that box).
_BOXES = "_boxes"


def segments(
    label: str, options: Mapping[str, str], key: str, help: str | None = None, shown: bool = True
) -> str:
    """One of a few things that stand side by side, over `st.session_state[key]`.

    Args:
        label: above them.
        options: value of the setting -> what is shown.
        key: of the setting in the session, which holds one of them.
        help: behind a question mark; None where there is none.
        shown: whether the label is seen; readers of screens hear it all the same.
    """
    st.segmented_control(
        label, list(options), key=key, required=True, format_func=options.__getitem__, help=help,
        label_visibility="visible" if shown else "collapsed", persist_state="session",
    )  # fmt: skip
    chosen: str = st.session_state[key]
    return chosen


def select(
    label: str,
    options: Sequence[Option],
    key: str,
    name: Callable[[Option], str] = str,
    changed: Callable[[], None] | None = None,
    **more: Any,
) -> Option:
    """A select box over `st.session_state[key]`, which keeps one of `options` whatever the browser says.

    A browser answers with a label, also with one that it was shown before the last run. The box is therefore
    another widget as soon as a label changes, or as something else than the box has changed the setting: a
    browser that has not heard of it yet would undo it. And the setting is no widget's state: it outlives the
    box and its page.

    Args:
        label: above the box.
        options: hashable, at least one; the first is taken where the session holds none of them.
        key: of the setting in the session.
        name: option -> its label; of equal labels each gets its number, see `labels_of`.
        changed: called when the reader has chosen.
        more: passed on to `st.selectbox`.
    """
    labels = labels_of(options, name)
    if st.session_state.get(key) not in labels:
        st.session_state[key] = options[0]
    number = _number_of(key)
    box = f"{box_of(key, labels)}_{number}"

    def picked() -> None:
        if st.session_state[box] in labels and st.session_state[box] != st.session_state[key]:
            _take(key, st.session_state[box], number)
            if changed is not None:
                changed()

    st.session_state[box] = st.session_state[key]
    st.selectbox(label, list(labels), key=box, format_func=labels.__getitem__, on_change=picked, **more)
    chosen: Option = st.session_state[key]
    return chosen


def slide(
    label: str, options: Sequence[Option], key: str, name: Callable[[Option], str], **more: Any
) -> Option:
    """A slider over `st.session_state[key]`, one of `options`, in a part of the page that a clock draws.

    It starts where the setting stands: what a run tells a slider once, a clock's next run may come before. So
    it is another widget as soon as something else (a link, a step back) has moved the setting.

    Args:
        label: above the slider.
        options: in order.
        key: of the setting in the session.
        name: option -> its label.
        more: passed on to `st.select_slider`.
    """
    number = _number_of(key)
    at = st.select_slider(label, options, st.session_state[key], name, key=f"{key}_box_{number}", **more)
    _take(key, at, number)
    return at


def _number_of(key: str) -> int:
    """Number of the box over a setting; the next one where something else than the box has changed it."""
    boxes: dict[str, tuple[Any, int]] = st.session_state.setdefault(_BOXES, {})
    held, number = boxes.get(key, (st.session_state[key], 0))
    number += held != st.session_state[key]
    boxes[key] = st.session_state[key], number
    return number


def _take(key: str, value: Any, number: int) -> None:
    """Take what the reader chose in the box of this number; a later box has not been told of it."""
    boxes: dict[str, tuple[Any, int]] = st.session_state[_BOXES]
    st.session_state[key] = value
    if boxes[key][1] == number:
        boxes[key] = value, number


def over(
    setting: str, box: str, value: Any, text: Callable[[Any], Any] = lambda value: value
) -> dict[str, Any]:
    """Arguments of a widget that shows a value and writes what is chosen to a setting of the session.

    The setting is no widget's state: it outlives the widget, stands in the address and in saved views.

    Args:
        setting: key in the session.
        box: key of the widget.
        value: to be shown.
        text: what the widget holds -> the setting.
    """
    st.session_state[box] = value

    def changed() -> None:
        st.session_state[setting] = text(st.session_state[box])

    return {"key": box, "on_change": changed}


def box_of(key: str, labels: Mapping[Any, str]) -> str:
    """Key of a widget over a setting: another one as soon as a label changes.

    Args:
        key: of the setting.
        labels: from `labels_of`.
    """
    return f"{key}_{hashlib.sha256(chr(10).join(labels.values()).encode()).hexdigest()[:12]}"


def labels_of(options: Sequence[Option], name: Callable[[Option], str]) -> dict[Option, str]:
    """Option -> label, no label twice: of equal names each gets its number among them."""
    names = {option: name(option) for option in options}
    times, seen = Counter(names.values()), Counter[str]()
    labels = {}
    for option, text in names.items():
        seen[text] += 1
        labels[option] = text if times[text] == 1 else f"{text} ({seen[text]})"
    return labels
