"""The view as a handful of named texts: in the address bar, in exports, in the session."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pruneattr_core.errors import Unknown, missing
from pruneattr_core.render.plain import markdown_text

#: Field name -> texts that this session wrote into the address, the last one last.
_PUBLISHED = "_published"
#: Such texts remembered: a request may carry an address from before the last few.
_REMEMBERED = 32
#: (page to which a step through the browser's history led, fields that have followed it).
_STEPPED = "_stepped"
#: (page, what `publish` made of its address last; None until it has).
_ADDRESS = "_address"
#: Whether the address has to be written whatever stands there: the browser has stepped in its history.
_OWED = "_address_owed"
_RESTORED = "_restored"
#: Field name -> page on which it was adopted last.
_STOOD = "_stood"
#: Field name -> (its field, the value that the address asked for).
_ASKED = "_asked"
#: Field name -> (sentence about it, when it was first shown).
_SAID = "_said"
#: Where sentences go that turn out to be needed while the page is drawn.
_SPOT = "_said_spot"
#: Defaults of the settings seen so far that name a part of one network.
_PARTS = "_parts"
#: Longest value of the address bar that is repeated in a message.
_SHOWN = 40
#: Longest reason why it is not used.
_WHY = 240
#: Seconds for which a sentence outlives reruns: a page that computes starts itself again and would wipe it.
STANDS = 20.0


@dataclass(frozen=True)
class Field:
    """One setting of the view.

    Attributes:
        name: key in the address bar, in exports and in the session.
        default: left out of the address.
        parse: text -> value; raises ValueError or KeyError for nonsense, `Unknown` to say which part it is.
        title: how messages call it.
        text: value -> text.
        usual: what stands for the default on this machine, if that has to be looked up; left out of the
            address, too.
        part: whether it names a part of the network shown (a layer, a channel), so that it says nothing of
            another one, see `another_network`.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    title: str
    text: Callable[[Any], str] = str
    usual: Callable[[], Any] | None = None
    part: bool = False

    def take(self, value: Any) -> Any:
        """`value` if it is one of this field, as the field's type.

        Raises:
            ValueError: it is not; browsers and old sessions say all sorts of things.
        """
        if type(value) is type(self.default) and value == self.default:
            return value
        try:
            text = self.text(value)
            if not text and type(value) is type(self.default):
                return value  # nothing chosen; what that means is the page's matter
            taken = self.parse(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.title}: {value!r}") from error
        # Not cut to the digits of its text; but 0 with a minus in front is 0.
        return value if type(value) is type(taken) and value != taken else taken


