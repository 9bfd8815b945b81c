"""Files that strangers could send, read one by one: foreign exceptions, and the memory they take.

    python -m perf.hostile                      all kinds, a line each
    python -m perf.hostile pictures --n 300

Weights are those of tests/unit/test_hostile_weights.py. Pictures: whole ones as large as is accepted, in
every mode, then seeded damage to small ones. Archives: runs and paths with seeded damage, lies about their
sizes, and headers changed and sealed anew. Views: HTML, JSON and PNG saved by the app, likewise. Each file is
read in a process of its own; its memory is the most that it held beyond what it began with. Exit status 1
where an exception is not one of ours, or more than 200 MB were taken. Linux only.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import io
import json
import os
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run, run_from_zip, zip_run
from pruneattr_core.critical_path import Path as Kept
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.images import MAX_PIXELS, decode_image
from pruneattr_core.models import load_model
from pruneattr_core.render.png import png_bytes
from pruneattr_core.runs.stored import _json, _seal
from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.html import one_file
from pruneattr_core.share.way_back import FORMAT
from pruneattr_core.ui.exports import read_view
from pruneattr_core.ui.paths.files import path_bytes, path_from_bytes

#: Bytes beyond which a file takes too much.
BAR = 200_000_000
#: What stands instead of a value of a header.
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e300, 10**30, "", "x" * 5000, "<b>", "\x00", [], {}, [[[]]], {"a": {"b": []}},
    float("nan"),
)  # fmt: skip
Reader = Callable[[bytes], object]


class Told(NamedTuple):
    """What became of a file: the sentence or exception, whether it is one of ours, bytes, seconds."""

    said: str
    ours: bool
    taken: int
    seconds: float


def resident(name: str) -> int:
    """Bytes of this process in memory now (VmRSS) or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) << 10


