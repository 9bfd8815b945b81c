"""The engine behind all sessions: its jobs, few models, bounded results."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.errors import ModelError
from pruneattr_core.heap import give_back
from pruneattr_core.models import ModelCard, load_model, model_card, weights_hash
from pruneattr_core.models.declared import close
from pruneattr_core.render.look import Look
from pruneattr_core.results.keys import AnswerKey, GroundKey, Scored, ScoresKey, Subject, held_once
from pruneattr_core.results.levels import first_levels, spaced
from pruneattr_core.results.sweeps import (
    Answer,
    Explained,
    FirstLook,
    Question,
    answer,
    explain_levels,
    merged,
    rounds,
    score,
    seen,
)
from pruneattr_core.runtime import device_for
from pruneattr_core.share.payload import begun, payload_of
from pruneattr_core.ui.hand import name_of
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.jobs import Cache, Job, Jobs
from pruneattr_core.ui.late import give_way
from pruneattr_core.ui.pictures import Picture, seen_by
from pruneattr_core.ui.state import viewer

#: Bytes of results kept for all sessions together.
RESULT_BYTES = 448 << 20
#: Bytes of networks kept, each counted once; a larger one stays alone.
MODEL_BYTES = 600 << 20
#: A quick integral ranks the neurons of a first look; the whole one follows.
_PREVIEW = {"intgrad": "intgrad_preview"}
Show = Callable[[Job, int], None]
_CHANGED = "{} was changed on this machine while it was in use: reload the page, which takes it as it is now."


@dataclass(frozen=True, eq=False)
class Brought:
    """A network with weights of a reader; it lives as long as a session holds it.

    Attributes:
        network: frozen, on the engine's device.
        weights: hash of its state dict.
        code: see `ModelCard.state`.
    """

    network: nn.Module
    weights: str
    code: str = ""


class Engine:
    """Owns the device: models, jobs and their results.

    Attributes:
        device: where everything runs.
        jobs: all work of all sessions, with its results.
        models: networks with the hashes of their weights.
        brought: networks that sessions have brought, by the id that their content gives them.
    """

    def __init__(self) -> None:
        """Take the device named by PRUNEATTR_DEVICE, or the best there is."""
        close()
        self.device = device_for(os.environ.get("PRUNEATTR_DEVICE", "auto"))
        self.jobs = Jobs(Cache(RESULT_BYTES, lambda value: int(value.nbytes)))
        self.models = Cache(MODEL_BYTES, lambda kept: min(MODEL_BYTES, _bytes_of(kept[0])))
        self.brought: WeakValueDictionary[str, Brought] = WeakValueDictionary()

    def model(self, name: str, job: Job, checkpoint: tuple[str, str] | None = None) -> tuple[nn.Module, str]:
        """A frozen network and the hash of its weights, from the cache or loaded, once.

        Args:
            name: identifier of a card.
            job: told what is loaded, and how much of it is there.
            checkpoint: a file of weights instead of the card's, and its SHA-256.

        Raises:
            ModelError: its code or weights were changed while it was loaded.
        """
        own = self.brought.get(name)
        if own is not None and checkpoint is None:
            return own.network, own.weights
        return self._held(model_card(name), job, checkpoint)

    def network(self, subject: Subject, job: Job) -> nn.Module:
        """The network that results of this subject are computed with.

        Raises:
            ModelError: there is another one under its name by now.
        """
        card, own = model_card(subject.model), self.brought.get(subject.model)
        if card.state != subject.code:
            raise ModelError(_CHANGED.format(card.title))
        return self._held(card, job, None)[0] if own is None else own.network

    def _held(self, card: ModelCard, job: Job, checkpoint: tuple[str, str] | None) -> tuple[nn.Module, str]:
        key = _of_card(card, checkpoint)

        def load() -> tuple[nn.Module, str]:
            job.note = f"Loading {card.title}"
            file = None if checkpoint is None else checkpoint[0]
            network = load_model(card.id, device=str(self.device), weights=file, progress=job.tick)
            if _of_card(model_card(card.id), checkpoint) != key:
                raise ModelError(_CHANGED.format(card.title))
            return network, weights_hash(network)

        # A network waits for no other to load, which may come from a hub for minutes.
        there: tuple[nn.Module, str] | None = self.models.get(key)
        kept = there or self.models.once(key, load, lambda: job.tick(job.done, job.total))
        if there is None:
            give_back()  # what loading took, and networks that had to go
        job.note, job.done, job.total = "", 0, 1
        return kept

    def inputs(self, model: str, picture: Picture) -> Tensor:
        """The picture as a network takes it: (1, C, H, W) on the device."""
        inputs: Tensor = model_card(model).preprocess(picture.image).to(self.device)
        return inputs

    def answer(self, model: str, picture: Picture, show: Show) -> Answer:
        """What the original network says about a picture; never waits behind a map."""

        def work(job: Job) -> Answer:
            network, weights = self.model(model, job)
            return answer(network, self.inputs(model, picture), weights)

        card = model_card(model)
        asked = picture.sha256, self.device.type, card.state
        key = AnswerKey(model, card.weights_sha256, *asked)
        there = model in self.brought or self.models.get(_of_card(card)) is not None
        # Loading takes long, from a hub minutes, in which nobody else's page has to wait.
        loading = "page" if card.available_offline() else "fetch"
        found: Answer = self.jobs.run(key, work, show, "quick" if there else loading)
        return found

    def first_look(self, question: Question, picture: Picture, show: Show) -> Explained:
        """Maps and curve at a few levels, to be looked at while `start_sweep` goes on."""

        def work(job: Job) -> Explained:
            network = self.network(question.subject, job)
            inputs = self.inputs(question.subject.model, picture)
            network = seen(network, inputs, question.unit)
            job.note = "Scoring neurons"
            quick = (
                replace(question, contribution=_PREVIEW[question.contribution])
                if _hasty(question)
                else question
            )
            scored = self._scored(network, inputs, quick, job)
            levels = first_levels(spaced(scored.quiet, question.calibrated), scored.quiet)
            return explain_levels(network, inputs, question, scored, levels, job.tick)

        found: Explained = self.jobs.run(FirstLook(question), work, show, "coarse")
        return found

    def start_sweep(self, question: Question, picture: Picture, viewer: str, lane: str = "page") -> None:
        """Let maps and curve at all levels be computed; what is there so far is the job's `partial`."""

        def work(job: Job) -> Explained:
            network = self.network(question.subject, job)
            inputs = self.inputs(question.subject.model, picture)
            network = seen(network, inputs, question.unit)
            job.note = "Pruning level by level"
            scored = self._scored(network, inputs, question, job)
            levels = spaced(scored.quiet, question.calibrated)
            found: Explained | None = None
            if not _hasty(question):
                found = self.jobs.results.get(FirstLook(question))
            first = first_levels(levels, scored.quiet) if found is None else found.requested
            parts = rounds(levels, first)
            for part in parts if found is not None else [first, *parts]:
                done = len(found.requested) if found is not None else 0
                more = explain_levels(
                    network, inputs, question, scored, part, partial(_tick, job, done, len(part), len(levels))
                )
                found = job.partial = more if found is None else merged(found, more)
            assert found is not None  # there is more than one level
            return found

        self.jobs.start(question, work, viewer, lane)

    def sweep(self, question: Question) -> Explained | None:
        """Maps and curve at all levels, if they are there."""
        found: Explained | None = self.jobs.results.get(question)
        return found

    def _scored(self, network: nn.Module, inputs: Tensor, question: Question, job: Job) -> Scored:
        key = question.scores

        def scored() -> Scored:
            found, held = score(network, inputs, key), self.jobs.results.get(GroundKey(key.subject))
            if held is None or key != ScoresKey(key.subject, "taylor"):
                return found
            return replace(found, scores=held_once(found.scores, held.scores))  # the pages of paths hold them

        found: Scored = self.jobs.results.once(key, scored, lambda: job.tick(job.done, job.total))
        return found


