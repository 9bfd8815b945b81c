"""Decoded pictures that grow while they are watched: computed, and drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.analysis.decoding import Decoded, Neuron, Recipe, decode, top_neuron
from pruneattr_core.critical_path import Path
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import Ground
from pruneattr_core.share.words import signed
from pruneattr_core.ui.cache import Engine, engine
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.paths.places import grid_of, positions, shown_places
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.state import viewer
from pruneattr_core.ui.watching import duration, report_failure

#: A top neuron's own position drawn on the picture, if it has one, and its name in words.
Place = tuple[NDArray[np.uint8] | None, str]
#: Pictures shown on the way, at most.
FRAMES = 48
#: A step of the ascent costs this many passes of scoring: it goes on to the input.
_STEP_PASSES = 1.3
#: Key of the transformations -> (shift as a share of the picture, zoom, degrees), after Lucid.
MOVES = {"none": (0.0, 0.0, 0.0), "shift": (1 / 16, 0.0, 0.0), "all": (1 / 16, 0.1, 5.0)}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A decoding so far.

    Attributes:
        pixels: uint8 (H, W, 3).
        steps: at which the response was measured.
        responses: of the objective, without transformation.
    """

    pixels: NDArray[np.uint8]
    steps: tuple[int, ...]
    responses: tuple[float, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the picture."""
        return int(self.pixels.nbytes)


@dataclass(frozen=True, eq=False)
class Source:
    """A network whose answer is decoded: the original one, or one pruned to a path.

    Attributes:
        key: names it within its subject.
        title: for readers.
        path: None for the original network.
        top: the neuron of the path that contributes most (Taylor), None where the path is empty.
    """

    key: Hashable
    title: str
    path: Path | None
    top: Neuron | None


def source(key: Hashable, title: str, path: Path | None, ground: Ground) -> Source:
    """A source with its top neuron."""
    empty = path is not None and not bool(path.kept.any())
    return Source(key, title, path, None if empty else top_neuron(ground.scores, path))


def active_subnet(ground: Ground) -> Path:
    """Everything but the neurons that are dead for this input."""
    return Path(
        ground.scores.names, tuple(~layer for layer in ground.scores.dead), {"method": "active subnet"}
    )


def recipe(
    parametrisation: str, decorrelate: bool, steps: int, moves: str, seed: int, size: tuple[int, int]
) -> Recipe:
    """How to optimise a picture of `size`, with shifts in proportion to it."""
    shift, zoom, degrees = MOVES[moves]
    return Recipe(
        parametrisation=parametrisation,  # type: ignore[arg-type]  # checked by Recipe
        decorrelate=decorrelate,
        steps=steps,
        jitter=round(shift * min(size)),
        scale=zoom,
        rotate=degrees,
        seed=seed,
    )


@dataclass(frozen=True)
class DecodingKey:
    """Names a decoding; made by `decoding_key`.

    Attributes:
        subject: network, picture and class; of a neuron the network alone.
        what: a neuron, or what names a path within its subject.
        how: the way to the picture.
    """

    subject: Subject
    what: Hashable
    how: Recipe


def decoding_key(subject: Subject, one: Source, how: Recipe, neuron: bool) -> DecodingKey:
    """What names a decoding; a neuron is decoded in the original network whatever path it tops."""
    if neuron and one.top is not None:
        return DecodingKey(replace(subject, image="", target=None), one.top, how)
    return DecodingKey(subject, one.key, how)


def decoding_work(
    engine: Engine, subject: Subject, chosen: Selection, one: Source, target: int, how: Recipe, neuron: bool
) -> Callable[[Job], Drawn]:
    """The ascent, for a long lane: `Job.partial` is the picture so far."""
    card = chosen.card
    objective: int | Neuron = one.top if neuron and one.top is not None else target

    def work(task: Job) -> Drawn:
        model = engine.network(subject, task)
        steps: list[int] = []
        responses: list[float] = []
        path = None if neuron else one.path
        size, every = (len(card.mean), *card.size), max(1, how.steps // FRAMES)
        frames = decode(model, objective, size, card.mean, card.std, path, how, every)
        drawn = None
        for frame in frames:
            steps.append(frame.step)
            responses.append(frame.response)
            task.partial = drawn = Drawn(_pixels(frame), tuple(steps), tuple(responses))
            task.tick(frame.step, how.steps)
        assert drawn is not None  # the start always comes
        return drawn

    return work


def predicted_decoding(ground: Ground, pictures: int, steps: int) -> float:
    """Seconds for that many pictures one after the other."""
    return ground.seconds * _STEP_PASSES * pictures * steps


def place_of(
    one: Source, ground: Ground, photo: NDArray[Any], colour: str
) -> tuple[NDArray[np.uint8] | None, str]:
    """The top neuron's own position on the picture, if it has one, and its name in words."""
    if one.top is None:
        return None, "The path keeps no neuron."
    call, name = one.top.call, ground.scores.names[one.top.call]
    shape = tuple(ground.scores.layers[call].shape[1:])
    grid = grid_of(shape)
    mark = np.zeros(shape, bool)
    mark.flat[one.top.place] = True
    at = np.unravel_index(one.top.place, shape)
    channel = int(at[-1] if len(shape) == 2 or (len(shape) == 3 and shape[0] != grid.channels) else at[0])
    share = float(ground.scores.layers[call][0].flatten()[one.top.place])
    words = f"{name}, channel {channel}, contribution {share:.3g}"
    spot = positions(mark, channel)
    if spot is None or not spot.any():
        return None, f"{words}; no place on the picture"
    alive = positions(~ground.scores.dead[call][0].numpy(), channel)
    row, column = (int(i[0]) for i in np.nonzero(spot))
    words += f", position {row}, {column} of {spot.shape[0]} x {spot.shape[1]}"
    return shown_places(photo, spot, alive & spot, colour), words


def _pixels(frame: Decoded) -> NDArray[np.uint8]:
    """(H, W, 3): a grey picture in three equal channels, of more than three channels the colours."""
    seen = frame.image.expand(3, -1, -1) if len(frame.image) == 1 else frame.image[:3]
    return np.asarray((255 * seen).round().byte().permute(1, 2, 0).numpy())


#: Longest side of a picture on the page, in pixels.
_SIDE = 420


@dataclass(frozen=True)
class Canvas:
    """One picture to decode.

    Attributes:
        key: of its result.
        source: the network it belongs to.
        neuron: whether the source's top neuron is decoded, not the class.
    """

    key: Hashable
    source: Source
    neuron: bool


def picture_so_far(canvas: Canvas, alt: str, how: Recipe, small: bool = False) -> Drawn | None:
    """The picture so far, with its progress; None before the first step."""
    drawn: Drawn | None = engine().jobs.results.get(canvas.key)
    task = None if drawn is not None else engine().jobs.watch(canvas.key, viewer())
    if task is not None and task.finished.is_set() and task.error is not None:
        report_failure(canvas.key, task)
        return None
    if task is not None:
        drawn = task.partial
    if drawn is None:
        st.skeleton(height=90 if small else 220)
        if not small:
            st.caption("Waits for its turn" if task is not None else "Not decoded yet")
        return None
    factor = max(1, -(-_SIDE // drawn.pixels.shape[0]))
    st.image(
        inline(np.repeat(np.repeat(drawn.pixels, factor, 0), factor, 1)),
        width="stretch",
        alt=f"{alt}, step {drawn.steps[-1]} of {how.steps}",
    )
    if not small:
        left = "" if task is None or task.remaining is None else f" · {duration(task.remaining)} left"
        what = "activation" if canvas.neuron else "logit"
        st.caption(
            f"Step {drawn.steps[-1]} of {how.steps} · {what} {signed(drawn.responses[-1], '.2f')}{left}"
        )
    return drawn
