"""Several methods on the same pictures, side by side and by numbers: Compare without the app."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.arrays import as_numpy
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.localisation import check_mask
from pruneattr_core.benchmarks.maps import fitting, method_from
from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS
from pruneattr_core.brief import brief
from pruneattr_core.chance import chance_kept
from pruneattr_core.checks import check_inputs
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.given import check_progress, check_truth, several
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.models import ModelCard, weights_hash
from pruneattr_core.render import colour_table, colourise, describe_map, scale_map
from pruneattr_core.render.figure import Panel
from pruneattr_core.render.look import Look
from pruneattr_core.response import Target
from pruneattr_core.results.cells import CURVES, drawn
from pruneattr_core.results.levels import DIALS, START
from pruneattr_core.results.numbers import KINDS, Numbers, written
from pruneattr_core.runtime import provenance
from pruneattr_core.share.component import GRID, Component
from pruneattr_core.share.entries import way_back
from pruneattr_core.share.grid import Cell, Grid, grid_payload, scales_for
from pruneattr_core.share.live import Live
from pruneattr_core.share.measured import Entry, measured, with_likeness
from pruneattr_core.share.panels import grid_panels
from pruneattr_core.share.photo import answers_in_words, check_card, photo_of, question_of
from pruneattr_core.share.way_back import WayBack, noted
from pruneattr_core.share.words import sized
from pruneattr_core.values import Attribution

Progress = Callable[[int, int, str], None]
#: Methods of at most a few passes, with the two controls that a map must beat.
DEFAULT = ("prunegrad", "saliency", "input_x_gradient", "guided_backprop", "gradcam", "edges", "random")
#: What Spearman and SSIM compare with.
REFERENCE = "saliency"
_LOOK = Look()


@dataclass(frozen=True, eq=False)
class Comparison(Live):
    """What `compare` found.

    Attributes:
        entries: one a method, as asked for.
        photos: uint8 (H, W, 3) per picture, what the network saw.
        titles: of the pictures.
        answers: name of the explained class per picture.
        title: network and methods in a few words.
        settings: what made it; JSON values.
        back: see `Live`.

    Example:
        >>> model = pruneattr_core.load_model("resnet8-cifar10")
        >>> found = pruneattr_core.compare(model, torch.rand(1, 3, 32, 32), ["saliency"], curves=False)
        >>> found["saliency"].values.shape
        torch.Size([1, 3, 32, 32])
    """

    component: ClassVar[Component] = GRID
    height: ClassVar[int] = 900

    entries: tuple[Entry, ...]
    photos: tuple[NDArray[np.uint8], ...]
    titles: tuple[str, ...]
    answers: tuple[str, ...]
    title: str
    settings: Mapping[str, Any]
    back: WayBack | None = None

    __repr__ = brief

    def __getitem__(self, label: str) -> Attribution:
        """The maps of a method, by its key or label; the first one where a method stands several times."""
        for entry in self.entries:
            if label in (entry.label, entry.method):
                return entry.found
        raise InputError(
            f"Expected one of {', '.join(entry.label for entry in self.entries)}; got {label!r}."
        )

    def table(self) -> list[dict[str, Any]]:
        """A row a method: means over the pictures of every number that exists, None where none does."""
        rows = []
        for entry in self.entries:
            row: dict[str, Any] = {"method": entry.label}
            for name in KINDS:
                values = [getattr(one, name) for one in entry.numbers]
                known = [float(value) for value in values if math.isfinite(value)]
                row[name] = sum(known) / len(known) if known else None
            rows.append({name: value for name, value in row.items() if name != "game"})
        return rows

    def numbers(self) -> dict[str, Any]:
        """The table."""
        return {"results": self.table()}

    def payload(self) -> bytes:
        """What Compare's component draws."""
        return grid_payload(self._grid(), _LOOK)

    def pictures(self, j: int = 0) -> list[tuple[str, NDArray[np.uint8], str]]:
        """Of one picture, a method's label, its map in colours (H, W, 3), and that in words."""
        grid, table, found = self._grid(), colour_table(_LOOK.colours), []
        scales = scales_for(grid, _LOOK)
        for i, entry in enumerate(self.entries):
            shown = grid.cells[i * len(self.photos) + j].shown
            if shown is not None:
                pixels = colourise(scale_map(shown, scale=scales[i, j]), table)
                found.append((entry.label, pixels, describe_map(shown, _LOOK.signed)))
        return found

    def panels(self) -> tuple[list[Panel], int]:
        """A row a picture: the picture, then its maps in order."""
        return grid_panels(self._grid(), _LOOK)

    def npz(self) -> bytes:
        """`<i>/attribution` (B, C, H, W) of method i, picture/<j> (H, W, 3), the settings and the table."""
        arrays: dict[str, NDArray[Any]] = {
            f"{i}/attribution": as_numpy(entry.found.values) for i, entry in enumerate(self.entries)
        }
        arrays |= {f"picture/{j}": photo for j, photo in enumerate(self.photos)}
        out = io.BytesIO()
        text = json.dumps({**self.settings, **self.numbers()})
        np.savez_compressed(out, settings=np.array(text), **arrays)  # type: ignore[arg-type]
        return out.getvalue()

    def _grid(self) -> Grid:
        kind = CURVES["lerf"]
        cells = []
        for i, entry in enumerate(self.entries):
            for j in range(len(self.photos)):
                shown = drawn(
                    entry.found.values[j].detach().float().cpu().numpy(), _LOOK.collapse, _LOOK.sign
                )
                rows = written(entry.numbers[j], [name for name in KINDS if name != "area"])
                curve = None
                if entry.curves:
                    area = entry.numbers[j].area
                    y = [0.0, *(round(min(value, 9.0), 4) for value in entry.curves[j])]
                    curve = {"y": y, "text": sized(area, 3)}
                track = entry.tracks[j] if entry.tracks else None
                cells.append(Cell(i, j, "ready", "", shown, rows, curve, "", track))
        moved = any(entry.tracks for entry in self.entries)
        return Grid(
            methods=[_head(i, entry) for i, entry in enumerate(self.entries)],
            images=[
                {"title": title, "answer": f"Explained: {answer}", "covered": ""}
                for title, answer in zip(self.titles, self.answers, strict=True)
            ],
            photos=self.photos,
            cells=cells,
            curve={
                "x": [0.0, *LERF_FRACTIONS], "title": kind.title, "short": kind.short,
                "across": kind.across, "up": kind.up,
            },
            layout="rows",
            complete=True,
            of="comparison",
            dial=(DIALS[0], START) if moved else None,
            start={"token": 0, "dial": DIALS[0], "share": START},
        )  # fmt: skip


