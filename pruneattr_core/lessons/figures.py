"""What the view of a step shows, as pictures: for paper, and for files that work without a server.

A figure is a row of panels, once for every place of the slider that the page has. The numbers come from the
library's own functions, with the settings that the step gives to the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.benchmarks.fills import fill_removed
from pruneattr_core.benchmarks.maps import maps_of, method_from
from pruneattr_core.benchmarks.pixels import removal_masks
from pruneattr_core.benchmarks.sanity import VARIANTS, cascade
from pruneattr_core.benchmarks.similarity import MEASURES
from pruneattr_core.brief import brief
from pruneattr_core.datasets import load_dataset
from pruneattr_core.heads import head_of, probabilities
from pruneattr_core.lessons.charts import removing, retraining, students
from pruneattr_core.lessons.numbers import numbers
from pruneattr_core.lessons.text import Step
from pruneattr_core.lessons.titles import Word, method_title, network_title, path_title
from pruneattr_core.models import ModelCard, load_model, model_card
from pruneattr_core.paths.table import METHODS as PATHS
from pruneattr_core.paths.table import Search
from pruneattr_core.render import colour_table, colourise, scale_map, scale_of
from pruneattr_core.render.figure import Panel
from pruneattr_core.scoring import contributions

#: Places of the dial that a figure of the explorer has, as shares of the contributing neurons.
LEVELS = (0.0, 0.5, 0.8, 0.9, 0.95)
#: Shares of removed pixels.
GONE = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
#: The shipped study of the students whose tables the review shows.
STUDY = "scenes"
#: The teacher and the students of a step that names none.
REVIEWED = ("scenes-vgg", "scenes-vgg-x2-none", "scenes-vgg-x8-none", "scenes-vgg-x8-swa")


@dataclass(frozen=True)
class Frame:
    """The view at one place of its slider.

    Attributes:
        title: what the slider says there; empty where there is none.
        panels: in a row, the picture first.
        brief: the title where there is no room for it.
    """

    title: str
    panels: tuple[Panel, ...]
    brief: str = ""


@dataclass(frozen=True)
class Figure:
    """The view of a step.

    Attributes:
        frames: one a place of the slider; a single one where there is no slider.
        at: the place that the step sets.
        caption: the network; what it answers is part of the lesson.
        chart: whether it is one panel to be read, and no row of pictures.
        curves: (H, W, 3), what the page draws beside the pictures, None where it draws nothing.
    """

    frames: tuple[Frame, ...]
    at: int
    caption: str
    chart: bool = False
    curves: NDArray[np.uint8] | None = None

    __repr__ = brief


@dataclass(frozen=True)
class _Scene:
    """Network, picture and class that a step's view names."""

    view: Mapping[str, str]
    card: ModelCard
    model: nn.Module
    image: Image.Image
    inputs: Tensor
    target: int
    word: Word

    __repr__ = brief

    @property
    def photo(self) -> NDArray[np.uint8]:
        return np.asarray(self.card.display(self.image))

    @property
    def caption(self) -> str:
        return network_title(self.card, self.word)

    def share(self, logits: Tensor) -> float:
        """Probability of the class explained, of (1, classes)."""
        read = probabilities(logits.double(), head_of(self.model, logits))[0]
        return float(read[self.target])


def figure_of(step: Step, word: Word) -> Figure | None:
    """The figure of a step; None where there is no page, or one that shows numbers alone.

    Args:
        step: of a lesson.
        word: its captions, see `titles.Word`.

    Raises:
        PruneAttrError: the view names a network or a picture that is not here.
    """
    view = dict(step.view)
    if step.page == "benchmarks" and view.get("bench") == "roar" and "bench_run" in view:
        return _chart(retraining(view["bench_run"], word), network_title(model_card("resnet8-cifar10"), word))
    if step.page == "review" and view.get("desk") == "tables":
        return _chart(students(view.get("study", STUDY), word), network_title(model_card(REVIEWED[0]), word))
    made = _PAGES.get(step.page)
    if made is None:
        return None
    if step.page == "review":
        view = {"model": REVIEWED[0], "source": "scenes", "picture": "3"} | view
    model, card = load_model(view["model"]), model_card(view["model"])
    image = load_dataset(view["source"])[int(view.get("picture", 0))].image
    inputs = card.preprocess(image)
    with torch.no_grad():
        logits = model(inputs)
    target = int(view.get("target", -1))
    target = int(logits.argmax()) if target < 0 else target
    return made(_Scene(view, card, model, image, inputs, target, word))


