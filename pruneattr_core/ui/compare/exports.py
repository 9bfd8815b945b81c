"""What leaves the Compare page: every setting, all arrays, and the Python."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.response import Response
from pruneattr_core.results.cells import CURVES, Curve, Game
from pruneattr_core.results.keys import Mapped
from pruneattr_core.runtime import provenance
from pruneattr_core.share.entries import method_of
from pruneattr_core.share.grid import Grid
from pruneattr_core.share.panels import panel_title
from pruneattr_core.share.way_back import FORMAT
from pruneattr_core.ui.compare.plan import Plan
from pruneattr_core.ui.jobs import Cache
from pruneattr_core.ui.own_weights import loading_code


def record(plan: Plan, grid: Grid, shelf: Cache, view: Mapping[str, str]) -> dict[str, Any]:
    """Everything that made the grid, as plain JSON; `view` restores it."""
    results: list[dict[str, Any]] = []
    classes: dict[str, None] = {}
    for picture in plan.pictures:
        for method in plan.options:
            found = None if method in plan.blocked else shelf.get(plan.map_key(picture, method))
            if not isinstance(found, Mapped):
                continue
            curve = shelf.get(plan.curve_key(plan.map_key(picture, method)))
            classes[plan.card.classes[found.target]] = None
            asked = plan.game_key(picture, method)
            game = None if asked is None else shelf.get(asked)
            results.append(
                {
                    "method": method_of(method),
                    "options": dict(plan.options[method]),
                    "picture": picture.sha256,
                    "target": found.target,
                    "seconds": round(found.seconds, 4),
                    "curve_area": curve.area if isinstance(curve, Curve) else None,
                    "grid_share": game.share if isinstance(game, Game) else None,
                    "grid_rivals": list(game.rivals) if isinstance(game, Game) else None,
                }
            )
    look = plan.look
    return {
        "format": FORMAT,
        "page": "compare",
        "view": dict(view),
        "model": {
            "id": plan.card.id,
            "weights": plan.card.weights,
            "weights_sha256": plan.weights,
            **plan.card.origin,
            "input_size": list(plan.card.size),
        },
        "pictures": [
            {"source": p.source, "place": p.place, "title": p.title, "sha256": p.sha256}
            for p in plan.pictures
        ],
        "target": plan.target,
        "explained": list(classes),
        **({"contrast": plan.against} if plan.against else {}),
        "methods": [panel_title(head) for head in grid.methods],
        "look": {
            "collapse": look.collapse,
            "sign": look.sign,
            "clip_percentile": look.clip,
            "shared_scale": look.shared,
            "colours": look.colours,
        },
        "reference": plan.reference,
        "curve": {"kind": plan.curve, "title": CURVES[plan.curve].title, "fill": plan.fill},
        "results": results,
        "made_with": provenance(plan.device),
    }


def arrays_npz(plan: Plan, grid: Grid, shelf: Cache, settings: Mapping[str, Any]) -> bytes:
    """All arrays; opens with `numpy.load(..., allow_pickle=False)`.

    `<entry>/<i>/attribution` (C, H, W) and `<entry>/<i>/map` (H, W) for picture i, `<entry>/<i>/curve`
    (2, K) as fractions and values, `picture/<i>` (H, W, 3), `mask/<i>` where there is one, and the settings
    as JSON text.
    """
    arrays: dict[str, NDArray[Any]] = {"settings": np.array(json.dumps(dict(settings)))}
    for i, picture in enumerate(plan.pictures):
        arrays[f"picture/{i}"] = grid.photos[i]
        mask = plan.masks[i]
        if mask is not None:
            arrays[f"mask/{i}"] = mask
        for method in plan.options:
            found, shown, curve = plan.find(shelf, picture, method)
            if isinstance(found, Mapped) and shown is not None:
                arrays[f"{method}/{i}/attribution"] = found.attribution
                arrays[f"{method}/{i}/map"] = shown
            if isinstance(curve, Curve):
                arrays[f"{method}/{i}/curve"] = np.array([curve.fractions, curve.values])
    out = io.BytesIO()
    # Keyword names with slashes are fine in an archive, but not for type checkers.
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def python_code(plan: Plan) -> str:
    """At most 15 lines that compute `attributions` and `maps`, dicts by (entry, number of the picture)."""
    moved = "" if plan.device == "cpu" else f".to({plan.device!r})"
    uploaded = "load_dataset" not in plan.pictures[0].code
    source = "images import decode_image" if uploaded else "datasets import load_dataset"
    code = [picture.code for picture in plan.pictures]
    options = {
        name: (method_of(name), dict(pairs))
        for name, pairs in plan.options.items()
        if name not in plan.blocked
    }
    target, more, asked = str(plan.target), "", plan.asked
    if isinstance(asked, Response):
        classes = asked.target and list(asked.target)
        other = asked.against and asked.against[0]
        named = classes if asked.kind == "group" else f"{plan.target}, {other}"
        target, more = f"{asked.kind}({named})", f"{asked.kind}, "
    finish = {"signed": "", "positive": ".clamp(min=0)", "absolute": ".abs()"}[plan.look.sign]
    return f"""from pruneattr_core import {more}load_model, model_card
from pruneattr_core.attribution import explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.{source}

model, card = {loading_code(plan.card.id, plan.device)}, model_card({plan.card.id!r})
images = [{", ".join(code)}]
methods = {_laid_out(options)}
attributions, maps = {{}}, {{}}
for i, image in enumerate(images):
    inputs = card.preprocess(image){moved}
    for name, (method, options) in methods.items():
        attributions[name, i] = explain(model, inputs, {target}, method, **options).values
        maps[name, i] = collapse(attributions[name, i], {plan.look.collapse!r}){finish}[0].cpu().numpy()
"""


def _laid_out(options: Mapping[str, tuple[str, Mapping[str, Any]]]) -> str:
    return "{" + ", ".join(f"{name!r}: {pair!r}" for name, pair in options.items()) + "}"