@chance_kept()
def compare(
    model: nn.Module,
    inputs: Tensor,
    methods: Sequence[str] | None = None,
    target: Target = None,
    *,
    card: ModelCard | None = None,
    titles: Sequence[str] | None = None,
    masks: Sequence[NDArray[np.bool_] | None] | None = None,
    curves: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Maps of several methods with their numbers, as the app's page Compare shows them.

    Args:
        model: network in eval mode.
        inputs: normalised batch (B, C, H, W).
        methods: keys of `METHODS`, with options as "prunegrad:sparsity=0.9,mode=freeze"; None for those of
            `DEFAULT` that fit the network.
        target: as `explain` takes it.
        card: of the network: names of the classes, and the pictures before normalisation.
        titles: of the pictures.
        masks: per picture where the object is, bool (H, W), or None.
        curves: whether pixels are removed, least relevant first (21 more passes a map), of classes only.
        progress: called with (methods done, methods in all, label of the next); may raise to stop.

    Raises:
        InputError: an unknown method or option, titles or masks that do not match the inputs.
        ModelError: a method named here does not fit the network.

    Example:
        >>> from pruneattr_core import compare, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> card = model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[0].image)
        >>> found = compare(load_model("scenes-net"), inputs, ["saliency", "edges"], card=card, curves=False)
        >>> [row["method"] for row in found.table()]
        ['Gradient (saliency)', 'Edge detector']
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    if inputs.ndim != 4:
        raise InputError(
            f"Expected pictures (B, C, H, W), got {tuple(inputs.shape)}: `explain` makes maps of those."
        )
    check_card(card)
    check_truth("curves", curves)
    given = several(
        "methods", fitting(model, inputs, DEFAULT)[0] if methods is None else methods, "['edges']"
    )
    if not given:
        raise InputError("Expected at least one method.")
    plans, count = [method_from(text) for text in given], len(inputs)
    titles = None if titles is None else several("titles", titles, "['a cat']")
    masks = None if masks is None else several("masks", masks, "[None]")
    for name, values in (("titles", titles), ("masks", masks)):
        if values is not None and len(values) != count:
            raise InputError(f"Expected {name} for {count} inputs, got {len(values)}.")
    if titles is not None and not all(isinstance(one, str) for one in titles):
        raise ArgumentTypeError(f"Expected titles as texts, got {titles!r}.")
    for mask in masks or ():
        if mask is not None:
            check_mask(mask, inputs.shape[2:])
    with one_at_a_time:
        import_module("captum.attr")  # else its loading would count as the time of the first that needs it
    entries: list[Entry] = []
    for done, (text, plan) in enumerate(zip(given, plans, strict=True)):
        if progress is not None:
            progress(done, len(plans), plan["label"])
        entries.append(measured(model, inputs, text, plan, target, masks, curves))
    if progress is not None:
        progress(len(plans), len(plans), "")
    entries = with_likeness(entries, REFERENCE)
    first = entries[0].found
    settings = {
        "model": "a network" if card is None else card.id,
        "weights_sha256": weights_hash(model),
        **({} if card is None else card.origin),
        "pictures": list(titles or _numbered(count)),
        "targets": first.target.tolist(),
        "methods": given,
        "reference": REFERENCE,
        "curve": "LeRF area over 1 to 10 % of the pixels" if curves and question_of(first).linear else None,
        "versions": provenance(inputs.device.type),
    }
    photos, titled = tuple(photo_of(one, card) for one in inputs), tuple(titles or _numbered(count))
    back = card and way_back(card, photos, target, given, plans, titled, REFERENCE, int(first.target[0]))
    return Comparison(
        tuple(entries),
        photos,
        titled,
        answers_in_words(question_of(first), card),
        f"{'A network' if card is None else card.title}: {len(entries)} methods",
        settings,
        noted(settings, back or "network"),
    )