def one_of(options: Sequence[str] | Mapping[str, Any]) -> Callable[[str], str]:
    """A parser that takes the given texts only."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(text)
        return text

    return parse


def several_that(text: str, fits: Callable[[str], bool], between: str = ",") -> tuple[str, ...]:
    """The texts with a comma, or another mark, between them: each once, in their order.

    Raises:
        Unknown: some do not fit, or there is none.
    """
    asked = tuple(dict.fromkeys(text.split(between)))
    known = [part for part in asked if fits(part)]
    if len(known) < len(asked):
        unknown = [part for part in asked if part and not fits(part)]
        raise Unknown(between.join(unknown) or text, missing(unknown), between.join(known))
    return asked


def several_of(text: str, options: Sequence[str] | Mapping[str, Any], between: str = ",") -> tuple[str, ...]:
    """As `several_that`, of those that are among the options."""
    return several_that(text, options.__contains__, between)


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of finite numbers in [low, high]."""

    def parse(text: str) -> float:
        value = float(text) + 0.0  # without the minus of -0
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of integers in [low, high]."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def adopt(fields: Sequence[Field]) -> dict[str, str]:
    """Take what the address (or a restored file) says into the session.

    An empty text stands for the default. Only texts that this session did not write itself are read, so a
    stale address never undoes a choice; a step back or forward in the browser's history does, also where it
    leads to a default. What the session holds is checked as well.

    Returns:
        Field name -> what could not be taken, in one sentence.
    """
    written: dict[str, list[str]] = st.session_state.setdefault(_PUBLISHED, {})
    followed: set[str] | None = st.session_state.get(_STEPPED, ("", None))[1]
    restored: dict[str, str] = st.session_state.setdefault(_RESTORED, {})
    asked: dict[str, tuple[Field, Any]] = st.session_state.setdefault(_ASKED, {})
    complaints = {}
    parts: dict[str, Any] = st.session_state.setdefault(_PARTS, {})
    parts.update({field.name: field.default for field in fields if field.part})
    stood: dict[str, str] = st.session_state.setdefault(_STOOD, {})
    page: str = st.session_state.get(_ADDRESS, ("", None))[0]
    for field in fields:
        text = restored.pop(field.name, None)
        linked = st.query_params.get_all(field.name)
        if text is None and followed is not None and field.name not in followed:
            text = linked[-1] if linked else ""
            followed.add(field.name)
        elif text is None and linked and linked[-1] not in written.get(field.name, ()):
            text = linked[-1]
            if len(linked) > 1:
                complaints[field.name] = (
                    f"The link names {field.title} {len(linked)} times; only the last counts."
                )
        if text is not None:
            _remember(written, field.name, text)
            st.session_state[field.name] = field.default
            try:
                if text:  # nothing said, in a saved view of another page say, means the default
                    st.session_state[field.name] = field.parse(text)
                    asked[field.name] = field, st.session_state[field.name]
            except Unknown as error:
                rest = ""
                with suppress(ValueError, KeyError):  # of a list some may be known
                    if error.left:
                        st.session_state[field.name] = field.parse(error.left)
                        asked[field.name] = field, st.session_state[field.name]
                        rest = "what else it names is used"
                complaints[field.name] = _complaint(field, error.part, rest, error.why)
            except (ValueError, KeyError):
                complaints[field.name] = _complaint(field, text)
        accept([field], {field.name: st.session_state.get(field.name, field.default)}, otherwise_default=True)
        if stood.get(field.name) != page:
            # The widget of this page is not the former page's, whose value Streamlit may have let go of: only
            # what is written now is sure to reach it.
            stood[field.name] = page
            st.session_state[field.name] = st.session_state[field.name]
    return complaints


def is_own(name: str, text: str) -> bool:
    """Whether this session wrote a text of a field into the address itself, so that it is no link."""
    return text in st.session_state.get(_PUBLISHED, {}).get(name, ())


def another_network() -> None:
    """Let go of every page's settings that name a part of the network before; for whoever chooses another."""
    st.session_state.update(st.session_state.get(_PARTS, {}))


def accept(fields: Sequence[Field], values: Mapping[str, Any], otherwise_default: bool = False) -> None:
    """Take values of the fields named into the session; what is none of a field leaves it as it is.

    Args:
        fields: of the page.
        values: field name -> value, as a component said it.
        otherwise_default: whether such a field goes back to its default instead.
    """
    for field in fields:
        if field.name in values:
            try:
                value = field.take(values[field.name])
            except ValueError:
                if not otherwise_default:
                    continue
                value = field.default
            now = st.session_state.get(field.name)
            if field.name not in st.session_state or type(now) is not type(value) or now != value:
                st.session_state[field.name] = value


def follow(page: str) -> None:
    """Note whether this run was started by the browser's Back or Forward, which undo and redo choices.

    Args:
        page: path of the page that runs.
    """
    stepped = getattr(get_script_run_ctx(), "is_history_navigation", False)
    if stepped or st.session_state.get(_ADDRESS, ("", None))[0] != page:
        st.session_state[_ADDRESS] = page, None  # the browser went somewhere of its own accord
    if stepped:
        st.session_state[_OWED] = True
        st.session_state[_STEPPED] = page, set()
    elif st.session_state.get(_STEPPED, (page, None))[0] != page:
        del st.session_state[_STEPPED]  # what that address left out is another page's


def has_stepped() -> bool:
    """Whether the reader came to what the page shows by the browser's Back or Forward, at some time."""
    return _STEPPED in st.session_state


def _remember(written: dict[str, list[str]], name: str, text: str) -> None:
    texts = written.setdefault(name, [])
    if text in texts:
        texts.remove(text)
    texts.append(text)
    del texts[:-_REMEMBERED]


