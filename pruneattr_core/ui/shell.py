"""The frame around all pages: navigation and the sidebar where model, picture and target are chosen once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.datasets.base import left_out
from pruneattr_core.errors import ModelError, NotHere, Unknown
from pruneattr_core.models import ModelCard, model_card, model_title, models_here
from pruneattr_core.models.declared import declared, is_code
from pruneattr_core.models.hub_names import is_hub, of_the_hub
from pruneattr_core.models.zoo import PREFIX
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Answer
from pruneattr_core.share.way_back import TOGETHER
from pruneattr_core.share.words import counted, likely
from pruneattr_core.ui import pictures
from pruneattr_core.ui.asking import ASKED, PREDICTED, choose_class, choose_others, let_go_of_classes
from pruneattr_core.ui.browser_store import at_hand, keep_in_browser
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.component import explain_words
from pruneattr_core.ui.crop import FIELD as CROP
from pruneattr_core.ui.crop import choose_crop
from pruneattr_core.ui.errors import for_reader, guarded
from pruneattr_core.ui.hand import all_drawn, on_page
from pruneattr_core.ui.menu import FIRST_MODEL, FRAMED, STYLE, configure, in_frame, pages
from pruneattr_core.ui.networks import is_here, network_catalogue
from pruneattr_core.ui.own_weights import brought, known, own_weights
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.state import Field, another_network, follow, one_of, publish, refuse, report, whole
from pruneattr_core.ui.strip import choose_from_strip
from pruneattr_core.ui.uploader import refused, turn, uploader

_CHOSEN = "_selection"
_OWN = "This page brings its own networks and pictures. What you chose on the others stays."
#: Addresses of the pages that use neither the sidebar's model nor its picture -> what stands there instead.
ALONE = {
    "benchmarks": _OWN,
    "review": _OWN,
    "reproduction": "This page is drawn from runs that are stored. What you chose on the others stays.",
    "lessons": "A lesson sets network and picture. The other pages go on from there.",
}
#: Addresses of the pages that can explain more than a class by itself; the first page has none.
CONTRASTS = ("", "compare")
#: Answers of the network that are one click away.
MOST_LIKELY = 4
WELL_KNOWN = tuple(
    f"torchvision/{name}"
    for name in ("resnet50", "vgg16", "squeezenet1_1", "resnet18", "vit_b_16", "densenet121")
)
#: Which pictures suit a model that is not of scenes or CIFAR when it is chosen.
PHOTOGRAPHS = ("imagenet-samples", "samples")


@dataclass(frozen=True)
class Selection:
    """What the sidebar chose.

    Attributes:
        card: the model.
        picture: the picture.
        target: class index, None for the predicted one.
        answer: of the original network, with the hash of its weights.
        against: what the class is explained instead of or together with, where a page does so; see `Subject`.
    """

    card: ModelCard
    picture: Picture
    target: int | None
    answer: Answer
    against: str = ""

    @property
    def photo(self) -> NDArray[np.uint8]:
        """What the network sees of the picture: pixels (H, W, 3), for reading only."""
        return pictures.seen_by(self.card, self.picture)

    @property
    def subject(self) -> Subject:
        """What names it in keys, where a class is explained by itself."""
        asked = self.picture.sha256, self.target, engine().device.type
        return Subject(self.card.id, self.answer.weights, *asked, code=self.card.state)

    @property
    def contrast(self) -> Subject:
        """The same where a class may be explained instead of another or together with some."""
        target = self.target
        if target is None and self.against.startswith(TOGETHER):
            target = int(np.argmax(self.answer.probabilities))
        return replace(self.subject, target=target, against=self.against)


def _model(text: str) -> str:
    try:
        if is_code(text) and text in declared():
            return text  # where it cannot be made, whoever asks for its card says why
        card = model_card(text, ask=False)  # no link makes this machine ask another one
    except NotHere as error:
        raise Unknown(text, "is not on this machine: open it by its name under All networks") from error
    except ModelError as error:
        if is_code(text) or is_hub(of_the_hub(text) or text) or text.startswith(PREFIX):
            raise Unknown(text, f"cannot be opened: {str(error).rstrip('.')}") from error
        raise
    return known(text) if card.kind == "local" else card.id


#: Settings shared by all pages.
FIELDS = (
    Field("model", "", lambda text: _model(text), "the model", usual=lambda: default_model()),
    Field(
        "source",
        "",
        lambda text: one_of(pictures.sources())(text),
        "the picture source",
        usual=lambda: _usual_source(),
    ),
    Field("picture", 0, whole(0, 10**7), "picture number"),
    Field("upload", "", lambda text: one_of([text] if _is_hash(text) else [])(text), "the upload"),
    CROP,
    *ASKED,
)


@st.cache_resource(ttl=pictures.STAYS, show_spinner=False)
def models() -> list[str]:
    """The models of the short list: those on this machine, then well-known ones; see `network_catalogue`.

    The students of the compression study come last of those on this machine.
    """
    here = sorted(models_here(), key=lambda name: (name != FIRST_MODEL, name.startswith("scenes-vgg-")))
    return list(dict.fromkeys((*here, *WELL_KNOWN)))


def default_model() -> str:
    """The model shown before anybody chooses. Asked several times a run: no list of all is made."""
    return FIRST_MODEL if is_here(FIRST_MODEL) else models()[0]


def default_source(model: str) -> str:
    """Pictures that suit a model."""
    known = pictures.sources()
    natural = "scenes" if model.startswith("scenes-") else "cifar10" if "cifar" in model else None
    if model == "efficientnet-lite0":
        natural = "samples"  # always there, so the first view is the same everywhere
    return next(name for name in (natural, *PHOTOGRAPHS, *known) if name in known)


def others(picture: Picture, model: str, limit: int) -> list[tuple[str, int]]:
    """Pictures to set beside one: those that follow it in its data set.

    An upload, and the only picture of a data set, stand alone: beside them the first of a data set that suits
    the model.

    Returns:
        (data set, index) of at most `limit`.
    """
    own = picture.source != pictures.UPLOAD and len(pictures.dataset(picture.source)) > 1
    source = picture.source if own else default_source(model)
    count, start = len(pictures.dataset(source)), int(picture.place) + 1 if own else 0
    return [(source, (start + step) % count) for step in range(min(count - own, limit))]


def _usual_source() -> str:
    """Of the model shown first; with any other model a link names its pictures."""
    model = default_model()
    return default_source(model) if st.session_state.get("model") in ("", model) else ""


def _is_hash(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def main() -> None:
    """Run the app: called by `opening.main`."""
    configure()
    listed = pages()
    page = st.navigation(listed)
    turn(page, listed)
    follow(page.url_path)
    on_page(page.url_path)
    st.session_state[FRAMED], st.session_state[_CHOSEN] = True, None
    try:
        st.html(STYLE)
        report(FIELDS)
        with guarded():
            if page.url_path in ALONE:
                _aside(ALONE[page.url_path])
            else:
                st.session_state[_CHOSEN] = _sidebar(contrasts=page.url_path in CONTRASTS)
        with st.sidebar:
            explain_words()
        publish(FIELDS)
        refused(FIELDS)  # also where the reader looks: the box may lie below the first screen
        page.run()
    finally:
        st.session_state[FRAMED] = False


def require_frame() -> Selection:
    """First call of every page: what the sidebar chose.

    A deep link on a fresh server may run a page without app.py; then the navigation is declared and the
    run starts again. Without a selection (its error is on screen already) the page ends here.
    """
    in_frame()
    chosen: Selection | None = st.session_state[_CHOSEN]
    if chosen is None:
        all_drawn()
        st.stop()
    return chosen


def chosen_model() -> str:
    """Id of the sidebar's model, also on a page that does not draw it."""
    return str(st.session_state["model"] or default_model())


