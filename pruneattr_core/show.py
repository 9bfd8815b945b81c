"""One picture explained at every place of the dial: live in a notebook, or as a file that needs no server.

view = explain_view("efficientnet-lite0", image)
view                     # the last line of a notebook's cell: the explorer, draggable
view.save("cat.html")    # the same in one file
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.models import ModelCard, load_model, model_card, weights_hash
from pruneattr_core.paths.calibrated import calibrated_sparsity
from pruneattr_core.render import colour_table, colourise, overlay, png_bytes, scale_map
from pruneattr_core.render.look import Look
from pruneattr_core.runtime import provenance
from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.html import one_file
from pruneattr_core.share.widget import widget
from pruneattr_core.store import refuse_unwritable, write_atomically
from pruneattr_core.ui.levels import START, nearest, spaced
from pruneattr_core.ui.payload import payload_of, planes_of, scales_of
from pruneattr_core.ui.subject import Subject
from pruneattr_core.ui.sweeps import Explained, Question, explain_levels, score

Progress = Callable[[int, int], None]
#: What `View.save` writes, by the end of the file's name.
KINDS = (".html", ".png", ".npz", ".json")
_HEIGHT = 860


@dataclass(frozen=True, eq=False)
class View:
    """A sweep over the dial and everything needed to draw it.

    Attributes:
        sweep: maps (K, C, H, W) and answers at K levels.
        photo: uint8 (H, W, 3), the pixels that the network saw.
        card: of the network.
        settings: what made it: model, picture, target, mode, contribution, versions.
        level: index of the level shown first, and by formats that show one.
    """

    sweep: Explained
    photo: NDArray[np.uint8]
    card: ModelCard
    settings: Mapping[str, Any]
    level: int

    @property
    def title(self) -> str:
        """Network and answer in a few words."""
        return f"{self.card.title}: {self.card.classes[self.sweep.target]}"

    def payload(self) -> bytes:
        """What the explorer's component draws."""
        start = {"token": 0, "dial": "contributing", "at": float(self.sweep.contributing[self.level])}
        return payload_of(
            self.sweep, self.photo, Look(), self.card.classes, self.settings["mode"],
            self.settings["calibrated"], str(self.settings["picture"]), "view", start, True,
        )  # fmt: skip

    def html(self) -> str:
        """The explorer in one page that asks nothing of anybody."""
        return one_file(SCRUBBER, self.payload(), self.title, self.settings)

    def widget(self) -> Any:
        """The explorer as an `anywidget`; its trait `chosen` holds where the hand let go."""
        return widget(SCRUBBER, self.payload())

    def png(self) -> bytes:
        """Picture, map and overlay at `level`, with the settings inside the file."""
        look = Look()
        planes = planes_of(self.sweep.maps[self.level : self.level + 1], look.collapse, look.sign)
        (scale,) = scales_of(planes, look)
        drawn = colourise(scale_map(planes[0, 0], scale=scale), colour_table(look.colours))
        gap = np.full((len(self.photo), 6, 3), 255, np.uint8)
        row = [self.photo, gap, drawn, gap, overlay(self.photo, drawn, 0.6)]
        return png_bytes(np.concatenate(row, 1), {**self.settings, **self.numbers()})

    def numbers(self) -> dict[str, Any]:
        """What the pruned network answers at `level`."""
        sweep, k = self.sweep, self.level
        return {
            "sparsity": float(sweep.sparsity[k]),
            "sparsity_of_contributing": float(sweep.contributing[k]),
            "plain_gradient": bool(sweep.sparsity[k] <= sweep.quiet + 1e-6),
            "output_change": float(sweep.change[k]),
            "probability": float(sweep.probability[k]),
            "answer": sweep.named(self.card.classes, int(sweep.prediction[k])),
        }

    def save(self, file: str | Path) -> Path:
        """Write the view as .html, .png, .npz or .json, whole or not at all.

        Raises:
            InputError: another ending.
            StoreError: the file cannot be written.
        """
        path = Path(file)
        makers: dict[str, Callable[[], bytes]] = {
            ".html": lambda: self.html().encode(),
            ".png": self.png,
            ".npz": self._npz,
            ".json": lambda: json.dumps({**self.settings, **self.numbers()}, indent=1).encode(),
        }
        if path.suffix.lower() not in makers:
            raise InputError(f"Expected a file ending in {', '.join(KINDS)}, got {path.name!r}.")
        write_atomically(path, makers[path.suffix.lower()]())
        return path

    def _npz(self) -> bytes:
        sweep, out = self.sweep, io.BytesIO()
        np.savez_compressed(
            out, attribution=sweep.maps, picture=self.photo, sparsity=sweep.sparsity,
            sparsity_of_contributing=sweep.contributing, output_change=sweep.change,
            probability=sweep.probability, prediction=sweep.prediction,
            settings=np.array(json.dumps(dict(self.settings))),
        )  # fmt: skip
        return out.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Live in a notebook and in one that was exported; a picture where scripts do not run."""
        page = html.escape(self.html(), quote=True)
        frame = (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="width:100%;height:{_HEIGHT}px;border:0">'
        )
        return {
            "text/plain": f"View({self.title})",
            "image/png": base64.b64encode(self.png()).decode(),
            "text/html": f"{frame}</iframe>",
        }


def explain_view(
    model: str,
    image: Image.Image,
    target: int | None = None,
    *,
    sparsity: float = START,
    of: str = "contributing",
    mode: str = "zero",
    contribution: str = "taylor",
    picture: str = "a picture",
    device: str = "cpu",
    progress: Progress | None = None,
) -> View:
    """Explain one picture at some thirty places of the dial.

    Args:
        model: a name of `list_models`, or path/to/file.py:build.
        image: as `PIL.Image.open` or `decode_image` give it.
        target: class index; None for the predicted one.
        sparsity: level shown first.
        of: what it is a share of: "contributing" or "all" neurons.
        mode: "zero" or "freeze".
        contribution: see `contributions`.
        picture: what it is, for titles and text alternatives.
        device: cpu, cuda or mps.
        progress: called with (maps done, maps in all).

    Raises:
        InputError: an argument out of range.
        ModelError: the network is not here, or cannot be explained.
    """
    if not 0 <= sparsity <= 1 or of not in ("contributing", "all"):
        raise InputError(
            f'Expected sparsity in [0, 1] of "contributing" or "all", got {sparsity!r} of {of!r}.'
        )
    network, card = load_model(model, device), model_card(model)
    inputs, weights = card.preprocess(image).to(device), weights_hash(network)
    calibrated = calibrated_sparsity(weights)
    question = Question(Subject(model, weights, "", target, device), mode, contribution, calibrated)
    scored = score(network, inputs, question)
    levels = spaced(scored.quiet, calibrated)
    sweep = explain_levels(network, inputs, question, scored, levels, progress or (lambda done, total: None))
    wanted = scored.quiet + sparsity * (1 - scored.quiet) if of == "contributing" else sparsity
    settings = {
        "picture": picture,
        "model": card.id,
        "weights_sha256": weights,
        "target": sweep.target,
        "target_name": card.classes[sweep.target],
        "mode": mode,
        "contribution": contribution,
        "calibrated": calibrated,
        "neurons": sweep.neurons,
        "silent_share": round(sweep.quiet, 6),
        "versions": provenance(device),
    }
    level = 0 if sparsity == 0 else nearest(sweep.sparsity.tolist(), wanted)
    return View(sweep, np.asarray(card.display(image)), card, settings, level)


def check_out(file: Path) -> None:
    """Refuse what `View.save` could not write, before anything is computed.

    Raises:
        InputError: an ending that is none of `KINDS`.
        StoreError: the place cannot be written.
    """
    if file.suffix.lower() not in KINDS:
        raise InputError(f"Expected a file ending in {', '.join(KINDS)}, got {file.name!r}.")
    if file.is_dir():
        raise StoreError(f"{file} is a folder. Give a file.")
    refuse_unwritable(file)
