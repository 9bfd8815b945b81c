"""The Compare page's settings: what a link holds, presets, and which methods fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.paths.calibrate import OUTPUT_CHANGES
from pruneattr_core.render import COLOUR_MAPS
from pruneattr_core.render.look import CLIPS, COLLAPSES, SIGNS
from pruneattr_core.results.cells import CHEAP_PASSES, CURVES
from pruneattr_core.results.levels import START, STOPS
from pruneattr_core.results.numbers import KINDS
from pruneattr_core.share.entries import entry_of, in_order, parse_entries
from pruneattr_core.ui.state import Field, number, one_of, several_that

SCALES = {"own": "Each its own", "shared": "One for all"}
LAYOUTS = {"rows": "Methods as rows", "columns": "Methods as columns"}
ORDERS = {"table": "As in the table", **{name: kind.label for name, kind in KINDS.items()}}
GROUPS = {
    "ours": "Ours",
    "gradient": "Gradients",
    "class map": "Class maps",
    "relevance": "Relevance",
    "perturbation": "Perturbation",
    "control": "Controls",
}
#: Groups in the left column of the list.
LEFT = ("ours", "class map", "perturbation", "control")
_CLASS_MAPS = ("gradcam", "guided_gradcam", "layercam")
#: Methods that the noise tunnel may smooth: all that ask the network. It runs them ten times.
SMOOTHED = tuple(
    name for name, method in METHODS.items() if name != "noise_tunnel" and method.family != "control"
)
#: Pictures beside the sidebar's.
MORE = 5


def group_of(method: str) -> str:
    """Key of `GROUPS`."""
    return "class map" if method in _CLASS_MAPS else METHODS[method].family


@dataclass(frozen=True)
class Preset:
    """A set of entries behind one button."""

    title: str
    help: str
    methods: tuple[str, ...]


#: Figures 1 and 4 of PG2 and figure 5 of SCP: the methods they show side by side.
_PAPERS = (
    "saliency",
    "guided_backprop",
    "rectgrad",
    "gradcam",
    "integrated_gradients",
    "input_x_gradient",
    "prunegrad_mid",
    "input_mct",
    "input_intgrad",
    "prunegrad",
    "neuron_intgrad",
    "prunepgd",
)
_LEVELS = (0.0, 0.5, 0.7, 0.9, 0.95)
_SIDE_BY_SIDE = ("saliency", "gradcam", "edges")
PRESETS = {
    "papers": Preset(
        "The papers' figure",
        "What the figures of the papers show side by side.",
        tuple(name for name in METHODS if name in _PAPERS),
    ),
    "levels": Preset(
        "Level by level",
        "PruneGrad with 0, 50, 70, 90 and 95 % of all neurons removed, as PG2 fig. 2b shows it, and one that "
        "follows the slider.",
        in_order(("prunegrad", *(entry_of("prunegrad", {"sparsity": s}) for s in _LEVELS), *_SIDE_BY_SIDE)),
    ),
    "changes": Preset(
        "By output change",
        "PruneGrad where removing neurons first changes the response by more than 5, 10, 15, 20 and 30 %, as "
        "PG1 section 4.1 chooses it for each picture.",
        in_order(
            (*(entry_of("prunegrad", {"output_change": change}) for change in OUTPUT_CHANGES), *_SIDE_BY_SIDE)
        ),
    ),
    "perturbed": Preset(
        "Perturbation, level by level",
        "PrunePGD, the small change of the picture that a pruned network's answer likes most, with 0, 70, 90 "
        "and 95 % of all neurons removed: both steps of PG1, beside the gradient of the same network.",
        in_order(
            entry_of(method, {"sparsity": level})
            for method in ("prunegrad", "prunepgd")
            for level in (0.0, 0.7, 0.9, 0.95)
        ),
    ),
    "modes": Preset(
        "Zero beside freeze",
        "Removed neurons as 0, which changes later layers (PG2), beside constants, which keep the answer "
        "(SCP); both follow the slider.",
        in_order(("prunegrad", entry_of("prunegrad", {"mode": "freeze"}), *_SIDE_BY_SIDE)),
    ),
    "rankings": Preset(
        "Taylor beside integrated",
        "Neurons ranked by one gradient (NeuronMCT) beside an integral over the layer (NeuronIntGrad), as "
        "SCP compares them; both follow the slider.",
        in_order(("prunegrad", "neuron_intgrad", "input_mct", "input_intgrad", "saliency")),
    ),
    "fast": Preset(
        "Fast",
        f"Every method of at most {CHEAP_PASSES} passes.",
        tuple(name for name, method in METHODS.items() if method.cost() <= CHEAP_PASSES),
    ),
    "everything": Preset(
        "Everything", "The whole table; expensive methods wait for a second click.", tuple(METHODS)
    ),
}
FIRST = PRESETS["papers"].methods
#: Presets with a button in the row; the others stand behind "Figures".
FRONT = ("papers", "fast", "everything")


def by_layer(layers: Sequence[str], count: int = 4) -> Preset:
    """PruneGrad-Mid at `count` layers of a network spread over its depth, beside PruneGrad."""
    places = sorted({round(k * (len(layers) - 1) / (count - 1)) for k in range(count)})
    entries = (entry_of("prunegrad_mid", {"layer": layers[place]}) for place in places)
    return Preset(
        "Mid by layer",
        "PruneGrad-Mid at layers from early to late, as PG2 section 4.7 chooses one, beside PruneGrad; all "
        "follow the slider.",
        in_order(("prunegrad", *entries, *_SIDE_BY_SIDE)),
    )


def parse_more(text: str) -> tuple[int, ...]:
    """Comma-separated picture numbers, each once."""
    return tuple(dict.fromkeys(map(int, _beside(text, re.compile("[0-9]{1,7}").fullmatch))))


def _parse_uploads(text: str) -> tuple[str, ...]:
    """Hashes of uploads, each once."""
    return _beside(text, re.compile("[0-9a-f]{64}").fullmatch)


def _beside(text: str, fits: Callable[[str], Any]) -> tuple[str, ...]:
    """The pictures beside the sidebar's that a text names; none is said as nothing."""
    said = text.strip(",")
    named = several_that(said, lambda one: bool(fits(one))) if said else ()
    if len(named) > MORE:
        raise ValueError(text)
    return named