def _sidebar(contrasts: bool) -> Selection | None:
    with st.sidebar:
        card, about = _choose_model()
        picture = _choose_picture()
        picture = None if picture is None else choose_crop(picture, card)
        chosen, how = choose_class(card)
        others = st.container()
        answers = st.container(horizontal=True, gap="xxsmall")
        uploader(FIELDS)
    if picture is None:
        return None
    publish(FIELDS)  # a reload while the network is loaded keeps what was chosen
    found = selected(card, picture, None if chosen == PREDICTED else chosen)
    if found is None:
        return None
    with others:
        own = int(np.argmax(found.answer.probabilities)) if chosen == PREDICTED else chosen
        against = choose_others(card, how, own, contrasts)
    with answers:
        _likely(card, found.answer)
    if found.answer.unseen:
        about.caption(markdown_text(found.answer.unseen))
    return replace(found, against=against)


def selected(card: ModelCard, picture: Picture, target: int | None) -> Selection | None:
    """Ask the network about the picture; None while its weights are not here, which is said on the page."""
    if not _ready(card):
        return None
    waiting = Waiting(over="answer")
    answer = engine().answer(card.id, picture, waiting)
    waiting.clear()
    return Selection(card, picture, target, answer)


def _aside(text: str) -> None:
    """The sidebar of a page that brings its own networks: nothing is loaded."""
    with st.sidebar:
        st.caption(text)
        uploader(FIELDS)
        if st.session_state["upload"] in pictures.uploads():
            keep_in_browser(st.session_state["upload"])  # or a reload of this page would lose it


