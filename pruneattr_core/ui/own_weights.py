"""Weights that a reader brings: opened once, kept with the session, named by architecture and content."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pruneattr_core.errors import PruneAttrError, Unknown, WeightsError
from pruneattr_core.models import OWN, list_models, model_card, model_title, open_model, weights_hash
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.models.hub_names import is_hub
from pruneattr_core.models.timm_known import timm_twins
from pruneattr_core.models.zoo import PREFIX, TRANSFORMING, zoo_facts
from pruneattr_core.ui.cache import Brought, engine
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.machine import browser_here, serves_group

#: Networks of its own that a session keeps; the oldest goes first.
KEPT = 2
_BROUGHT, _REFUSED = "_own_weights", "_own_weights_refused"
_ARCHITECTURE, _PATH, _FILE, _OPEN = "own_architecture", "own_path", "own_file", "own_weights"
_NAMES = "own_classes"
_ALIKE = "_own_weights_alike"
_ENDINGS = ["safetensors", "pt", "pth", "bin", "ckpt", "tar"]


def architectures() -> list[str]:
    """Named architectures that a weights file can belong to."""
    named = dict.fromkeys((*list_models("local"), *list_models()))
    # One of the hub that is not here needs no more than its name for a file of the reader's.
    asked = [st.session_state.get("model", ""), st.session_state.get(_ARCHITECTURE, "")]
    for name in (*asked, *st.session_state.get(_ALIKE, ())):
        base = name.partition(OWN)[0]
        if is_hub(base) and _is_described(base):
            named |= dict.fromkeys((base, *timm_twins(base)))
    named |= dict.fromkeys(_trained_on())
    return sorted(named, key=lambda name: (name.startswith("torchvision/"), name))


def _trained_on() -> list[str]:
    """Names for files of networks that torchvision makes otherwise where it has weights, see `transforms`."""
    return [f"{PREFIX}{name}@{next(iter(zoo_facts()[name].files))}" for name in TRANSFORMING]


def _called(name: str) -> str:
    """An architecture in the list; of two that differ in what torchvision's weights ask for, which it is."""
    if name in _trained_on():
        architecture, _, weights = name.removeprefix(PREFIX).partition("@")
        return f"{architecture} (trained on from {weights})"
    if name.removeprefix(PREFIX) in TRANSFORMING:
        return f"{name.removeprefix(PREFIX)} (trained from scratch)"
    return model_title(name)


def _is_described(name: str) -> bool:
    try:
        return bool(model_card(name, ask=False))
    except PruneAttrError:
        return False


def brought() -> dict[str, Brought]:
    """This session's own networks: id -> network."""
    kept: dict[str, Brought] = st.session_state.setdefault(_BROUGHT, {})
    return kept


def known(name: str) -> str:
    """The id itself, of one of this session's own networks.

    Raises:
        ModelError: it is not the id of any.
        Unknown: it names no weights, or weights that this session has not brought.
    """
    card = model_card(name)
    if OWN not in card.id:
        raise Unknown(card.id, "comes without weights: open a file of it under Your own weights")
    if card.id not in brought():
        raise Unknown(
            f"{card.architecture} with weights {card.weights_sha256[:12]}",
            "only the session knows that opened the file: open it under Your own weights",
        )
    return card.id


def bring(architecture: str, file: Path, sha256: str, classes: Path | None = None) -> str:
    """Open a weights file for this session; returns the id of the network.

    Args:
        architecture: name of a network.
        file: its weights.
        sha256: of `file`.
        classes: a file with the names of its classes, see `labels.read_names`.

    Raises:
        WeightsError: the file is missing, unsafe, damaged or of another architecture.
    """
    # Nobody else's classes are called as they are here.
    called = "" if classes is None else f".{file_sha256(classes)[:8]}"
    name, shared = f"{architecture}{OWN}{sha256}{called}", engine().brought
    found, code = shared.get(name), model_card(architecture).state
    if found is None or found.code != code:  # nobody who has the file has opened it yet
        network, _ = open_model(name, str(engine().device), file, classes=classes)
        found = shared[name] = Brought(network, weights_hash(network), code)
    kept = brought()
    kept[name] = found
    while len(kept) > KEPT:
        del kept[next(iter(kept))]
    return name


def bring_path(architecture: str, text: str, names: tuple[str, bytes] | None = None) -> str:
    """`bring` the file at a path of this machine; `names` are title and bytes of a file of names."""
    try:
        file = Path(text.strip()).expanduser()
        if not file.is_file():
            raise WeightsError(f"There is no weights file {text[:200]!r}: check the path.")
        with tempfile.TemporaryDirectory(prefix="pruneattr-") as folder:
            return bring(architecture, file, file_sha256(file), _put(folder, names))
    except (OSError, RuntimeError) as error:  # no permission, a name too long, no such home
        raise WeightsError(f"The weights file {text[:200]!r} cannot be read: check the path.") from error


