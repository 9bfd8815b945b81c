"""The figures of the lesson on Clever Hans: answers with and without a mark, and the share of maps on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.benchmarks.localisation import UNDEFINED, mass_inside
from pruneattr_core.datasets.shape_scenes import MARKED
from pruneattr_core.lessons.titles import method_title
from pruneattr_core.models import load_model, model_card, weights_hash
from pruneattr_core.scenes import SHAPES, Scene, scene

#: Where the stored figures lie; `perf/clever_hans.py` writes them.
FIGURES = ASSETS / "runs" / "lessons" / "clever-hans.json"
#: Networks of the lesson and how their training scenes were marked.
NETWORKS = {
    "scenes-tied": "every heart carried the mark, no other shape did",
    "scenes-free": "half of all shapes carried the mark, whatever they were",
}
#: How the scenes of a test are marked: (probability on a heart, on another shape).
MARKINGS = {"no scene marked": (0.0, 0.0), "hearts marked": (1.0, 0.0), "every scene marked": (1.0, 1.0)}
METHODS_SHOWN = (
    "prunegrad",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
    "occlusion",
    "edges",
    "random",
)
_BATCH = 50


def accuracy(network: str, series: int, count: int, marking: str) -> dict[str, float]:
    """Shares of right answers on scenes of a series, and how many of the other shapes are called hearts.

    Args:
        network: a key of `NETWORKS`.
        series: seed of the scenes.
        count: how many; the classes take turns.
        marking: a key of `MARKINGS`.
    """
    scenes = _scenes(series, range(count), marking)
    heart = SHAPES.index(MARKED)
    labels = np.array([one.labels[0] for one in scenes])
    model, prepared = load_model(network), _prepared(network, scenes)
    with torch.no_grad():
        answers = torch.cat([model(part).argmax(1) for part in prepared.split(_BATCH)]).numpy()
    right, hearts = answers == labels, labels == heart
    return {
        "all": float(right.mean()),
        "hearts": float(right[hearts].mean()),
        "other shapes": float(right[~hearts].mean()),
        "other shapes called heart": float((answers[~hearts] == heart).mean()),
    }


def mass_on_mark(network: str, series: int, count: int) -> dict[str, dict[str, float]]:
    """Of each method, the share of the map (sum of magnitudes) inside the box around the mark.

    Args:
        network: a key of `NETWORKS`.
        series: seed of the scenes.
        count: how many hearts, all of them marked; explained is the class heart.

    Returns:
        Method -> mean share, its standard error, and the share that a map without any preference would have.
        A method that does not fit the network is left out.
    """
    heart = SHAPES.index(MARKED)
    scenes = _scenes(series, [heart + len(SHAPES) * place for place in range(count)], "hearts marked")
    boxes = [_box(one) for one in scenes]
    model, prepared = load_model(network), _prepared(network, scenes)
    found = {}
    for name in METHODS_SHOWN:
        if METHODS[name].supports(model, prepared[:1]) is not None:
            continue
        values = torch.cat([explain(model, one, heart, name).values for one in prepared.split(1)])
        maps = values.abs().sum(1).double().numpy()
        shares = np.array([mass_inside(drawn, box) for drawn, box in zip(maps, boxes, strict=True)])
        shares = shares[~np.isnan(shares)]  # a map of zeros has no share
        found[name] = {
            "mean": float(shares.mean()) if len(shares) else UNDEFINED,
            "standard error": float(shares.std(ddof=1) / len(shares) ** 0.5) if len(shares) > 1 else 0.0,
            "n": len(shares),
            "share of the picture": float(np.mean([box.mean() for box in boxes])),
        }
    return found


def measure(series: int, scenes: int, hearts: int, note: Callable[[str], None]) -> dict[str, Any]:
    """All figures of the lesson, as JSON values; see `accuracy` and `mass_on_mark`."""
    networks: dict[str, Any] = {}
    for name, training in NETWORKS.items():
        note(name)
        networks[name] = {
            "trained": training,
            "weights": weights_hash(load_model(name)),
            "accuracy": {marking: accuracy(name, series, scenes, marking) for marking in MARKINGS},
            "mass on the mark": mass_on_mark(name, series, hearts),
        }
    return {"series": series, "scenes": scenes, "hearts": hearts, "networks": networks}


def stored() -> dict[str, Any]:
    """What `perf/clever_hans.py` has written."""
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return found


def tables(word: Callable[[str], str]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The stored figures as rows for readers: accuracy by marking, mass on the mark by method.

    Args:
        word: a text by its key, in the reader's language.
    """
    networks = stored()["networks"]
    right = [
        {
            word("hans_network"): word(f"hans_{name}"),
            word("hans_scenes"): word(f"hans_{marking}"),
            word("hans_all"): f"{found['all']:.1%}",
            word("hans_hearts"): f"{found['hearts']:.1%}",
            word("hans_others"): f"{found['other shapes called heart']:.1%}",
        }
        for name, one in networks.items()
        for marking, found in one["accuracy"].items()
    ]
    first = next(iter(networks.values()))["mass on the mark"]
    mass = []
    for method in first:
        row = {word("table_method"): method_title(method, word)}
        for name, one in networks.items():
            found = one["mass on the mark"][method]
            row[word(f"hans_{name}")] = f"{found['mean']:.1%} ± {found['standard error']:.1%}"
        mass.append(row)
    mass.append(
        {word("table_method"): word("hans_covers")}
        | {
            word(f"hans_{name}"): f"{one['mass on the mark']['random']['share of the picture']:.1%}"
            for name, one in networks.items()
        }
    )
    return right, mass


def _scenes(series: int, places: Sequence[int], marking: str) -> list[Scene]:
    return [scene(place, series, watermark=MARKED, watermark_rates=MARKINGS[marking]) for place in places]


def _prepared(network: str, scenes: Sequence[Scene]) -> Tensor:
    card = model_card(network)
    return torch.cat([card.preprocess(Image.fromarray(one.image)) for one in scenes])


def _box(drawn: Scene) -> np.ndarray:
    """Bool (H, W): the rectangle around the mark, which is made of strokes with gaps."""
    assert drawn.watermark is not None  # asked for with probability 1
    rows, columns = (np.flatnonzero(drawn.watermark.any(axis)) for axis in (1, 0))
    box = np.zeros(drawn.watermark.shape, bool)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box