def _percent(share: float, word: Word) -> str:
    return numbers(f"{share:.0%}", word)


def _p(share: float, word: Word) -> str:
    return numbers(f"p = {share:.2f}", word)


def _chart(pixels: NDArray[np.uint8], caption: str) -> Figure:
    return Figure((Frame("", (Panel("", pixels),)),), 0, caption, chart=True)


def _map(title: str, values: Any, signed: bool = True, notes: tuple[str, ...] = ()) -> Panel:
    scale = scale_of(values, signed)
    table = colour_table("blue-orange" if signed else "cividis")
    return Panel(title, colourise(scale_map(values, scale=scale), table), notes)


def _explore(scene: _Scene) -> Figure:
    mode = scene.view.get("mode", "zero")
    found = contributions(scene.model, scene.inputs, scene.target)
    quiet = sum(int((layer == 0).sum()) for layer in found.layers) / found.neurons
    sparsities = [0.0 if share == 0 else quiet + share * (1 - quiet) for share in LEVELS]
    sweep = PruneGrad(scene.model).sweep(scene.inputs, sparsities=sparsities, mode=mode, scores=found)  # type: ignore[arg-type]
    frames = []
    for place, share in enumerate(LEVELS):
        values = sweep.maps[place][0].double()
        strongest = values.gather(0, values.abs().argmax(0, keepdim=True))[0].numpy()
        notes: tuple[str, ...] = (_p(float(sweep.probability[place, 0]), scene.word),)
        if mode == "zero":
            notes += (scene.card.classes[int(sweep.prediction[place, 0])],)
        title = scene.word("figure_removed", share=_percent(share, scene.word))
        panels = (Panel("", scene.photo), _map(title, strongest, notes=notes))
        frames.append(Frame(title, panels, _percent(share, scene.word)))
    return Figure(tuple(frames), _nearest(LEVELS, scene.view, "at", 0.8), scene.caption)


def _nearest(places: Sequence[float], view: Mapping[str, str], name: str, default: float) -> int:
    return int(np.abs(np.asarray(places) - float(view.get(name, default))).argmin())


