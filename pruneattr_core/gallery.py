"""A folder for any static host: explained pictures with live sliders; a page that explains in the browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from pruneattr_core import __version__
from pruneattr_core.assets import ASSETS
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.given import check_progress
from pruneattr_core.models import load_model, model_card
from pruneattr_core.render import colour_table
from pruneattr_core.render.look import Look
from pruneattr_core.share.onnx_graphs import onnx_graphs
from pruneattr_core.show import View, explain_view
from pruneattr_core.store import refuse_unwritable, write_atomically

#: ONNX Runtime for browsers, of npm: what is fetched while the gallery is built, and what of it is used.
RUNTIME = "onnxruntime-web@1.30.0"
_RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
#: Networks that run in the browser -> the pictures that stand ready there for each: data set, places.
IN_BROWSER = {
    "scenes-net": ("scenes", range(6)),
    "resnet8-cifar10": ("samples", (3, 2, 5)),
    "scenes-tied": ("scenes-marked", range(6)),
    "scenes-free": ("scenes-marked", range(6)),
}
#: What an index of ours holds.
_MARK = '<meta name="generator" content="PruneAttr '
#: Picture and map of a gallery's tile are this wide together.
_TILE = 456

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Exhibit:
    """A picture of the gallery: which network looks at it."""

    model: str
    data: str
    place: int


def exhibits(count: int) -> list[Exhibit]:
    """The first `count`: photographs seen by EfficientNet-Lite0 where it is installed, then shape scenes."""
    photographs = model_card("efficientnet-lite0").available_offline()
    shown = range(len(load_dataset("samples"))) if photographs else range(0)
    found = [Exhibit("efficientnet-lite0", "samples", place) for place in shown][:count]
    return found + [Exhibit("scenes-net", "scenes", place) for place in range(count - len(found))]


def build_gallery(out: Path, count: int = 30, browser: bool = True, progress: Progress | None = None) -> Path:
    """Write the gallery; what is there of it already stays, so a stopped build goes on.

    Args:
        out: folder, made if it is not there.
        count: number of pictures, >= 1.
        browser: whether to add the page on which networks run; needs npm, once, and the package onnx.
        progress: called with (pictures done, pictures in all, name of the next); may raise to stop.

    Raises:
        InputError: no picture is asked for, or the folder holds other things than a gallery.
        PruneAttrError: npm or onnx is missing, or the runtime cannot be fetched.
        StoreError: the folder cannot be written.
    """
    check_progress(progress)
    if count < 1:
        raise InputError(f"Expected at least one picture, got {count!r}.")
    _refuse_foreign(out)
    refuse_unwritable(out / "index.html")
    shown, items = exhibits(count), []
    if browser:
        if progress is not None:
            progress(0, len(shown), "the page in the browser")
        browser_page(out / "browser")
    for done, exhibit in enumerate(shown):
        sample = load_dataset(exhibit.data)[exhibit.place]
        if progress is not None:
            progress(done, len(shown), sample.name)
        stem = f"pictures/{exhibit.model}-{exhibit.data}-{exhibit.place}"
        page, tile, about = (out / f"{stem}.{kind}" for kind in ("html", "jpg", "txt"))
        if not about.is_file():  # written last
            view = explain_view(exhibit.model, sample.image, picture=sample.name)
            view.save(page)
            _tile(view, tile)
            write_atomically(about, view.title.encode())
        title = escape(about.read_text("utf-8"))
        items.append(
            f'<li><a href="{stem}.html"><img src="{stem}.jpg" alt="" loading="lazy">'
            f"{title}<br><small>{escape(sample.name)}</small></a></li>"
        )
    if progress is not None:
        progress(len(shown), len(shown), "")
    link = '<p><a href="browser/">Drop a picture of your own</a>: network and method run in the browser.</p>'
    template = Template((ASSETS / "gallery" / "gallery.html").read_text("utf-8"))
    text = template.substitute(version=__version__, items="\n".join(items), further=link if browser else "")
    write_atomically(out / "index.html", text.encode())
    return out / "index.html"


def _refuse_foreign(out: Path) -> None:
    """Raise InputError for a folder that something else fills: its index would be written over."""
    there = {one.name for one in out.iterdir()} if out.is_dir() else set()
    if there and not there & {"index.html", "pictures", "browser"}:
        raise InputError(
            f"{str(out)!r} holds other things, such as {min(there)!r}: name a folder of its own."
        )
    index = out / "index.html"
    if index.is_file() and _MARK not in index.read_text("utf-8", errors="replace"):
        raise InputError(f"{str(index)!r} is no gallery's: name a folder of its own.")


def _tile(view: View, file: Path) -> None:
    """Picture and map of a view, small."""
    (photo, drawn, _), _ = view.panels()
    gap = np.full((len(photo.pixels), 6, 3), 255, np.uint8)
    pair = Image.fromarray(np.concatenate([photo.pixels, gap, drawn.pixels], 1))
    pair = pair.resize((_TILE, round(_TILE * pair.height / pair.width)))
    out = BytesIO()
    pair.save(out, "JPEG", quality=85)
    write_atomically(file, out.getvalue())


def browser_page(folder: Path) -> None:
    """Write the page on which networks run, with what it needs beside it; see `build_gallery`."""
    networks = []
    for name, (data, places) in IN_BROWSER.items():
        card = model_card(name)
        blank = card.preprocess(Image.new("RGB", (card.size[1], card.size[0])))
        graphs = onnx_graphs(load_model(name), blank)
        files = {"scores": f"{name}-scores.onnx", "map": f"{name}-map.onnx"}
        write_atomically(folder / files["scores"], graphs.scores)
        write_atomically(folder / files["map"], graphs.map)
        lut = colour_table(Look().colours).ravel().tolist()
        examples = [_example(folder, name, data, place) for place in places]
        networks.append(
            {
                "id": name, "title": card.title, "classes": card.classes, "height": card.size[0],
                "width": card.size[1], "mean": card.mean, "std": card.std, "lut": lut, "note": card.note,
                "examples": examples, "neurons": graphs.neurons, **files,
            }
        )  # fmt: skip
    about = json.dumps({"networks": networks})
    write_atomically(folder / "networks.json", about.encode())
    for name, to in (("browser.html", "index.html"), ("browser.js", "browser.js")):
        write_atomically(folder / to, (ASSETS / "gallery" / name).read_bytes())
    if not all((folder / name).is_file() for name in _RUNTIME_FILES):
        _fetch_runtime(folder)


def _example(folder: Path, model: str, data: str, place: int) -> dict[str, str]:
    """Write a picture as the network sees it: a browser would shrink it by another rule."""
    sample, file = load_dataset(data)[place], f"{model}-{data}-{place}.png"
    out = BytesIO()
    Image.fromarray(model_card(model).display(sample.image)).save(out, "PNG")
    write_atomically(folder / file, out.getvalue())
    return {"title": sample.name, "file": file}


def _fetch_runtime(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PruneAttrError(
            f"npm is needed once to fetch {RUNTIME}: install it, or leave that page out (--no-browser)."
        )
    with TemporaryDirectory() as scratch:
        done = subprocess.run(
            [npm, "pack", "--silent", RUNTIME], cwd=scratch, capture_output=True, text=True, check=False
        )
        packed = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not packed:
            said = " ".join(done.stderr.split())[-300:] or f"exit status {done.returncode}"
            raise PruneAttrError(
                f"npm could not fetch {RUNTIME}, which needs a network once ({said}): try again, or leave "
                "that page out (--no-browser)."
            )
        with tarfile.open(packed[0]) as archive:
            for name in _RUNTIME_FILES:
                held = archive.extractfile(f"package/dist/{name}")
                if held is None:
                    raise PruneAttrError(f"{RUNTIME} holds no {name}.")
                write_atomically(folder / name, held.read())