def attribution_view(found: Attribution, card: ModelCard | None = None) -> Comparison:
    """Maps that are there already, beside their pictures; behind `Attribution.show`.

    Args:
        found: of `explain`.
        card: see `compare`.

    Raises:
        InputError: the inputs are no pictures.
    """
    check_card(card)
    if found.inputs is None:
        raise InputError("This attribution holds no inputs: only those that `explain` returns can be shown.")
    title, count = METHODS[found.method].title, len(found.values)
    settings = {
        "model": "a network" if card is None else card.id, "method": found.method, **found.settings,
        "targets": found.target.tolist(), "versions": provenance(found.inputs.device.type),
    }  # fmt: skip
    entry = Entry(found.method, title, "", found, (Numbers(),) * count)
    answers = answers_in_words(question_of(found), card)
    photos = tuple(photo_of(one, card) for one in found.inputs)
    return Comparison((entry,), photos, _numbered(count), answers, title, settings)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"Picture {i}" for i in range(count))


def _head(place: int, entry: Entry) -> dict[str, Any]:
    method = METHODS[entry.method]
    badge = ["follows the slider"] if entry.tracks else []
    return {
        "name": f"{entry.method}~{place}", "method": f"{entry.method}~{place}", "title": method.title,
        "badge": ", ".join([*badge, *([entry.said] if entry.said else [])]), "settings": entry.said,
        "note": method.note, "citation": method.citation, "mean": "",
    }  # fmt: skip
