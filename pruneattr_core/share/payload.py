"""From a sweep to the bytes the scrubber draws."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.render import Scale, colour_table, describe_map, scale_map, scale_of
from pruneattr_core.render.look import COLLAPSES as RULES
from pruneattr_core.render.look import Look
from pruneattr_core.results.levels import positions, presets, silent_level, strip
from pruneattr_core.results.sweeps import Explained
from pruneattr_core.share.framing import framed, header_of, level_deltas
from pruneattr_core.share.words import percent

#: The explorer also draws one panel a channel.
COLLAPSES = {**RULES, "channels": "One map a channel"}
UNIT, LEAD = "logit per unit of normalised input", "difference of two logits per unit of normalised input"
MEAN = "mean of several logits per unit of normalised input"
#: What is counted, in the plural, by the unit of a question.
THINGS = {"neuron": "neurons", "channel": "channels and heads"}


def planes_of(maps: NDArray[Any], how: str, sign: str) -> NDArray[Any]:
    """Maps (K, C, H, W) -> what is drawn (K, P, H, W); P is C for "channels", else 1."""
    drawn = maps if how == "channels" else collapse(torch.from_numpy(maps.copy()), how).numpy()[:, None]
    return np.abs(drawn) if sign == "absolute" else drawn


def scales_of(planes: NDArray[Any], look: Look) -> list[Scale]:
    """One scale per level; the same object for all when shared."""
    if look.shared:
        return [scale_of(planes, look.signed, look.clip)] * len(planes)
    return [scale_of(level, look.signed, look.clip) for level in planes]


def pack(
    header: Mapping[str, Any], maps: NDArray[np.uint8], photo: NDArray[np.uint8], effort: int = 1
) -> bytes:
    """[uint32 header length][JSON header][zlib of maps, step by level][zlib of photo, step by pixel]."""
    more, blocks = packed(maps, photo, effort)
    return framed({**header, **more}, blocks)


def packed(
    maps: NDArray[np.uint8], photo: NDArray[np.uint8], effort: int = 1
) -> tuple[dict[str, int], tuple[bytes, bytes]]:
    """What `pack` adds to the header, and its blocks."""
    pixels = zlib.compress(level_deltas(maps).tobytes(), effort)
    seen = zlib.compress(level_deltas(photo.reshape(-1, photo.shape[-1])).tobytes(), effort)
    more = {} if photo.shape[-1] == 3 else {"photo_channels": photo.shape[-1]}
    return {"map_bytes": len(pixels), **more}, (pixels, seen)


def payload_of(
    sweep: Explained,
    photo: NDArray[np.uint8],
    look: Look,
    classes: Sequence[str],
    mode: str,
    calibrated: float | None,
    picture: str,
    of: str,
    start: Mapping[str, Any],
    complete: bool,
    shades: int | None = None,
) -> bytes:
    """Everything the scrubber needs to draw `sweep`.

    Args:
        sweep: the arrays.
        photo: (H, W, 3), exactly the pixels the network sees.
        look: how to draw.
        classes: names by index.
        mode: "zero" or "freeze".
        calibrated: sparsity of 15 % mean output change, if known.
        picture: what the picture is, for its text alternative.
        of: names the sweep, see `hand`.
        start: dial and share shown first, see `hand.start_of`.
        complete: whether no more levels will come.
        shades: of 256, that a file's maps keep, which is packed as small as it gets; None for the screen.
    """
    planes = planes_of(sweep.maps, look.collapse, look.sign)
    scales = scales_of(planes, look)
    codes = np.stack([scale_map(level, scale=scale) for level, scale in zip(planes, scales, strict=True)])
    if shades is not None and shades < 256:
        codes = coarse(codes, shades)
    sparsity, at = sweep.sparsity.tolist(), positions(sweep.sparsity.tolist(), sweep.quiet)
    change = np.minimum(np.nan_to_num(sweep.change, posinf=1e6), 1e6).tolist()
    contributing = sweep.shares("contributing")
    levels = [
        {
            "at": round(at[k], 5),
            "sparsity": sparsity[k],
            "contributing": contributing[k],
            "plain": sweep.plain[k],
            "change": change[k],
            "target_probability": float(sweep.probability[k]),
            "answer": int(sweep.prediction[k]),
            "scale": scales[k].vmax,
            "peak": float(np.abs(planes[k]).max()),
            "words": describe_map(planes[k].sum(0), look.signed),
        }
        for k in range(len(sparsity))
    ]
    named = {int(index) for index in sweep.prediction} | {sweep.target}
    header = {
        "of": of,
        "start": dict(start),
        "complete": complete,
        "planes": planes.shape[1],
        "plane_names": ["Map"] if planes.shape[1] == 1 else _channel_names(planes.shape[1]),
        "height": planes.shape[2],
        "width": planes.shape[3],
        "signed": look.signed,
        "shared_scale": look.shared,
        "lut": colour_table(look.colours).ravel().tolist(),
        "levels": levels,
        "quiet": sweep.quiet,
        "quiet_at": at[1] if sweep.quiet > 0.02 and len(at) > 1 else 0,
        "marks": [
            asdict(preset) for preset in presets(sparsity, sweep.quiet, change, calibrated, sweep.plain)
        ],
        "strip": strip(sparsity, sweep.quiet),
        "classes": {index: sweep.named(classes, index) for index in named},
        "target": sweep.target,
        **({"whose": sweep.whose(classes)} if sweep.members else {}),
        **({"valued": True} if sweep.valued else {}),
        "mode": mode,
        "neurons": sweep.neurons,
        **({} if sweep.unit == "neuron" else {"things": THINGS[sweep.unit]}),
        "picture": picture,
        "unit": MEAN if sweep.members else UNIT if sweep.against is None else LEAD,
        "note": _note(sweep, mode, scales, classes),
    }
    identity = hashlib.sha256(json.dumps(header).encode())
    identity.update(codes.tobytes())
    identity.update(photo.tobytes())
    return pack({"id": identity.hexdigest()[:16], **header}, codes, photo, 1 if shades is None else 9)


def coarse(codes: NDArray[np.uint8], shades: int) -> NDArray[np.uint8]:
    """Each code as the nearest of `shades` that lie evenly around the middle, 128, which stays."""
    step = 256 // shades
    return np.clip(np.round((codes.astype(np.int16) - 128) / step) * step + 128, 0, 255).astype(np.uint8)


def begun(payload: bytes, start: Mapping[str, Any]) -> bytes:
    """A payload of `payload_of` with another start, and an identity that says so.

    Args:
        payload: the bytes.
        start: see there.
    """
    header = header_of(payload)
    (length,) = struct.unpack_from("<I", payload)
    mark = hashlib.sha256(json.dumps([header["id"], dict(start)]).encode()).hexdigest()[:16]
    return framed({**header, "id": mark, "start": dict(start)}, [payload[4 + length :]])


def _channel_names(count: int) -> list[str]:
    return ["Red", "Green", "Blue"] if count == 3 else [f"Channel {i}" for i in range(count)]


def _note(sweep: Explained, mode: str, scales: Sequence[Scale], classes: Sequence[str]) -> str:
    parts = []
    if sweep.against is not None or sweep.members:
        kind = "the mean of their logits" if sweep.members else "the difference of the two logits"
        parts.append(f"Explained is {sweep.what(classes)}: {kind}.")
    if sweep.quiet > 0.02:
        level = silent_level(sweep.sparsity.tolist(), sweep.quiet)
        stays, moves = ", and no map changes inside the shade.", "; some are at work, so the map moves."
        shaded = percent(sweep.quiet).replace("\u202f", " ")
        parts.append(
            f"Shaded: {shaded} of the {sweep.neurons:,} {THINGS[sweep.unit]} contribute "
            "nothing to this answer, to first order. They go all at once"
            + ("." if level is None else stays if sweep.plain[level] else moves)
        )
    parts.extend(filter(None, (sweep.caveat, *sweep.problems)))
    if mode == "freeze":
        curve = "; the curve is that of removing them (mode zero)" if sweep.change.any() else ""
        parts.append(f"Freezing keeps the answer by construction{curve}.")
    if scales[0] is scales[-1] and scales[0].note:
        parts.append(scales[0].note)
    return " ".join(parts)