def _joined(values: tuple[object, ...]) -> str:
    return ",".join(map(str, values))


FIELDS = (
    Field("methods", FIRST, parse_entries, "the methods", _joined),
    Field("more", (), parse_more, "more pictures", _joined),
    Field("uploads", (), _parse_uploads, "more uploads", _joined),
    Field("grid_dial", "", one_of(STOPS), "the dial"),
    Field("prune", START, number(0, 1), "the sparsity", lambda value: f"{value:.6g}"),
    Field("layer", "", lambda text: text[:200], "the layer", part=True),
    Field("smooth", "saliency", one_of(SMOOTHED), "the smoothed method"),
    Field("reference", "prunegrad", one_of(METHODS), "the reference"),
    Field("order", "table", one_of(ORDERS), "the order"),
    Field("curve", "lerf", one_of(CURVES), "the removal curve"),
    Field("game", False, {"1": True, "0": False}.__getitem__, "the grid game", lambda on: str(int(on))),
    Field("fill", "mean", one_of(FILLS), "the fill"),
    Field("arrange", "rows", one_of(LAYOUTS), "the arrangement"),
    Field("grid_collapse", "signed_max", one_of(COLLAPSES), "the collapse"),
    Field("grid_sign", "signed", one_of(SIGNS), "the sign"),
    Field(
        "grid_clip",
        99.5,
        lambda text: CLIPS[CLIPS.index(float(text))],
        "the clip percentile",
        lambda v: f"{v:g}",
    ),
    Field("grid_scale", "own", one_of(SCALES), "the scale"),
    Field("grid_colours", "blue-orange", one_of(COLOUR_MAPS), "the colour map"),
)