def read_alone(read: Reader, data: bytes) -> Told:
    """Read a file in a process of its own."""
    out, into = os.pipe()
    process = os.fork()
    if process == 0:
        said, ours = "", True
        try:
            os.close(out)
            ctypes.CDLL(None).malloc_trim(0)  # else what making the file has freed would serve for reading it
            Path("/proc/self/clear_refs").write_text("5", "ascii")
            before, start = resident("VmRSS"), time.monotonic()
            warnings.simplefilter("ignore")
            try:
                read(data)
            except PruneAttrError as error:
                said, ours = str(error), "\n" not in str(error)
            except BaseException as error:  # whatever it is, that is what is looked for
                said, ours = f"{type(error).__name__}: {error}"[:200], False
            told = Told(said, ours, resident("VmHWM") - before, time.monotonic() - start)
            os.write(into, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(process, 0)
    return Told(*json.loads(answer)) if answer else Told(f"died with {status}", False, 0, 0.0)


def damaged(good: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut off, doubled or taken out."""
    bad, kind = bytearray(good), rng.randrange(4)
    place, length = rng.randrange(len(bad)), rng.randrange(1, 40)
    if kind == 0:
        for _ in range(rng.randrange(1, 8)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
    elif kind == 1:
        del bad[place:]
    elif kind == 2:
        bad[place:place] = bad[place : place + length]
    else:
        del bad[place : place + length]
    return bytes(bad)


def drawn(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pictures(n: int, rng: random.Random) -> Iterator[tuple[str, bytes, Reader]]:
    """The largest of every mode, then damage."""
    sizes = {"JPEG": 60e6, "WEBP": 13e6, "AVIF": 16e6}
    large: list[tuple[str, str, dict[str, Any]]] = [
        *((mode, "PNG", {}) for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")),
        *(
            (mode, "TIFF", {"compression": "tiff_adobe_deflate"})
            for mode in ("L", "RGB", "RGBA", "I;16", "I")
        ),
        ("RGB", "TIFF", {"compression": "tiff_lzw", "tiffinfo": {278: 10**5}}),
        *(("P", "GIF", {}), ("L", "JPEG", {}), ("RGB", "JPEG", {}), ("RGB", "JPEG", {"progressive": True})),
        ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
        ("CMYK", "JPEG", {"progressive": True}),
        *((mode, "WEBP", {"lossless": True, "method": 0}) for mode in ("RGB", "RGBA")),
        ("RGB", "AVIF", {"speed": 10}),
    ]
    for mode, kind, options in large[:n]:
        most = sizes.get(kind, MAX_PIXELS if mode in "1LP" else 40e6)
        for share in (1.0, 0.5):
            size = 4000, int(share * most) // 4000
            yield (
                " ".join([f"{size[0]} x {size[1]} {mode} {kind}", *map(str, options.values())]),
                drawn(Image.new(mode, size), kind, **options),
                decode_image,
            )
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    small = [
        drawn(Image.fromarray(pixels).convert(mode), kind, **options)
        for mode, kind, options in (
            ("RGB", "PNG", {}), ("P", "PNG", {}), ("RGBA", "PNG", {}), ("RGB", "JPEG", {"progressive": True}),
            ("CMYK", "JPEG", {}), ("RGB", "WEBP", {}), ("P", "GIF", {}), ("RGB", "BMP", {}), ("1", "BMP", {}),
            ("RGB", "TIFF", {"compression": "tiff_lzw"}), ("L", "TIFF", {}), ("RGB", "AVIF", {}),
        )
    ]  # fmt: skip
    for number in range(n - 2 * len(large)):
        yield f"damage {number}", damaged(small[number % len(small)], rng), decode_image


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a piece of JSON."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*at, key)
        yield from places(one, (*at, key))


def changed(value: Any, rng: random.Random) -> Any:
    """A piece of JSON with something odd at one place, or without it."""
    found = copy.deepcopy(value)
    *way, last = rng.choice(list(places(found)))
    parent = found
    for key in way:
        parent = parent[key]
    if rng.random() < 0.2:
        del parent[last]
    else:
        parent[last] = rng.choice(ODD)
    return found


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def newer(data: bytes) -> bytes:
    """A zip whose first entry wants a reader of version 9.9."""
    place = data.index(b"PK\x01\x02")
    return data[: place + 6] + b"\x63" + data[place + 7 :]


def a_run() -> Run:
    """A small run."""
    plan = Plan(
        "pixels", {"fill": "mean", "ties": "raster"},
        ({"id": "saliency", "label": "A", "options": {}}, {"id": "b", "label": "B", "options": {"seed": 5}}),
        ("lerf", "morf"), (0.1, 0.2, 0.4), {"id": "m", "title": "M", "weights_sha256": "0" * 64},
        {"id": "d", "title": "D", "sha256": "1" * 64, "seed": 0, "indices": [1, 4], "names": ["p", "q"]},
        1, {"torch": "1"},
    )  # fmt: skip
    values = np.random.default_rng(0).random(plan.shape)
    return Run(
        plan, values, {0: drawn(Image.new("RGB", (8, 8)), "PNG")}, {"seconds": 1.5, "date": "2026-01-01"}
    )


def sealed_anew(run: Run, rng: random.Random) -> bytes:
    """A run whose header says something odd, with the hash that belongs to it."""
    files = run.stored().files()
    header = changed(json.loads(files["header.json"]), rng)
    header["sha256"] = _seal(header)
    return packed({**files, "header.json": _json(header)})


def archives(n: int, rng: random.Random) -> Iterator[tuple[str, bytes, Reader]]:
    """Runs and paths."""
    run, like = a_run(), [torch.zeros(1, 4, 6, 6), torch.zeros(1, 10)]
    path = Kept(("a", "b"), tuple(torch.ones_like(one).bool() for one in like), {"model": "m"})
    good, way = zip_run(run), path_bytes(path, {"note": "n"})
    files = run.stored().files()

    def read_path(data: bytes) -> object:
        return path_from_bytes(data, "p.npz", ["a", "b"], like)

    lists = b'{"a": [' + b"{}," * (10 << 20) + b"{}]}"
    named = [
        ("header of lists", packed({**files, "header.json": lists}), run_from_zip),
        ("timing of lists", packed({**files, "timing.json": lists}), run_from_zip),
        ("values of zeros", packed({**files, "values.npy": bytes(200 << 20)}), run_from_zip),
        ("table of zeros", packed({**files, "points.csv": bytes(200 << 20)}), run_from_zip),
        ("path of zeros", packed({"header.npy": bytes(200 << 20)}), read_path),
        ("version 99", newer(good), run_from_zip),
        ("path of version 99", newer(way), read_path),
        ("path, bad name", way.replace(b"header.npy", b"h\xff\xfeder.npy"), read_path),
    ]
    yield from named[:n]
    for number in range(n - len(named)):
        kind = number % 4
        if kind < 2:
            yield f"sealed anew {number}", sealed_anew(run, rng), run_from_zip
        elif kind == 2:
            yield f"run, damage {number}", damaged(good, rng), run_from_zip
        else:
            yield f"path, damage {number}", damaged(way, rng), read_path


def views(n: int, rng: random.Random) -> Iterator[tuple[str, bytes, Reader]]:
    """What the sidebar's door takes besides pictures."""
    saved = {
        "format": FORMAT,
        "page": "paths",
        "view": {"at": "0.8", "mode": "zero"},
        "steps": [1, {"a": 2.5}],
    }
    lists = b'{"a": [' + b"{}," * (10 << 20) + b"{}]}"
    page = one_file(SCRUBBER, b"0123", "A title", saved).encode()
    picture = png_bytes(np.zeros((8, 8, 3), np.uint8), saved)
    inside = json.dumps(saved).encode()
    named = [
        (
            "page with lists",
            page[: page.index(b'{"')] + lists + b"</script>",
            lambda d: read_view("a.html", d),
        ),
        ("text of lists", lists, lambda d: read_view("a.json", d)),
        ("text of depth", b"[" * 10**6, lambda d: read_view("a.json", d)),
    ]
    yield from named[:n]
    for number in range(n - len(named)):
        odd = json.dumps(changed(saved, rng)).encode()
        name, data = (
            ("a.json", odd),
            ("a.json", damaged(inside, rng)),
            ("a.html", damaged(page, rng)),
            ("a.png", damaged(picture, rng)),
            ("a.html", one_file(SCRUBBER, b"0123", "A title", json.loads(odd)).encode()),
        )[number % 5]
        yield f"{name} {number}", data, lambda given, name=name: read_view(name, given)


def weights(n: int, rng: random.Random) -> Iterator[tuple[str, bytes, Reader]]:
    """Those of the tests."""
    from tests.unit.test_hostile_weights import HOSTILE, NET

    def read(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weights.pth"
            file.write_bytes(data)
            return load_model(NET, weights=file)

    for name in list(HOSTILE)[:n]:
        yield name, HOSTILE[name][0](), read


KINDS = {
    "weights": (weights, 10**6),
    "pictures": (pictures, 300),
    "archives": (archives, 100),
    "views": (views, 100),
}


def main() -> int:
    """Read all, report the worst."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)} (default all)")
    parser.add_argument("--n", type=int, help="files of a kind")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default 0)")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"Expected {', '.join(KINDS)}, got {', '.join(sorted(unknown))}.")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    good = True
    for kind in options.kinds or KINDS:
        make, usual = KINDS[kind]
        found = {
            name: read_alone(read, data)
            for name, data, read in make(options.n or usual, random.Random(options.seed))
        }
        foreign = {name: told.said for name, told in found.items() if not told.ours}
        worst = max(found, key=lambda name: found[name].taken)
        slow = max(found, key=lambda name: found[name].seconds)
        refused = sum(bool(told.said) for told in found.values())
        print(
            f"{kind}: {len(found)} files, {refused} refused, {len(foreign)} foreign exceptions; most memory "
            f"{found[worst].taken / 1e6:.0f} MB ({worst}), longest {found[slow].seconds:.1f} s ({slow})",
            flush=True,
        )
        for name, said in foreign.items():
            print(f"  foreign: {name}: {said}")
        for name, told in found.items():
            if told.taken > BAR:
                print(f"  {told.taken / 1e6:.0f} MB: {name}")
        good &= not foreign and found[worst].taken <= BAR
    return not good


if __name__ == "__main__":
    sys.exit(main())
