"""From untrusted bytes to an RGB picture: checked before decoding, one sentence per failure."""

from __future__ import annotations

import hashlib
import io
import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from pruneattr_core.errors import ImageError
from pruneattr_core.importing import one_at_a_time

MAX_PIXELS = 60_000_000
#: Larger ones are decoded at a half, a third, ... of either side, whichever is the first to fit, ...
WHOLE_PIXELS = 16_000_000
#: ... in so many bytes; JPEG, whose decoder reduces the picture itself, has most room.
MAX_DECODED = 196_000_000
#: Mode -> bytes of a pixel once decoded; 4 in all others.
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
#: Kinds whose decoders hold several copies -> bytes of a pixel in all of them, measured.
_COPIES = {"WEBP": 16, "AVIF": 8}
#: ... and how many of these are given back before the picture is reduced, so that reducing takes no more.
_GIVEN_BACK = {"WEBP": 4}
#: Pixels that are converted at a time.
_STRIP = 250_000
#: Passes over the picture that a JPEG may ask for: a progressive one has some ten, 4,000 fit into 67 kB.
MAX_SCANS = 64
#: Pieces that a PNG or the head of a JPEG may have: readers make an object, or a text, of each.
MAX_PIECES = 20_000
MAX_BYTES = 100_000_000
#: Longest side over shortest side; beyond it, resizing the short side to 224 would need gigabytes.
MAX_ASPECT = 40

_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
)
#: Of TIFF's dialects those that cameras and microscopes write; libtiff reads more than strangers need.
_TIFF = (None, "raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg")
#: Kinds of AVIF and of HEIC, as bytes 8 to 11 name them.
_AVIF, _HEIC = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
FORMATS = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
#: Numbers of bits that sensors give; grey in a wider file fills the smallest one that holds it.
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
_WITH_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
#: TIFF's tags for the sides of a tile; JPEG's first byte of a marker, and the marker of pixels.
_TILE, _MARKER, _SCAN = (322, 323), 0xFF, 0xDA
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


def picture_bytes(file: Path) -> bytes:
    """What a file holds, up to one byte more than a picture may: a device or a pipe may have no end.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as data:
        return data.read(MAX_BYTES + 1)


def decode_image(data: bytes, name: str = "") -> Image.Image:
    """Decode a picture that may come from anybody.

    Type and size are read from the bytes (the name is used in messages only), and checked before any
    pixel is decoded. Animations give their first frame, the camera's orientation tag is applied,
    transparency lies on white, CMYK is converted. Grey of more than 8 bits is scaled from the smallest of
    10, 12, 14, 16, ... bits that holds its largest value to 0..255, rounded. Above `WHOLE_PIXELS` the
    picture is reduced while it is decoded. Colour profiles are ignored, as torchvision ignores them.

    Args:
        data: the file's bytes; of `FORMATS`, or HEIC where pillow-heif is installed; at most `MAX_PIXELS`.
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

    For most pictures the first 64 kB of the file are enough, not for WebP, AVIF and TIFF.

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
        raise ImageError(f"{_called(name)} has more than {MAX_BYTES / 1e6:.0f} MB: make it smaller.")
    reader = _reader(data, name)
    # Inside the compressed pixels 0xFF never stands before 0xDA, so this counts the scans before any is read.
    scans = data.count(b"\xff\xda") if reader is JpegImagePlugin.JpegImageFile else 0
    if scans > MAX_SCANS:
        raise ImageError(
            f"{_called(name)} is a JPEG of {scans} scans, the limit is {MAX_SCANS}: save it again as an "
            "ordinary JPEG."
        )
    pieces = _pieces(data, reader)
    if pieces > MAX_PIECES:
        raise ImageError(
            f"{_called(name)} has more than {MAX_PIECES:,} pieces: save it again as an ordinary picture."
        )
    # The reader is called directly: Image.open would turn a huge size into a warning, or an error without it.
    try:
        image = reader(io.BytesIO(data), "")
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{_called(name)} has more than {MAX_PIXELS / 1e6:.0f} megapixels: make it smaller and try again."
        ) from error
    except Exception as error:  # Pillow's readers raise anything from SyntaxError to KeyError on bad bytes
        raise _damaged(name) from error
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.info.get("compression") not in _TIFF:
        raise ImageError(
            f"{_called(name)} is a TIFF compressed as {image.info['compression']!s:.20}: save it with LZW or "
            "deflate, or as PNG."
        )
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{_called(name)} has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels), "
            f"the limit is {MAX_PIXELS / 1e6:.0f}: make it smaller and try again."
        )
    if not _factor(image):
        raise ImageError(
            f"{_called(name)} has {width} x {height} pixels, more than can be decoded as {image.format} in "
            f"{MAX_DECODED / 1e6:.0f} MB: make it smaller, or save it as an ordinary JPEG."
        )
    if min(width, height) < 1 or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{_called(name)} has {width} x {height} pixels, a shape of more than {MAX_ASPECT} to 1: "
            "crop it and try again."
        )
    return image


