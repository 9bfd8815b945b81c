"""The Compare page's settings: what a link holds, presets, and which methods fit."""

from __future__ import annotations

from dataclasses import dataclass

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.render import COLOUR_MAPS
from pruneattr_core.render.look import CLIPS, COLLAPSES, SIGNS
from pruneattr_core.ui.compare.cells import CHEAP_PASSES, CURVES
from pruneattr_core.ui.compare.numbers import KINDS
from pruneattr_core.ui.state import Field, number, one_of, several_of

SCALES = {"own": "Each its own", "shared": "One for all"}
LAYOUTS = {"rows": "Methods as rows", "columns": "Methods as columns"}
ORDERS = {"table": "As in the table", **{name: kind.label for name, kind in KINDS.items()}}
FAMILIES = {
    "ours": "Ours",
    "control": "Controls",
    "gradient": "Gradients",
    "relevance": "Relevance",
    "perturbation": "Perturbation",
}
#: Families in the left column of the list.
LEFT = ("ours", "control", "perturbation")
#: Methods that the noise tunnel may smooth: all that ask the network. It runs them ten times.
SMOOTHED = tuple(
    name for name, method in METHODS.items() if name != "noise_tunnel" and method.family != "control"
)
#: Pictures beside the sidebar's.
MORE = 5
#: Sparsity of the methods that prune, before anybody chooses.
SPARSITY = 0.9


@dataclass(frozen=True)
class Preset:
    """A set of methods behind one button."""

    title: str
    help: str
    methods: tuple[str, ...]


#: Figures 1 and 4 of PG2 and figure 5 of SCP: the methods they show side by side.
_PAPERS = (
    "saliency",
    "guided_backprop",
    "rectgrad",
    "gradcam",
    "input_mct",
    "input_intgrad",
    "prunegrad",
    "neuron_intgrad",
    "prunepgd",
)
PRESETS = {
    "papers": Preset(
        "The papers' figure",
        "What the figures of the papers show side by side.",
        tuple(name for name in METHODS if name in _PAPERS),
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


def parse_methods(text: str) -> tuple[str, ...]:
    """Comma-separated names, in the table's order; ValueError for an unknown one."""
    asked = several_of(text, METHODS)
    return tuple(name for name in METHODS if name in asked)


def parse_more(text: str) -> tuple[int, ...]:
    """Comma-separated picture numbers, each once."""
    numbers = tuple(dict.fromkeys(int(part) for part in text.split(",") if part))
    if len(numbers) > MORE or any(not 0 <= place <= 10**7 for place in numbers):
        raise ValueError(text)
    return numbers


def _joined(values: tuple[object, ...]) -> str:
    return ",".join(map(str, values))


FIELDS = (
    Field("methods", FIRST, parse_methods, "the methods", _joined),
    Field("more", (), parse_more, "more pictures", _joined),
    Field("prune", SPARSITY, number(0, 0.999), "the sparsity", lambda value: f"{value:.6g}"),
    Field("layer", "", lambda text: text[:200], "the layer"),
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
    Field("grid_colours", "", one_of(COLOUR_MAPS), "the colour map"),
)