def _choose_model() -> tuple[ModelCard, DeltaGenerator]:
    """The model, and where what is known of it once it has answered is said."""

    def changed() -> None:
        another_network()
        let_go_of_classes()
        suits = default_source(st.session_state["model"])
        if st.session_state["source"] not in (pictures.UPLOAD, suits):
            st.session_state["source"], st.session_state["picture"] = suits, 0

    def chosen(name: str) -> None:
        st.session_state["model"] = name
        changed()

    st.session_state["model"] = st.session_state["model"] or default_model()
    names = [*brought(), *models()]
    named = [] if st.session_state["model"] in names else [st.session_state["model"]]
    name = select("Model", [*named, *names], "model", model_title, changed)
    card = model_card(name)
    if name != FIRST_MODEL and FIRST_MODEL not in names and (absent := model_card(FIRST_MODEL).absence()):
        st.caption(absent)
    with st.popover("About this model", icon=":material/info:", width="stretch"):
        st.markdown(f"**{card.title}**  \n{card.note} {card.weights_note()}")
        st.caption(
            f"{card.architecture} · {counted(len(card.classes), 'classes', 'class')} · "
            f"input {card.size[0]}x{card.size[1]} · weights {card.weights} "
            f"({card.weights_sha256[:12] or 'no hash'}) · {card.licence} · {card.paper}"
        )
        about = st.empty()
    network_catalogue(chosen)
    own_weights(chosen)
    return card, about


def _choose_picture() -> Picture | None:
    def changed() -> None:
        st.session_state["picture"], st.session_state["target"] = 0, PREDICTED

    def picked(index: int) -> None:
        st.session_state["picture"] = index

    def stands() -> tuple[str, int, int]:
        now: str = st.session_state["source"]
        count = 0 if now == pictures.UPLOAD else len(pictures.dataset(now))
        return now, count, st.session_state["picture"]

    st.session_state["source"] = st.session_state["source"] or default_source(st.session_state["model"])
    source = select(
        "Pictures",
        pictures.sources(),
        "source",
        lambda name: "Your upload" if name == pictures.UPLOAD else pictures.dataset(name).title,
        changed,
    )
    for why in pictures.unopened().values():
        _left_out(why)
    if source == pictures.UPLOAD:
        return _choose_upload()
    data = pictures.dataset(source)
    if not 0 <= st.session_state["picture"] < len(data):
        refuse("picture")
        st.session_state["picture"] = 0
    choose_from_strip(source, len(data), st.session_state["picture"], stands, picked)
    picture = pictures.from_dataset(source, st.session_state["picture"])
    if said := left_out(data.problems):
        _left_out(said)
    return picture


def _left_out(why: str) -> None:
    st.caption(f":material/broken_image: {for_reader(why)}")


def _choose_upload() -> Picture | None:
    kept, wanted = pictures.uploads(), st.session_state["upload"]
    if wanted and not at_hand(wanted):
        return None
    if not kept:
        st.info("Upload a picture below; it stays in this browser.", icon=":material/upload:")
        return None
    if not wanted:
        st.session_state["upload"] = list(kept)[-1]
    select("Picture", list(kept)[::-1], "upload", lambda key: kept[key][0])
    keep_in_browser(st.session_state["upload"])
    return pictures.from_upload(st.session_state["upload"])


def _ready(card: ModelCard) -> bool:
    if card.id in brought() or card.available_offline() or st.session_state.get("_fetch") == card.id:
        return True
    if card.absence():
        st.info(card.absence(), icon=":material/download:")
        return False
    st.info(
        f"The weights of {card.title} are not on this machine. They are fetched once and kept.",
        icon=":material/download:",
    )
    st.button(f"Download {card.title}", type="primary", key="fetch", on_click=_fetch, args=(card.id,))
    return False


def _fetch(name: str) -> None:
    st.session_state["_fetch"] = name


def _likely(card: ModelCard, answer: Answer) -> None:
    """What the network answers, most probable first; a click explains that class.

    Where each class is answered by itself, those with a yes are ticked: several may be right.
    """
    probabilities = answer.probabilities
    order = np.argsort(-probabilities, kind="stable")[:MOST_LIKELY]
    for place, index in enumerate(int(i) for i in order):
        chosen = st.session_state["target"] == (PREDICTED if place == 0 else index)
        number = probabilities[index]
        said = likely(number, True) if answer.head == "values" else f"{number:.2f}"
        st.button(
            f"{card.classes[index]} · {said}",
            key=f"likely_{place}",
            icon=":material/check:" if answer.several and probabilities[index] > 0.5 else None,
            type="primary" if chosen else "secondary",
            help="Explain the predicted class." if place == 0 else "Explain this class.",
            on_click=lambda value: st.session_state.update(target=value),
            args=(PREDICTED if place == 0 else index,),
        )
