"""The wrong-class control: is another class answered as well, when what speaks for *that* is kept?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from pruneattr_core.analysis.wrong_class import RANKS, WrongClass, wrong_class_control
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Explained
from pruneattr_core.share.way_back import RUNNER_UP, TOGETHER
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.errors import APOLOGY, complain, logger
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.state import Field, one_of, viewer

FIELD = Field("wrong", "no", one_of(("no", "yes")), "the wrong-class control")
_RUNNING = "_wrong_running"
#: Shares of the contributing neurons that go.
LEVELS = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
#: Seconds between two looks at what is being computed.
LOOK = 0.5
_HELP = (
    "Prunes the network again for the runner-up and for a class far down its order, and asks whether that "
    "becomes the answer. Where it does, keeping the answer is no evidence for an explanation. With "
    '"instead of" a class each is asked for instead of the answer, too.'
)


@dataclass(frozen=True)
class Key:
    """Names a result.

    Attributes:
        subject: network and picture; its class plays no part.
        contribution: how neurons are ranked.
    """

    subject: Subject
    contribution: str


@dataclass(frozen=True, eq=False)
class Controlled:
    """A result on the CPU."""

    found: WrongClass

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.found.probability.nbytes + self.found.sparsity.nbytes)


def wrong_class(chosen: Selection, contribution: str, sweep: Explained | None) -> None:
    """The switch, and below it, while it is on, curve and words.

    Args:
        chosen: network and picture.
        contribution: how neurons are ranked.
        sweep: of the class explained, drawn beside; None while it is to come.
    """
    if len(chosen.card.classes) < 2 or chosen.answer.head == "values":
        return

    def turned() -> None:
        st.session_state[FIELD.name] = "yes" if st.session_state["_wrong"] else "no"

    st.session_state["_wrong"] = st.session_state[FIELD.name] == "yes"
    st.toggle("Can another class have it too?", key="_wrong", on_change=turned, help=_HELP)
    against = "" if chosen.against.startswith(TOGETHER) else chosen.against and RUNNER_UP
    subject = replace(chosen.subject, target=None, against=against)
    key = Key(subject, contribution) if st.session_state[FIELD.name] == "yes" else None
    former = st.session_state.get(_RUNNING)
    if former not in (None, key):
        engine().jobs.leave(former, viewer())
    st.session_state[_RUNNING] = key
    if key is None:
        return
    if engine().jobs.results.get(key) is None and engine().jobs.watch(key, viewer()) is None:
        engine().jobs.start(key, _work(chosen, key), viewer(), "page")
    running = engine().jobs.results.get(key) is None
    st.fragment(_draw, run_every=LOOK if running else None)(chosen, key, sweep, running)


def _work(chosen: Selection, key: Key) -> Callable[[Job], Controlled]:
    def work(job: Job) -> Controlled:
        network = engine().network(key.subject, job)
        card = model_card(key.subject.model)
        inputs = card.preprocess(chosen.picture.image).to(engine().device)
        count = len(card.classes)
        ranks = tuple(dict.fromkeys(min(rank, count) for rank in RANKS))
        job.note = "Pruning for other classes"
        return Controlled(
            wrong_class_control(
                network,
                inputs,
                ranks,
                LEVELS,
                contribution=key.contribution,
                instead=bool(key.subject.against),
                progress=job.tick,
            )
        )

    return work


def _draw(chosen: Selection, key: Key, sweep: Explained | None, running: bool) -> None:
    done: Controlled | None = engine().jobs.results.get(key)
    job = engine().jobs.watch(key, viewer()) if done is None else None
    if done is not None:
        if running:
            st.rerun()  # the clock stops
        from pruneattr_core.ui.explore.chart import curves  # plotly, which the first screen does without

        classes = chosen.card.classes
        words = " ".join(done.found.words(classes))
        st.plotly_chart(
            curves(done.found, classes, sweep), config={"displayModeBar": False}, key="chart_wrong", alt=words
        )
        st.caption(words)
    elif job is not None and job.finished.is_set():
        ours = isinstance(job.error, PruneAttrError)
        if not ours:
            logger.error("unexpected error in the wrong-class control", exc_info=job.error)
        complain(str(job.error) if ours else APOLOGY)
    elif job is None:
        st.rerun()
    else:
        st.progress(min(1.0, job.done / max(1, job.total)), text=job.note or "Waiting for the device")