def _values(scene: _Scene, model: nn.Module, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    wanted = torch.tensor([scene.target])
    return {
        name: maps_of(model, scene.inputs, wanted, method_from(name), "signed_max")[0].numpy()
        for name in names
    }


def _compare(scene: _Scene) -> Figure:
    found = _values(scene, scene.model, scene.view["methods"].split(","))
    maps = (
        _map(method_title(name, scene.word), values, METHODS[name].signed) for name, values in found.items()
    )
    panels = (Panel("", scene.photo), *maps)
    return Figure((Frame("", panels),), 0, scene.caption)


def _sanity(scene: _Scene) -> Figure:
    names = scene.view["sane_methods"].split(",")
    # A step that sets another measure than the usual one switches between both on the page.
    measures = dict.fromkeys(("spearman_abs", scene.view.get("sane_measure", "spearman_abs")))
    frames: list[Frame] = []
    trained: dict[str, NDArray[Any]] = {}
    for place, (layer, changed) in enumerate(cascade(scene.model, VARIANTS["released"])):
        title = scene.word("figure_random" if place else "figure_trained", place=place, layer=layer)
        found = _values(scene, changed, names)
        trained = trained or found
        panels = [Panel("", scene.photo)]
        for name, values in found.items():
            alike = {
                one: MEASURES[one](trained[name].astype(np.float64), values.astype(np.float64))
                for one in measures
            }
            notes = tuple(
                scene.word(f"figure_{one}", value=numbers(f"{value:.2f}", scene.word))
                for one, value in alike.items()
                if place and np.isfinite(value)
            )
            panels.append(_map(method_title(name, scene.word), values, METHODS[name].signed, notes))
        frames.append(Frame(title, tuple(panels), str(place or title)))
    at = min(int(scene.view.get("sane_step", 0)), len(frames) - 1)
    return Figure(tuple(frames), at, scene.caption)


def _removal(scene: _Scene) -> Figure:
    names = scene.view["gone_methods"].split(",")
    order, fill = scene.view.get("gone_order", "lerf"), scene.view.get("gone_fill", "mean")
    fills = (fill,) if fill == "mean" else ("mean", fill)  # another one is seen beside the usual one
    columns, lines = [], {}
    for fill, name in product(fills, names):
        title = method_title(name, scene.word)
        title = title if len(fills) == 1 else f"{title}, {scene.word(f'figure_fill_{fill}')}"
        wanted = torch.tensor([scene.target])
        values = maps_of(scene.model, scene.inputs, wanted, method_from(name), "signed_max")
        values = values.abs() if scene.view.get("gone_rule", "magnitude") == "magnitude" else values
        masks = removal_masks(values, GONE, order, "random")[:, 0]
        filled = fill_removed(scene.inputs[0], masks, fill, 0)
        with torch.no_grad():
            logits = scene.model(filled)
        shares = lines[title] = [scene.share(one) for one in logits.split(1)]
        pixels = scene.card.denormalise(filled)
        columns.append(
            [
                Panel(title, np.asarray(pixel, np.uint8), (_p(share, scene.word),))
                for pixel, share in zip(pixels, shares, strict=True)
            ]
        )
    frames = tuple(
        Frame(
            scene.word(f"figure_{order}", share=_percent(share, scene.word)),
            panels,
            _percent(share, scene.word),
        )
        for share, panels in zip(GONE, zip(*columns, strict=True), strict=True)
    )
    at = _nearest(GONE, scene.view, "gone", 0.3)
    return Figure(frames, at, scene.caption, curves=removing(lines, GONE, scene.word))


def _paths(scene: _Scene) -> Figure:
    """Where the neurons of one activation call that each path keeps sit, all channels together."""
    call = int(scene.view.get("call", 1)) - 1
    kappa = float(scene.view.get("kappa", 0.9))
    search, panels = Search(scene.model, scene.inputs, scene.target, (kappa,)), [Panel("", scene.photo)]
    for name in scene.view.get("paths", "taylor").split(","):
        (found,) = PATHS[name].paths(search)
        kept = found.layers[call][0].double().sum(0)[None, None]
        large = torch.nn.functional.interpolate(kept, scene.photo.shape[:2])[0, 0].numpy()
        share = _percent(kappa, scene.word)
        title = scene.word("figure_kept", layer=found.names[call], share=share)
        panels.append(_map(f"{path_title(name, scene.word)}, {title}", large, False))
    return Figure((Frame("", tuple(panels)),), 0, scene.caption)


def _review(scene: _Scene) -> Figure:
    panels = [Panel("", scene.photo)]
    students = scene.view.get("students")
    for name in (REVIEWED[0], *students.split(",")) if students else REVIEWED:
        values = maps_of(
            load_model(name), scene.inputs, torch.tensor([scene.target]), method_from("gradcam"), "signed_max"
        )
        panels.append(
            _map(f"{network_title(model_card(name), scene.word)}: Grad-CAM", values[0].numpy(), False)
        )
    return Figure((Frame("", tuple(panels)),), 0, scene.caption)


_PAGES: Mapping[str, Callable[[_Scene], Figure]] = {
    "explore": _explore,
    "compare": _compare,
    "sanity": _sanity,
    "removal": _removal,
    "paths": _paths,
    "review": _review,
}
