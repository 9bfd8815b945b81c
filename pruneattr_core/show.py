"""One picture explained at every place of the dial: live in a notebook, or as a file that needs no server.

view = explain_view("efficientnet-lite0", image)
view                     # the last line of a notebook's cell: the explorer, draggable
view.save("cat.html")    # the same in one file
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pruneattr_core.arrays import as_numpy
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.maps import method_from
from pruneattr_core.beside import markup, methods_beside, own_entry
from pruneattr_core.brief import brief
from pruneattr_core.chance import chance_kept
from pruneattr_core.comparison import Comparison, Progress
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress, several
from pruneattr_core.heads import answered
from pruneattr_core.models import ModelCard, open_model, weights_hash
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.calibrate import check_change
from pruneattr_core.paths.calibrated import calibrated_sparsity
from pruneattr_core.render import overlay
from pruneattr_core.render.figure import Panel
from pruneattr_core.render.look import Look
from pruneattr_core.response import Response, Target, asked_of
from pruneattr_core.results.keys import Scored, Subject
from pruneattr_core.results.levels import START, spaced
from pruneattr_core.results.nearest import first_beyond, nearest
from pruneattr_core.results.sweeps import Explained, Question, asked_fields, explain_levels
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import as_real, fraction
from pruneattr_core.share.component import SCRUBBER, Component
from pruneattr_core.share.live import Live
from pruneattr_core.share.panels import sweep_panels
from pruneattr_core.share.payload import payload_of
from pruneattr_core.share.photo import answers_in_words, check_card, class_names, photo_of
from pruneattr_core.share.way_back import WayBack, asked_of_one, carried, noted
from pruneattr_core.values import Sweep


@dataclass(frozen=True, eq=False)
class View(Live):
    """A sweep over the dial and everything needed to draw it.

    Attributes:
        sweep: maps (K, C, H, W) and answers at K levels.
        photo: uint8 (H, W, 3), the pixels that the network saw.
        title: network and answer in a few words.
        classes: names, in the order of the outputs.
        settings: what made it: model, picture, target, mode, contribution, versions.
        level: index of the level shown first, and by formats that show one.
        start: scale of the slider and its place on it at first, see `levels.DIALS`; None for the share of the
            contributing neurons that is gone at `level`.
        back: see `Live`.
        others: other methods on the same picture, which a file shows beside it.

    Example:
        >>> from pruneattr_core.datasets import load_dataset
        >>> view = pruneattr_core.explain_view("resnet8-cifar10", load_dataset("scenes")[3].image)
        >>> view.title, view.at(0)["plain_gradient"]
        ('ResNet-8 on CIFAR-10: airplane', True)
    """

    component: ClassVar[Component] = SCRUBBER
    height: ClassVar[int] = 860

    sweep: Explained
    photo: NDArray[np.uint8]
    title: str
    classes: Sequence[str]
    settings: Mapping[str, Any]
    level: int
    start: tuple[str, float] | None = None
    back: WayBack | None = None
    others: Comparison | None = None

    __repr__ = brief

    def payload(self) -> bytes:
        """What the explorer's component draws."""
        return self._packed(None)

    def small_payload(self, shades: int) -> bytes:
        """See `Live`."""
        return self._packed(shades)

    def beside(self) -> str:
        """The other methods, if there are some."""
        return "" if self.others is None else markup(self.others)

    def _packed(self, shades: int | None) -> bytes:
        dial, share = self.start or ("contributing", float(self.sweep.contributing[self.level]))
        start = {"token": 0, "dial": dial, "share": share}
        return payload_of(
            self.sweep, self.photo, Look(), self.classes, self.settings["mode"],
            self.settings["calibrated"], str(self.settings["picture"]), "view", start, True, shades,
        )  # fmt: skip

    def panels(self) -> tuple[list[Panel], int]:
        """Picture, map and overlay at `level`."""
        (photo, drawn), _ = sweep_panels(self.sweep, Look(), self.photo, [self.level])
        asked = f"Explained: {self.settings['target_name']}"
        named = Panel(str(self.settings["picture"]), photo.pixels, (asked,))
        return [named, drawn, Panel("Over the picture", overlay(photo.pixels, drawn.pixels, 0.6))], 3

    def numbers(self) -> dict[str, Any]:
        """What the pruned network answers at `level`, and the numbers of the methods beside it."""
        beside = {} if self.others is None else {"methods_beside": self.others.table()}
        return {**self.at(self.level), **beside}

    def at(self, level: int) -> dict[str, Any]:
        """What the pruned network answers at a level, by its index."""
        sweep = self.sweep
        return {
            "sparsity": float(sweep.sparsity[level]),
            "sparsity_of_contributing": float(sweep.contributing[level]),
            "plain_gradient": sweep.plain[level],
            "output_change": float(sweep.change[level]),
            "probability": float(sweep.probability[level]),
            "answer": sweep.named(self.classes, int(sweep.prediction[level])),
        }

    def npz(self) -> bytes:
        """Maps, picture and the curves over the dial."""
        sweep, out = self.sweep, io.BytesIO()
        entries = () if self.others is None else self.others.entries
        beside = {f"beside/{one.method}": as_numpy(one.found.values[0]) for one in entries}
        np.savez_compressed(
            out, attribution=sweep.maps, picture=self.photo, sparsity=sweep.sparsity,
            sparsity_of_contributing=sweep.contributing, output_change=sweep.change,
            probability=sweep.probability, prediction=sweep.prediction,
            settings=np.array(json.dumps(dict(self.settings))), **beside,  # type: ignore[arg-type]
        )  # fmt: skip
        return out.getvalue()


