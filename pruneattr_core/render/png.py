"""PNG files that carry what made them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.images import check_image

_KEY = "pruneattr"


def png_bytes(pixels: NDArray[np.uint8], metadata: Mapping[str, Any] | None = None) -> bytes:
    """Encode pixels (H, W, 3) or (H, W) without loss, with `metadata` as JSON in a text field.

    Equal input gives equal bytes.

    Raises:
        InputError: the pixels are not uint8 of such a shape, or the metadata is not plain JSON.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise InputError(f"Expected uint8 pixels (H, W, 3) or (H, W), got {pixels.dtype} {pixels.shape}.")
    info = PngImagePlugin.PngInfo()
    if metadata is not None:
        try:
            text = json.dumps(dict(metadata), allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise InputError(f"The metadata must be plain JSON without NaN: {error}.") from error
        info.add_itxt(_KEY, text, zip=True)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def read_provenance(data: bytes, name: str = "") -> dict[str, Any] | None:
    """The metadata that `png_bytes` put into a PNG; None where there is none. No pixel is decoded.

    Raises:
        ImageError: the bytes are no picture we can read, or the field is damaged.
    """
    check_image(data, name)
    if not data.startswith(b"\x89PNG"):
        return None
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        text = image.info.get(_KEY)
    if text is None:
        return None
    try:
        record = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ImageError("The settings inside this PNG are damaged: export the view again.")
    return record