def _pieces(data: bytes, reader: type[ImageFile.ImageFile]) -> int:
    """Chunks of a PNG, segments of a JPEG up to its pixels; counted up to one more than are accepted."""
    found = 0
    if reader is PngImagePlugin.PngImageFile:
        place = 8
        while place + 12 <= len(data) and found <= MAX_PIECES:
            place += 12 + int.from_bytes(data[place : place + 4])
            found += 1
    elif reader is JpegImagePlugin.JpegImageFile:
        place = 2
        while place + 4 <= len(data) and data[place + 1] != _SCAN and found <= MAX_PIECES:
            filled = data[place] != _MARKER or data[place + 1] in (0, _MARKER)  # readers pass over these
            place += 1 if filled else 2 + int.from_bytes(data[place + 2 : place + 4])
            found += 1
    return found


def _decoded(image: ImageFile.ImageFile, name: str) -> Image.Image:
    try:
        if image.mode == "F":
            raise ImageError(f"{_called(name)} holds fractional numbers: save it with 8 or 16 bits a pixel.")
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
        factor = _factor(image)
        if factor > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(image.mode, (-(-image.width // factor), -(-image.height // factor)))
            factor = 1
        image.load()
        small = _plain(image, factor)
        image.close()
        return small if turn is None else small.transpose(turn)
    except ImageError:
        raise
    except Exception as error:  # see above
        raise _damaged(name) from error


def _factor(image: ImageFile.ImageFile) -> int:
    """The smallest whole k for which 1/k of either side fits `WHOLE_PIXELS` and `MAX_DECODED`; 0 for none."""
    pixels, jpeg = image.width * image.height, isinstance(image, JpegImagePlugin.JpegImageFile)
    decoder = _coefficients(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else _copies(image)
    free = pixels * _GIVEN_BACK.get(image.format or "", 0)
    for k in (1, 2, 4, 8) if jpeg else range(1, 33):  # a JPEG's decoder halves
        small = 4 * pixels // k**2
        most = small + max(decoder, small) if jpeg else max(decoder, decoder - free + small)
        if small <= 4 * WHOLE_PIXELS and most <= MAX_DECODED:
            return k
    return 0


def _copies(image: ImageFile.ImageFile) -> int:
    """Bytes that the decoder of a picture holds."""
    each = _COPIES.get(image.format or "", _BYTES.get(image.mode, 4))
    rows = image.height
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.width * rows * each
    # A strip, which may be all of it, or a tile, which may be more, is unpacked first.
    strip, *tile = (image.tag_v2.get(tag) for tag in (TiffImagePlugin.ROWSPERSTRIP, *_TILE))
    sides = [side for side in tile if isinstance(side, int) and side > 0]
    if len(sides) == len(_TILE):
        return image.width * rows * each + math.prod(sides) * 4
    rows += min(rows, strip) if isinstance(strip, int) and strip > 0 else rows
    return image.width * rows * each


def _coefficients(image: JpegImagePlugin.JpegImageFile) -> int:
    """Bytes of a progressive JPEG's coefficients: two for every sample, kept until the last scan has come."""
    if not image.info.get("progressive"):
        return 0
    channels = [across * down for _, across, down, _ in image.layer]
    return 2 * image.width * image.height * sum(channels) // max([*channels, 1])


def _plain(image: Image.Image, factor: int) -> Image.Image:
    """In RGB, on white, at 1/factor of either side; a few rows at a time, so that no second copy is held."""
    width, height = image.size
    plain = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _STRIP // (width * factor))
    strips = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    deep = image.mode.startswith("I")
    most = max(np.asarray(image.crop(strip)).max() for strip in strips) if deep else 0
    depth = next(bits for bits in _DEPTHS if most < 2**bits)
    for strip in strips:
        part = image.crop(strip)
        if deep:
            grey = np.asarray(part).astype(np.float64).clip(min=0)
            part = Image.fromarray((grey * (255 / (2**depth - 1)) + 0.5).astype(np.uint8))
        if part.mode in _WITH_ALPHA or "transparency" in part.info:
            clear = part.convert("RGBA")
            part = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        part = part.convert("RGB")
        plain.paste(part.reduce(factor) if factor > 1 else part, (0, strip[1] // factor))
    return plain


def _reader(data: bytes, name: str) -> type[ImageFile.ImageFile]:
    """What reads a file that begins like this one.

    Raises:
        ImageError: nothing here does.
    """
    for magic, reader in _READERS:
        if data.startswith(magic):
            return reader
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in _AVIF and features.check("avif"):
        return AvifImagePlugin.AvifImageFile
    if brand in _HEIC:
        if find_spec("pillow_heif") is None:
            raise ImageError(
                f"{_called(name)} is a HEIC picture, which needs a decoder: pip install pillow-heif, or save "
                "it as JPEG."
            )
        with one_at_a_time:
            heif: type[ImageFile.ImageFile] = import_module("pillow_heif").HeifImageFile
        return heif
    raise ImageError(f"{_called(name)} is not a picture we can read: save it as {FORMATS} and try again.")


def _called(name: str) -> str:
    if not name:
        return "The picture"
    return f"The picture {name if len(name) <= 60 else name[:57] + '...'!r}"


def _damaged(name: str) -> ImageError:
    return ImageError(f"{_called(name)} is damaged or incomplete: save or download it again.")