def _of_card(card: ModelCard, checkpoint: tuple[str, str] | None = None) -> Hashable:
    """What one loaded network is kept by: a file that is edited has another under its old name."""
    return card.id, card.weights_sha256 if checkpoint is None else checkpoint[1], card.state


def _hasty(question: Question) -> bool:
    """Whether its first look rests on a quick integral, so that no level of it stays."""
    return question.contribution in _PREVIEW and question.unit == "neuron"


def _bytes_of(network: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in network.state_dict().values())


def _tick(job: Job, before: int, size: int, total: int, now: int, all_: int) -> None:
    job.tick(before + now * size // all_, total)


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine of this process."""
    return Engine()


def payload(
    question: Question,
    look: Look,
    start: tuple[int, str, float],
    levels: int,
    complete: bool,
    sweep: Explained,
    picture: Picture,
    shades: int | None = None,
) -> bytes:
    """The scrubber's bytes for one sweep and look, where the slider stands first as the session has it.

    Args:
        question: names the sweep.
        look: how it is drawn.
        start: token, dial and share, see `hand.start_of`.
        levels: how many are there.
        complete: whether no more will come.
        sweep: what there is of it.
        picture: the input.
        shades: see `payload_of`.
    """
    drawn = _drawn(question, look, levels, complete, shades, sweep, picture)
    return begun(drawn, {"token": start[0], "dial": start[1], "share": start[2]})


@st.cache_resource(max_entries=48, show_spinner=False)
def _drawn(
    question: Question,
    look: Look,
    levels: int,
    complete: bool,
    shades: int | None,
    _sweep: Explained,
    _picture: Picture,
) -> bytes:
    """The same without a place of the slider: kept for all sessions, which are sent it with every run."""
    card = model_card(question.subject.model)
    photo = seen_by(card, _picture)
    return payload_of(
        _sweep,
        photo,
        look,
        card.classes,
        question.mode,
        question.calibrated,
        _picture.title,
        name_of(question),
        {},
        complete,
        shades,
    )


class Waiting:
    """Shows a job's progress and place in the queue in one spot of the page, and clears it afterwards."""

    def __init__(
        self,
        height: int | None = None,
        picture: NDArray[np.uint8] | None = None,
        alt: str = "",
        over: str = "",
    ) -> None:
        """Reserve the spot; `height` in pixels draws a skeleton below the bar, beside a picture.

        With a name, `over`, it lies over what stands there, which so stays where it is: see `menu.STYLE`.
        """
        self.spot = st.empty()
        self.height, self.picture, self.alt = height, picture, alt
        self.key = f"waiting_{over}" if over else None
        self.bar: Any = None
        self.shown: tuple[Any, ...] = ()

    def __call__(self, job: Job, place: int) -> None:
        """Draw; also where Streamlit stops a superseded run, and one begins anew with what was chosen."""
        who = viewer()
        give_way(lambda: engine().jobs.hold(job, who))
        now = (job.done, job.total, job.note, place)
        if now == self.shown:
            st.session_state.get("_yield")  # reading the session lets Streamlit stop a superseded run here
            return
        self.shown = now
        text = f"Waiting for the device: {place} before you" if place else job.note or "Computing"
        if job.total > 1:
            text += (
                f" · {job.done} of {job.total}"
                if job.total < 10_000
                else f" · {job.done / 1e6:.0f} of {job.total / 1e6:.0f} MB"
            )
        if self.bar is None:
            self._reserve()
        self.bar.progress(min(1.0, job.done / max(1, job.total)), text=text)

    def _reserve(self) -> None:
        with self.spot.container(key=self.key):
            self.bar = st.empty()
            if self.picture is not None:
                columns = st.columns(3)
                columns[0].image(inline(self.picture), width="stretch", alt=self.alt)
                for column in columns[1:]:
                    column.skeleton(height=self.height)
            elif self.height:
                st.skeleton(height=self.height)

    def clear(self) -> None:
        """Remove it from the page."""
        self.spot.empty()
