"""The engine behind all sessions: one worker, few models, bounded results."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import streamlit as st
from torch import nn

from pruneattr_core.models import load_model, model_card, weights_hash
from pruneattr_core.models.declared import close
from pruneattr_core.runtime import device_for
from pruneattr_core.ui.hand import name_of
from pruneattr_core.ui.look import Look
from pruneattr_core.ui.payload import payload_of
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.sweeps import Answer, Explained, Question, answer, explain_levels
from pruneattr_core.ui.worker import Job, Shelf, Worker

#: Bytes of sweeps kept for all sessions together.
RESULT_BYTES = 256 << 20
MODELS_KEPT = 3


@dataclass(frozen=True, eq=False)
class Brought:
    """A network with weights of a reader; it lives as long as a session holds it.

    Attributes:
        network: frozen, on the engine's device.
        weights: hash of its state dict.
    """

    network: nn.Module
    weights: str


class Engine:
    """Owns the device: models, the worker's queue and its results.

    Attributes:
        device: where everything runs.
        worker: its queue.
        brought: networks that sessions have brought, by the id that their content gives them.
    """

    def __init__(self) -> None:
        """Take the device named by PRUNEATTR_DEVICE, or the best there is."""
        close()
        self.device = device_for(os.environ.get("PRUNEATTR_DEVICE", "auto"))
        self.worker = Worker(Shelf(RESULT_BYTES, lambda value: int(value.nbytes)))
        self.models = Shelf(MODELS_KEPT)
        self.brought: WeakValueDictionary[str, Brought] = WeakValueDictionary()

    def model(self, name: str, job: Job) -> tuple[nn.Module, str]:
        """A frozen network and the hash of its weights, from the shelf or loaded; for the worker's thread."""
        own = self.brought.get(name)
        kept: tuple[nn.Module, str] | None = (
            self.models.get(name) if own is None else (own.network, own.weights)
        )
        if kept is None:
            job.note = f"Loading {model_card(name).title}"
            network = load_model(name, device=str(self.device), progress=job.tick)
            kept = network, weights_hash(network)
            self.models.put(name, kept)
        job.note, job.done, job.total = "", 0, 1
        return kept

    def answer(self, model: str, picture: Picture, show: Callable[[Job, int], None]) -> Answer:
        """What the original network says about a picture."""
        card = model_card(model)

        def work(job: Job) -> Answer:
            network, weights = self.model(model, job)
            return answer(network, card.preprocess(picture.image).to(self.device), weights)

        key = ("answer", model, card.weights_sha256, picture.sha256, self.device.type)
        found: Answer = self.worker.run(key, work, show)
        return found

    def sweep(self, question: Question, picture: Picture, show: Callable[[Job, int], None]) -> Explained:
        """Maps and curve at all levels."""
        card = model_card(question.subject.model)

        def work(job: Job) -> Explained:
            network, _ = self.model(question.subject.model, job)
            job.note = "Scoring neurons and pruning level by level"
            return explain_levels(network, card.preprocess(picture.image).to(self.device), question, job.tick)

        found: Explained = self.worker.run(question, work, show)
        return found


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine of this process."""
    return Engine()


@st.cache_resource(max_entries=48, show_spinner=False)
def payload(
    question: Question, look: Look, start: tuple[int, float], _sweep: Explained, _picture: Picture
) -> bytes:
    """The scrubber's bytes for one sweep and look, kept because they are sent again with every rerun."""
    card = model_card(question.subject.model)
    photo = np.asarray(card.display(_picture.image))
    return payload_of(
        _sweep,
        photo,
        look,
        card.classes,
        question.mode,
        question.calibrated,
        _picture.title,
        name_of(question),
        {"token": start[0], "sparsity": start[1]},
    )


class Waiting:
    """Shows a job's progress and place in the queue in one spot of the page, and clears it afterwards."""

    def __init__(self, height: int | None = None) -> None:
        """Reserve the spot; `height` in pixels draws a skeleton below the bar."""
        self.spot = st.empty()
        self.height = height
        self.shown: tuple[Any, ...] = ()

    def __call__(self, job: Job, place: int) -> None:
        """Draw; also where Streamlit stops a superseded run."""
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
        with self.spot.container():
            st.progress(min(1.0, job.done / max(1, job.total)), text=text)
            if self.height:
                st.skeleton(height=self.height)

    def clear(self) -> None:
        """Remove it from the page."""
        self.spot.empty()