def bring_upload(architecture: str, title: str, data: bytes, names: tuple[str, bytes] | None = None) -> str:
    """`bring` bytes that came from the browser, perhaps with names; no copy of them stays on the disk."""
    with tempfile.TemporaryDirectory(prefix="pruneattr-") as folder:
        file = _put(folder, (title, data))
        assert file is not None
        with tempfile.TemporaryDirectory(prefix="pruneattr-") as other:
            return bring(architecture, file, hashlib.sha256(data).hexdigest(), _put(other, names))


def _put(folder: str, given: tuple[str, bytes] | None) -> Path | None:
    """Title and bytes as a file of that folder; messages tell its name, so it is as the visitor knows it."""
    if given is None:
        return None
    title, data = given
    name = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in title[-60:])
    file = Path(folder) / (name if name.strip(". ") else f"_{name}")
    file.write_bytes(data)
    return file


def loading_code(model: str, device: str) -> str:
    """Python that loads a network of any kind, for code that readers take away."""
    own = ', weights="your file"' if OWN in model else ""
    placed = "" if device == "cpu" else f", device={device!r}"
    return f"load_model({model!r}{own}{placed})"


def _asked() -> tuple[object, ...]:
    """What the form asks for: the architecture, and its files."""
    uploads = (st.session_state.get(key) for key in (_FILE, _NAMES))
    ids = (None if one is None else one.file_id for one in uploads)
    return st.session_state[_ARCHITECTURE], st.session_state.get(_PATH, ""), *ids


def own_weights(chosen: Callable[[str], None]) -> None:
    """The form, once it is unfolded; `chosen` is called with the id of a network that has been opened."""

    def opened() -> None:
        st.session_state[_REFUSED], st.session_state[_ALIKE] = (None, ""), ()
        architecture, upload = st.session_state[_ARCHITECTURE], st.session_state[_FILE]
        beside = st.session_state[_NAMES]
        names = None if beside is None else (beside.name, beside.getvalue())
        try:
            if upload is not None:
                name = bring_upload(architecture, upload.name, upload.getvalue(), names)
            else:
                name = bring_path(architecture, st.session_state.get(_PATH, ""), names)
        except PruneAttrError as error:
            st.session_state[_REFUSED] = _asked(), str(error)
            st.session_state[_ALIKE] = getattr(error, "alike", ())
            return
        chosen(name)

    def opened_as(architecture: str) -> None:
        st.session_state[_ARCHITECTURE] = architecture
        opened()

    expander = st.expander("Your own weights", icon=":material/upload_file:", key=_OPEN, on_change="rerun")
    if not expander.open:
        return
    choices, current = architectures(), st.session_state["model"].partition(OWN)[0]
    st.session_state.setdefault(_ARCHITECTURE, current if current in choices else choices[0])
    with expander:
        st.selectbox(
            "Architecture",
            choices,
            key=_ARCHITECTURE,
            format_func=_called,
            help="A file that does not fit is told which architecture it looks like, timm's among them. "
            "GoogLeNet and Inception that were trained on from torchvision's weights scale their input anew.",
        )
        here = browser_here()
        if here:
            st.text_input("File on this machine", key=_PATH, placeholder="/path/to/weights.safetensors")
        st.file_uploader(
            "or upload it" if here else "Weights file", type=_ENDINGS, key=_FILE,
            help="A safetensors file or a PyTorch state dict, at most 32 MB"
            + ("" if serves_group() else "; larger ones by their path, from a browser on this app's machine")
            + ". Pickled objects are refused unread.",
        )  # fmt: skip
        st.file_uploader(
            "Names of its classes", type=["txt", "json"], key=_NAMES,
            help="One a line, or JSON; without it, those in the checkpoint, beside a file on this machine, "
            "or the architecture's.",
        )  # fmt: skip
        given = st.session_state[_FILE] is not None or bool(here and st.session_state[_PATH].strip())
        st.button("Use these weights", key="own_open", on_click=opened, disabled=not given, width="stretch")
        about, why = st.session_state.get(_REFUSED, (None, ""))
        refused = bool(why) and about == _asked()  # another file or architecture is another question
        if refused:
            complain(why)
        for name in st.session_state.get(_ALIKE, ()) if refused else ():
            st.button(
                f"Open it as {name}", key=f"own_as_{name}", on_click=opened_as, args=(name,), width="stretch"
            )
        st.caption("They stay in this session: nobody else sees them, and a reload forgets them.")