@chance_kept()
def sweep_view(
    sweep: Sweep,
    card: ModelCard | None = None,
    image: int = 0,
    picture: str = "",
    contribution: str | None = None,
) -> View:
    """One input of a sweep as the explorer draws it; behind `Sweep.show`.

    Args:
        sweep: of `PruneGrad.sweep`, at any levels.
        card: of the network: names of the classes, and the picture as it was before it was normalised.
        image: which input of the batch.
        picture: what it is, for titles and text alternatives.
        contribution: what ranked the neurons, where the caller knows.

    Raises:
        InputError: there is no such input, or inputs are no pictures.
    """
    check_card(card)
    if sweep.inputs is None or not isinstance(image, Integral) or not 0 <= image < len(sweep.inputs):
        held = 0 if sweep.inputs is None else len(sweep.inputs)
        raise InputError(
            f"Expected image from 0 to {held - 1}, got {image!r}: the sweep holds {held} inputs."
        )
    turn = torch.argsort(sweep.sparsity[:, image], stable=True)

    def of(values: Tensor) -> NDArray[Any]:
        return np.asarray(values[:, image][turn].detach().float().cpu().numpy())

    sparsity, contributing = of(sweep.sparsity), of(sweep.sparsity_of_contributing)
    pruned = (contributing > 0) & (contributing < 1)
    silent = (sparsity - contributing)[pruned] / (1 - contributing[pruned])
    quiet = float(silent[0] if len(silent) else max(sparsity[of(sweep.silent_only) > 0], default=0.0))
    target, probability = int(sweep.target[image]), of(sweep.probability)
    of_maps = target < 0  # by a function: no class, and the number explained stands for a probability
    kind, target = ("values", 0) if of_maps else (sweep.answering, target)
    predicted = answered(kind, target, of(sweep.prediction).astype(int), probability)
    explained = Explained(
        maps=np.nan_to_num(of(sweep.maps), posinf=0, neginf=0),
        requested=tuple(sweep.requested[k] for k in turn.tolist()),
        sparsity=sparsity, change=of(sweep.output_change), probability=probability,
        logit=of(sweep.logit), prediction=predicted, target=target, quiet=quiet, dead=quiet,
        neurons=sweep.neurons, seconds=0.0, problems=tuple(filter(None, sweep.problems)),
        valued=kind == "values",
        **asked_fields(sweep.asked, image),
    )  # fmt: skip
    named = (target, explained.against or 0, *explained.members, *predicted.tolist())
    classes = class_names(card, max(named))
    function = sweep.asked.response.kind == "custom"
    asked = answers_in_words(sweep.asked, card)[image] if function else explained.what(classes)
    classes = (asked,) if of_maps else classes
    settings = {
        "picture": picture or f"input {image}",
        "model": "a network" if card is None else card.id,
        "target": int(sweep.target[image]),
        "target_name": asked,
        "mode": sweep.mode,
        "calibrated": None,
        "neurons": sweep.neurons,
        "silent_share": round(quiet, 6),
        "versions": provenance(sweep.maps.device.type),
    }
    level = nearest(explained.sparsity.tolist(), quiet + START * (1 - quiet))
    title = asked if card is None else f"{card.title}: {asked}"
    photo = photo_of(sweep.inputs[image], card)
    back: WayBack | str = "network"
    if contribution is not None:
        settings["contribution"] = contribution
    if card is not None:
        start, name = ("contributing", float(contributing[level])), str(settings["picture"])
        back = _way_back(
            card, photo, sweep.asked.response, sweep.mode, contribution, start, name, target, image
        )
    return View(explained, photo, title, classes, settings, level, back=noted(settings, back))


