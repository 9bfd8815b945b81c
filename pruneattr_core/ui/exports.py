"""What leaves the page: PNG, NPZ, JSON, Python; and the way back from a file to the view."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.models import ModelCard
from pruneattr_core.render import colour_table, colourise, png_bytes, read_provenance, scale_map
from pruneattr_core.render.look import Look
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Explained, Question
from pruneattr_core.runtime import provenance
from pruneattr_core.share.html import SETTINGS_LIMIT, settings_in
from pruneattr_core.share.payload import THINGS, planes_of, scales_of
from pruneattr_core.share.way_back import FORMAT, Carried, left_out, pictures_in, why_not
from pruneattr_core.ui.own_weights import loading_code
from pruneattr_core.ui.pictures import Picture

#: Pixels of the longer side of a panel in the exported PNG, at least.
_PANEL = 448
#: Characters of a setting: the names of all methods take some 300.
_LONGEST = 2000


def record(
    question: Question,
    sweep: Explained,
    look: Look,
    picture: Picture,
    card: ModelCard,
    level: int,
    view: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that made what is on screen, as plain JSON.

    Args:
        question: the computation.
        sweep: its result.
        look: how it is drawn.
        picture: the input.
        card: the model.
        level: index shown.
        view: the settings as in the address bar; what restores the view.
    """
    seen = sweep.maps if look.shared else sweep.maps[level : level + 1]
    scale = scales_of(planes_of(seen, look.collapse, look.sign), look)[level if look.shared else 0]
    return {
        "format": FORMAT,
        "view": dict(view),
        "model": {
            "id": card.id,
            "weights": card.weights,
            "weights_sha256": question.subject.weights,
            **card.origin,
            "input_size": list(card.size),
            "mean": list(card.mean),
            "std": list(card.std),
        },
        "picture": {
            "source": picture.source,
            "place": picture.place,
            "title": picture.title,
            "sha256": picture.sha256,
        },
        "target": {
            "index": sweep.target,
            "name": card.classes[sweep.target],
            "chosen": question.subject.target is not None,
            **({} if sweep.against is None else {"instead_of": card.classes[sweep.against]}),
            **({"mean_of": [card.classes[member] for member in sweep.members]} if sweep.members else {}),
        },
        "method": {
            "name": "PruneGrad",
            "mode": question.mode,
            "contribution": question.contribution,
            "unit": question.unit,
            "ties": "drop",
        },
        "look": {
            "collapse": look.collapse,
            "sign": look.sign,
            "clip_percentile": look.clip,
            "shared_scale": look.shared,
            "scale_end": scale.vmax,
            "colours": look.colours,
        },
        "levels_requested": list(sweep.requested),
        "level": level,
        "sparsity_requested": sweep.requested[level],
        "sparsity": float(sweep.sparsity[level]),
        "sparsity_of_contributing": float(sweep.contributing[level]),
        "equals_plain_gradient": sweep.plain[level],
        "neurons": sweep.neurons,
        "dead_share": sweep.dead,
        "zero_contribution_share": sweep.quiet,
        "zero_mode_answer": {
            "output_change": _finite(sweep.change[level]),
            "target_probability": float(sweep.probability[level]),
            "target_logit": float(sweep.logit[level]),
            "prediction": sweep.named(card.classes, int(sweep.prediction[level])),
        },
        "seconds": round(sweep.seconds, 3),
        "made_with": provenance(question.subject.device),
    }


def page_record(
    page: str, subject: Subject, card: ModelCard, picture: Picture, target: int, view: Mapping[str, str]
) -> dict[str, Any]:
    """What made the view of a page that is about one picture and class, as plain JSON.

    Args:
        page: its path in the address.
        subject: what is explained.
        card: the model.
        picture: the input.
        target: the class, predicted or chosen.
        view: the settings as in the address bar; what restores the view.
    """
    return {
        "format": FORMAT,
        "page": page,
        "view": dict(view),
        "model": {
            "id": card.id,
            "weights": card.weights,
            "weights_sha256": subject.weights,
            **card.origin,
        },
        "picture": {
            "source": picture.source,
            "place": picture.place,
            "title": picture.title,
            "sha256": picture.sha256,
        },
        "target": {"index": target, "name": card.classes[target], "chosen": subject.target is not None},
        "made_with": provenance(subject.device),
    }


def alone_record(page: str, view: Mapping[str, str], **made_of: Any) -> dict[str, Any]:
    """What made the view of a page that brings its own networks and pictures, as plain JSON.

    Args:
        page: its path in the address.
        view: see `page_record`.
        made_of: what the page read.
    """
    return {"format": FORMAT, "page": page, "view": dict(view), **made_of, "made_with": provenance()}


