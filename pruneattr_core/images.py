"""From untrusted bytes to an RGB picture: checked before decoding, one sentence per failure."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from pruneattr_core.errors import ImageError

MAX_PIXELS = 25_000_000
MAX_BYTES = 100_000_000
#: Longest side over shortest side; beyond it, resizing the short side to 224 would need gigabytes.
MAX_ASPECT = 40

# TIFF is left out on purpose: libtiff reads too many dialects to be offered to strangers.
_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
)
FORMATS = "PNG, JPEG, WebP, GIF or BMP"
_WITH_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_ORIENTATION = 0x0112  # the EXIF tag; its values name the turn that makes the picture upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def image_hash(data: bytes) -> str:
    """SHA-256 of the bytes as given, in hexadecimal: a picture's identity in links, caches and exports."""
    return hashlib.sha256(data).hexdigest()


def decode_image(data: bytes, name: str = "") -> Image.Image:
    """Decode a picture that may come from anybody.

    Type and size are read from the bytes (the name is used in messages only), and checked before any
    pixel is decoded. Animations give their first frame, the camera's orientation tag is applied,
    transparency lies on white, 16-bit grey is scaled (v/257, rounded), CMYK is converted. Colour
    profiles are ignored, as torchvision ignores them.

    Args:
        data: the file's bytes; PNG, JPEG, WebP, GIF or BMP, at most `MAX_PIXELS` pixels.
        name: how to call the picture in an error.

    Returns:
        An RGB picture without metadata.

    Raises:
        ImageError: one sentence that says what is wrong and what to do.
    """
    with _opened(data, name) as image:
        return _decoded(image, name)


def decode_mask(data: bytes, name: str = "") -> NDArray[np.bool_]:
    """Decode a picture of class indices as a mask: True (H, W) wherever the index, or grey value, is not 0.

    Raises:
        ImageError: as `decode_image`, or the picture has more than one channel.
    """
    with _opened(data, name) as image:
        if image.mode not in ("1", "L", "P", "I;16"):
            raise ImageError(
                f"{_called(name)} has mode {image.mode}, but a mask has one channel: save it as grey."
            )
        try:
            return np.asarray(image).astype(np.bool_)
        except Exception as error:
            raise _damaged(name) from error


def check_image(data: bytes, name: str = "") -> tuple[int, int]:
    """Width and height as the header states them, after every check that needs no decoding.

    For most pictures the first 64 kB of the file are enough, not for WebP.

    Raises:
        ImageError: as `decode_image`, except for damage behind the header.
    """
    with _opened(data, name) as image:
        return image.size


def _opened(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture with its header read and its size checked, but no pixel decoded."""
    if not data:
        raise ImageError(f"{_called(name)} is empty (0 bytes): choose another file or save it again.")
    if len(data) > MAX_BYTES:
        megabytes = f"{len(data) / 1e6:.0f} MB, the limit is {MAX_BYTES / 1e6:.0f} MB"
        raise ImageError(f"{_called(name)} has {megabytes}: make it smaller.")
    reader = next((reader for magic, reader in _READERS if data.startswith(magic)), None)
    if reader is None:
        raise ImageError(f"{_called(name)} is not a picture we can read: save it as {FORMATS} and try again.")
    # The reader is called directly: Image.open would turn a huge size into a warning, or an error without it.
    try:
        image = reader(io.BytesIO(data), "")
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{_called(name)} has more than {MAX_PIXELS / 1e6:.0f} megapixels: make it smaller and try again."
        ) from error
    except Exception as error:  # Pillow's readers raise anything from SyntaxError to KeyError on bad bytes
        raise _damaged(name) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{_called(name)} has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels), "
            f"the limit is {MAX_PIXELS / 1e6:.0f}: make it smaller and try again."
        )
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{_called(name)} has {width} x {height} pixels, a shape of more than {MAX_ASPECT} to 1: "
            "crop it and try again."
        )
    return image


def _decoded(image: ImageFile.ImageFile, name: str) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
        image.load()
        upright = image if turn is None else image.transpose(turn)
        if upright.mode.startswith("I"):
            deep = np.asarray(upright).astype(np.uint32)
            upright = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
        if upright.mode in _WITH_ALPHA or "transparency" in upright.info:
            clear = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        rgb = upright.convert("RGB")
    except Exception as error:  # see above
        raise _damaged(name) from error
    rgb.info = {}
    return rgb


def _called(name: str) -> str:
    if not name:
        return "The picture"
    return f"The picture {name if len(name) <= 60 else name[:57] + '...'!r}"


def _damaged(name: str) -> ImageError:
    return ImageError(f"{_called(name)} is damaged or incomplete: save or download it again.")