def report(fields: Sequence[Field]) -> None:
    """Adopt the address, and show what could not be taken for as long as it takes to read it."""
    said: dict[str, tuple[str, float]] = st.session_state.setdefault(_SAID, {})
    now = time.monotonic()
    for name in [name for name, (_, since) in said.items() if now - since > STANDS]:
        del said[name]
    said.update({name: (text, now) for name, text in adopt(fields).items()})
    st.session_state[_SPOT] = st.container()
    for field in fields:
        if field.name in said:
            _warn(said[field.name][0])


def refuse(name: str, asked: Sequence[object] = (), instead: str = "") -> bool:
    """Show that what the address asks for, well formed as it is, turned out to be unknown on this page.

    Silent when the reader's own choices led there. Call it before the value is replaced.

    Args:
        name: of the field.
        asked: the parts that are unknown, if not all of it.
        instead: what is done instead, as the end of the sentence; by default the field's default is used.

    Returns:
        Whether it was shown.
    """
    field, value = st.session_state[_ASKED].get(name, (None, None))
    if field is None or value != st.session_state[name]:
        return False
    text = ",".join(map(str, asked)) or field.text(value)
    remark(name, _complaint(field, text, instead, missing(asked)))
    return True


def remark(name: str, text: str) -> None:
    """Show a sentence about a field for as long as it takes to read it, also where a run follows at once."""
    st.session_state[_SAID][name] = text, time.monotonic()
    _warn(text)


def retract(name: str) -> None:
    """Show no longer what was said about a field: the reader has chosen anew."""
    st.session_state[_SAID].pop(name, None)


def _warn(text: str) -> None:
    with st.session_state[_SPOT]:
        st.warning(text, icon=":material/link_off:")


def _complaint(field: Field, text: str, instead: str = "", why: str = missing()) -> str:
    """One sentence about a value that cannot be used; it repeats at most a few harmless characters of it."""
    # In a code span, where Markdown makes no links, and without the one character that ends it. Lists and
    # entries stay as links have them.
    shown = "".join(c if c.isalnum() or c in " ._-:@/,~=" else "?" for c in text[:_SHOWN])
    shown += "…" if len(text) > _SHOWN else ""
    default = field.text(field.default)
    instead = instead or (
        f"`{default}` is used instead"
        if 0 < len(default) <= _SHOWN and default[0] != "-"
        else "the default is used instead"
    )
    # What it lacks is said in words that come from the link, too.
    return f"The link asks for {field.title} `{shown}`, which {markdown_text(why[:_WHY])}; {instead}."


def restore(texts: Mapping[str, str], fields: Sequence[Field]) -> None:
    """Let the next run adopt these texts; settings that are not named go back to their defaults."""
    st.session_state[_RESTORED] = {
        field.name: texts.get(field.name, field.text(field.default)) for field in fields
    }


def view(fields: Sequence[Field], every: bool = False) -> dict[str, str]:
    """The settings that differ from their defaults, or all of them, as texts."""
    values = {field: st.session_state.get(field.name, field.default) for field in fields}
    return {
        field.name: field.text(value)
        for field, value in values.items()
        if every or (value != field.default and (field.usual is None or value != field.usual()))
    }


def publish(fields: Sequence[Field]) -> None:
    """Write the view into the address bar.

    A request may have left the browser before the last address came there. So what this session wrote last on
    the page counts, not the address that a run, or a part of the page drawn again, was called with.
    """
    now = view(fields)
    known = {field.name for field in fields}
    here = {name: st.query_params.get_all(name) for name in st.query_params}
    page, last = st.session_state.get(_ADDRESS, ("", None))
    last = here if last is None else last
    # What other pages read stays as it is, also where it is repeated: they say so themselves.
    wanted = {name: texts for name, texts in last.items() if name not in known}
    wanted |= {name: [text] for name, text in now.items()}
    # What a run before said may reach the browser after its step back, and would stand there for good.
    if st.session_state.pop(_OWED, False) or wanted != here or wanted != last:
        st.query_params.from_dict(wanted)
    st.session_state[_ADDRESS] = page, wanted
    written = st.session_state.setdefault(_PUBLISHED, {})
    for name in known:
        _remember(written, name, now.get(name, ""))


def viewer() -> str:
    """A name for this session, under which it watches long computations."""
    name: str = st.session_state.setdefault("_viewer", uuid.uuid4().hex)
    return name