def picture_png(
    sweep: Explained, look: Look, photo: NDArray[np.uint8], level: int, settings: Mapping[str, Any]
) -> bytes:
    """Photo and map panels side by side, enlarged without smoothing, with `settings` inside the file."""
    planes = planes_of(sweep.maps, look.collapse, look.sign)
    scale = scales_of(planes, look)[level]
    table = colour_table(look.colours)
    panels = [photo, *(colourise(scale_map(plane, scale=scale), table) for plane in planes[level])]
    factor = max(1, -(-_PANEL // max(photo.shape[:2])))
    gap = np.full((photo.shape[0] * factor, 8, 3), 255, np.uint8)
    row: list[NDArray[np.uint8]] = []
    for panel in panels:
        row += [np.repeat(np.repeat(panel, factor, 0), factor, 1), gap]
    return png_bytes(np.concatenate(row[:-1], 1), settings)


def arrays_npz(
    sweep: Explained, look: Look, photo: NDArray[np.uint8], level: int, settings: Mapping[str, Any]
) -> bytes:
    """The arrays on screen; opens with `numpy.load(..., allow_pickle=False)`.

    Holds attribution (C, H, W), map (P, H, W) as drawn before colouring, picture (H, W, 3), the curve over
    all levels, and the settings as JSON text.
    """
    out = io.BytesIO()
    np.savez_compressed(
        out,
        attribution=sweep.maps[level],
        map=planes_of(sweep.maps[level : level + 1], look.collapse, look.sign)[0],
        picture=photo,
        sparsity=sweep.sparsity,
        output_change=sweep.change,
        target_probability=sweep.probability,
        target_logit=sweep.logit,
        prediction=sweep.prediction,
        settings=np.array(json.dumps(dict(settings))),
    )
    return out.getvalue()


def python_code(question: Question, sweep: Explained, look: Look, picture: Picture, level: int) -> str:
    """A few lines of Python for what is on screen: `attribution`, and the map drawn as `values`."""
    moved = "" if question.subject.device == "cpu" else f".to({question.subject.device!r})"
    source = (
        "datasets import load_dataset" if "load_dataset" in picture.code else "images import decode_image"
    )
    drawn = "attribution[0]" if look.collapse == "channels" else f"collapse(attribution, {look.collapse!r})"
    absolute = ".abs()" if look.sign == "absolute" else ""
    more, target = "", str(sweep.target)
    if sweep.against is not None:
        more, target = "difference, ", f"difference({sweep.target}, {sweep.against})"
    if sweep.members:
        more, target = "group, ", f"group({list(sweep.members)})"
    imports, scoring, scores = "", "", f"contribution={question.contribution!r}"
    counted = "of all neurons removed"
    if question.unit != "neuron":
        imports = "from pruneattr_core.attention import heads_shown\n"
        imports += "from pruneattr_core.circuits.units import unit_contributions\n"
        scoring = "model = heads_shown(model, inputs)\n"
        scoring += f"units = unit_contributions(model, inputs, {target}, {question.unit!r}, "
        scoring += f"{question.contribution!r})\n"
        scores, counted = "scores=units", f"of all {THINGS[question.unit]} removed"
    return f"""from pruneattr_core import PruneGrad, {more}load_model, model_card
{imports}from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.{source}

model = {loading_code(question.subject.model, question.subject.device)}
image = {picture.code}
inputs = model_card({question.subject.model!r}).preprocess(image){moved}
{scoring}levels = {list(sweep.requested)}
sweep = PruneGrad(model).sweep(
    inputs, {target}, levels, mode={question.mode!r}, {scores}
)
attribution = sweep.maps[{level}]  # {sweep.sparsity[level]:.4f} {counted}
values = {drawn}{absolute}.cpu().numpy()  # {_shape(sweep, look)}
"""


@dataclass(frozen=True)
class SavedView:
    """What a file of ours restores.

    Attributes:
        page: path of the page in the address, "" for the explorer.
        texts: its settings as in the address bar.
        pictures: what it is about, where the file brings it; the sidebar's first.
        left_out: what does not come back and why, sentences; "" where all of it does.
    """

    page: str
    texts: dict[str, str]
    pictures: tuple[Carried, ...] = ()
    left_out: str = ""


def read_view(name: str, data: bytes) -> SavedView | None:
    """The view saved in an HTML, PNG or JSON of ours; None for an ordinary picture.

    Raises:
        InputError: an HTML or JSON that is not a saved view.
        ImageError: not a readable picture.
    """
    saved: dict[str, Any] | None
    pictures: tuple[Carried, ...] = ()
    drawing = b"<svg" in data[:1000] and b"<html" not in data[:1000]
    if name.lower().endswith(".html") or (data[:1] == b"<" and not drawing):
        try:
            text = data.decode("utf-8", "replace")
            saved, pictures = settings_in(text), pictures_in(text)
        except StoreError as error:
            raise InputError(str(error)) from error
    elif name.lower().endswith(".json") or data[:1] == b"{":
        saved = _parse(data)
    else:
        saved = read_provenance(data, name)
        if saved is None:
            return None
    view = saved.get("view") if isinstance(saved, dict) and saved.get("format") == FORMAT else None
    if not isinstance(view, dict) or not all(
        isinstance(text, str) and len(text) <= _LONGEST for text in view.values()
    ):
        if why := why_not(saved):
            raise InputError(f"The view of this file cannot come back: {why}. Open the file in a browser.")
        raise InputError(
            "This file does not hold a view saved by PruneAttr. Use the HTML, JSON or PNG downloaded here."
        )
    page = saved.get("page", "")
    texts = {str(key): text for key, text in view.items()}
    return SavedView(page if isinstance(page, str) else "", texts, pictures, left_out(saved))


def _parse(data: bytes) -> Any:
    try:
        if len(data) > SETTINGS_LIMIT:
            raise ValueError("too long")
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("This JSON cannot be read. Use the JSON or PNG downloaded here.") from None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _shape(sweep: Explained, look: Look) -> str:
    channels, height, width = sweep.maps.shape[1:]
    return f"({channels if look.collapse == 'channels' else 1}, {height}, {width})"
