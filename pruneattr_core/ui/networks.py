"""One catalogue of every network that can be named, to search in; it costs nothing until it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.models.hub_names import of_the_hub
from pruneattr_core.models.index import Entry, all_networks
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.errors import complain

_REFUSED, _OPEN, _FOUND = "_network_refused", "networks", "network_found"
_ORDER, _TEXT = "network_order", "network_search"
_ORDERS: dict[str, Callable[[Entry], tuple[float, ...]]] = {
    "Here first": lambda entry: (not entry.here,),
    "Smallest": lambda entry: (entry.parameters is None, entry.parameters or 0),
    "Most accurate": lambda entry: (entry.top1 is None, -(entry.top1 or 0)),
}


def network_catalogue(chosen: Callable[[str], None]) -> None:
    """The catalogue behind a button; `chosen` is called with the id of a network that can be opened."""
    popover = st.popover(
        "All networks", icon=":material/search:", width="stretch", key=_OPEN, on_change="rerun",
        help="torchvision, timm, Hugging Face and your own, by name.",
    )  # fmt: skip
    if not popover.open:
        return
    with popover:
        _search(chosen)


def is_here(name: str) -> bool:
    """Whether there is a network of this name, and its weights are on this machine."""
    try:
        return model_card(name, ask=False).available_offline()
    except PruneAttrError:
        return False


def matching(text: str, entries: Sequence[Entry]) -> list[Entry]:
    """The networks in whose line every word of the text occurs; underscores count as spaces."""
    words = _plain(text).split()
    return [entry for entry in entries if all(word in _plain(entry.line) for word in words)]


def _plain(text: str) -> str:
    return text.lower().replace("_", " ")


def _search(chosen: Callable[[str], None]) -> None:
    known = all_networks()
    text = st.text_input(
        f"Search {len(known):,} networks", key=_TEXT, placeholder="such as vit tiny, or OWNER/NAME",
        help="Words of the name or the family. A name that is not listed is tried as it stands: "
        "OWNER/NAME of the hub, with @ and a branch, tag or commit if you like, timm/NAME.TAG, "
        "torchvision/NAME@WEIGHTS.",
    ).strip()  # fmt: skip
    order = st.segmented_control("Order", list(_ORDERS), default="Here first", key=_ORDER, required=True)
    found = {entry.id: entry for entry in sorted(matching(text, known), key=_ORDERS[order])}
    whole = of_the_hub(text)
    if whole and whole not in found and any(name.startswith(f"{whole}@") for name in found):
        found = {whole: Entry(whole, ""), **found}  # only other states of it are here
    if found:
        asked = select(f"{len(found):,} found", list(found), _FOUND, lambda name: found[name].line)
        st.caption(_about(found[asked]))
    else:
        asked = text
        st.caption("None is listed under these words. A whole name is looked up when you use it.")

    def use() -> None:
        st.session_state[_REFUSED] = "", ""
        try:
            chosen(model_card(asked).id)
        except PruneAttrError as error:
            st.session_state[_REFUSED] = asked, str(error)
        else:
            st.session_state[_OPEN] = False

    st.button("Use this network", key="network_use", on_click=use, width="stretch")
    name, why = st.session_state.get(_REFUSED, ("", ""))
    if why and name == asked:
        complain(why)
    st.caption(
        "Accuracies are as published, where the library carries them. Weights are fetched once, when you ask "
        "for them, as safetensors; networks of the hub need `pip install 'pruneattr[hubs]'`."
    )


def _about(entry: Entry) -> str:
    count = "" if entry.parameters is None else f"{entry.parameters:,} parameters. "
    accuracy = f"{entry.why_no_top1} "
    if entry.top1 is not None:
        accuracy = f"Published top-1 {entry.top1:.1f} % on ImageNet-1k. "
    place = "On this machine." if entry.here else "Not on this machine: fetched when you say so."
    return f"{count}{accuracy}{place}"