@chance_kept()
def explain_view(
    model: str,
    image: Image.Image,
    target: Target = None,
    *,
    sparsity: float = START,
    of: str = "contributing",
    output_change: float | None = None,
    mode: str = "zero",
    contribution: str = "taylor",
    picture: str = "a picture",
    device: str = "cpu",
    progress: Progress | None = None,
    shares: Sequence[float] | None = None,
    beside: Sequence[str] = (),
    weights: str | os.PathLike[str] | None = None,
    classes: str | os.PathLike[str] | None = None,
) -> View:
    """Explain one picture at some thirty places of the dial, or at a few of one's own.

    Args:
        model: a name of `list_models`, or path/to/file.py:build.
        image: as `PIL.Image.open` or `decode_image` give it.
        target: class index; None for the predicted one; a difference of two classes, a group or a
            region.
        sparsity: level shown first.
        of: what it is a share of: "contributing" or "all" neurons.
        output_change: replaces `sparsity`: the level shown first is the first at which the response has moved
            by more than this share of it.
        mode: "zero" or "freeze".
        contribution: see `contributions`.
        picture: what it is, for titles and text alternatives.
        device: cpu, cuda, mps or auto.
        progress: called with (maps done, maps in all, the method at work), those of `beside` counted too.
        shares: of the contributing neurons removed at each place; increasing, within [0, 1).
        beside: other methods for the same picture, as `compare` takes them; a file shows maps and numbers.
        weights: a file of your own for the network, as `load_model` takes it.
        classes: a text or JSON file with the names of its classes, instead of those found with it.

    Raises:
        InputError: an argument out of range.
        ModelError: the network is not here, or cannot be explained.
        WeightsError: as for `load_model`.

    Example:
        >>> from pruneattr_core import explain_view
        >>> from pruneattr_core.datasets import load_dataset
        >>> view = explain_view("resnet8-cifar10", load_dataset("scenes")[3].image, sparsity=0.9)
        >>> view.save("/tmp/scene.html").name
        'scene.html'
    """
    check_progress(progress)
    first, beside = as_real(sparsity), several("methods beside", beside, "['gradcam']")
    if first is None or not 0 <= first <= 1 or not is_one_of(of, ("contributing", "all")):
        raise InputError(
            f'Expected sparsity in [0, 1] of "contributing" or "all", got {sparsity!r} of {of!r}.'
        )
    check_change(output_change, "response")
    for name in filter(None, beside):
        method_from(name)  # refused before anything is computed
    device = str(device_for(device))
    network, card = open_model(model, device, weights, classes=classes)
    inputs, values = card.preprocess(image).to(device), weights_hash(network)
    calibrated = calibrated_sparsity(values)
    asked = asked_of(target, 1)
    if asked.response.kind == "custom":
        raise InputError(
            "Expected a class, a difference of two, a group or a region; sweep takes any function."
        )
    question = Question(Subject(card.id, values, "", None, device), mode, contribution, calibrated)
    scored = Scored(contributions(network, inputs, asked, contribution), 0.0)
    levels = spaced(scored.quiet, calibrated) if shares is None else _levels(scored.quiet, shares)
    told = progress or (lambda done, total, what: None)
    count = len(levels) * (2 if mode == "freeze" else 1)
    sweep = explain_levels(
        network,
        inputs,
        question,
        scored,
        levels,
        lambda done, _: told(done, count + len(beside), METHODS["prunegrad"].title),
    )
    wanted = scored.quiet + first * (1 - scored.quiet) if of == "contributing" else first
    settings = {
        "picture": picture,
        "model": card.id,
        "weights_sha256": values,
        **card.origin,
        "target": sweep.target,
        "target_name": sweep.what(card.classes),
        **({} if asked.plain else {"response": scored.scores.question.response.setting()}),
        "mode": mode,
        "contribution": contribution,
        "calibrated": calibrated,
        "neurons": sweep.neurons,
        "silent_share": round(sweep.quiet, 6),
        "versions": provenance(device),
    }
    level, start = 0 if first == 0 else nearest(sweep.sparsity.tolist(), wanted), (of, first)
    if output_change is not None:
        level, start = first_beyond(sweep.change.tolist(), output_change), ("change", output_change)
    title, photo = f"{card.title}: {sweep.what(card.classes)}", np.asarray(card.display(image))
    back = _way_back(card, photo, asked.response, mode, contribution, start, picture, int(sweep.target))
    own = "" if contribution != "taylor" else own_entry(start, mode)
    others = None
    if beside:
        others = methods_beside(
            network, inputs, [own, *beside], asked, card, picture,
            lambda left, what: told(count + max(0, len(beside) - left), count + len(beside), what),
        )  # fmt: skip
    return View(sweep, photo, title, card.classes, settings, level, start, noted(settings, back), others)


def _way_back(
    card: ModelCard,
    photo: NDArray[np.uint8],
    response: Response,
    mode: str,
    contribution: str | None,
    start: tuple[str, float],
    picture: str,
    answered: int,
    image: int = 0,
) -> WayBack:
    """What brings the app's explorer to a view of one picture of a batch, as far as it has such choices."""
    asked, lost = asked_of_one(response, image, answered)
    lost = tuple(one for one in lost if one != "each")  # this is the one picture
    if contribution in (None, "intgrad_preview"):
        contribution, lost = "taylor", (*lost, "contribution")
    place = {"mode": mode, "contribution": contribution, "dial": start[0], "at": f"{start[1]:.4g}"}
    return WayBack("", {"model": card.id, **asked, **place}, (carried(photo, card, picture),), lost)


def _levels(quiet: float, shares: Sequence[float]) -> tuple[float, ...]:
    """Sparsities of all neurons; share 0 is the whole network."""
    shares = [fraction(one) for one in several("shares", shares, "[0, 0.5]")]
    return tuple(quiet + share * (1 - quiet) if share > 0 else 0.0 for share in shares)
