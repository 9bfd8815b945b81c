"""Hostile and unusual pictures: each is decoded exactly, or refused in one sentence."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import time
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pruneattr_core import images
from pruneattr_core.commands.looking import read_photo
from pruneattr_core.datasets.folder import FolderDataset
from pruneattr_core.errors import ImageError
from pruneattr_core.images import MAX_PIXELS, check_image, decode_image, decode_mask, image_hash


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(*shape: int, high: int = 256, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def hollow_png(width: int, height: int) -> bytes:
    """A PNG of any size on paper, whose pixels are a few compressed kilobytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(2_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def refusal(data: bytes, name: str = "cat.png") -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, name)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 200
    return text


def test_rgb_is_exact():
    pixels = noise(7, 9, 3)
    image = decode_image(encoded(Image.fromarray(pixels)))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_formats(kind):
    image = decode_image(encoded(Image.new("RGB", (20, 10), (10, 200, 30)), kind))
    assert image.size == (20, 10)
    assert np.abs(np.asarray(image).astype(int) - (10, 200, 30)).max() <= 3


def test_same_bytes_same_pixels_and_hash():
    data = encoded(Image.fromarray(noise(40, 40, 3)), "JPEG")
    assert decode_image(data).tobytes() == decode_image(data, "other name").tobytes()
    assert image_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = np.array([[0, 128, 257], [32768, 65407, 65535]], np.uint16)
    image = np.asarray(decode_image(encoded(Image.fromarray(deep))))
    assert image[..., 0].tolist() == [[0, 0, 1], [128, 255, 255]]
    assert (image == image[..., :1]).all()


def test_cmyk():
    image = decode_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = np.asarray(image)[8, 8].astype(int)
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    assert np.asarray(decode_image(encoded(image.convert(mode))))[0, :, 0].tolist() == [255, 0]


def test_palette_with_transparency_lies_on_white():
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    for x in range(3):
        image.putpixel((x, 0), x)
    pixels = np.asarray(decode_image(encoded(image, transparency=0)))
    assert pixels[0].tolist() == [[255, 255, 255], [255, 0, 0], [0, 0, 255]]


def test_grey_bilevel_and_one_pixel():
    assert np.asarray(decode_image(encoded(Image.new("L", (1, 1), 7)))).tolist() == [[[7, 7, 7]]]
    assert np.asarray(decode_image(encoded(Image.new("1", (1, 1), 1)))).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    red, green, blue = np.asarray(decode_image(data))[4, 4].astype(int)
    assert red > 240
    assert max(green, blue) < 16


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_camera_orientation_is_applied(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 16, 16))
    upright = decode_image(encoded(image, kind, exif=exif.tobytes()))
    assert upright.size == (16, 32)
    assert upright.getpixel((8, 4)) > (200, 200, 200)
    assert upright.getpixel((8, 28)) < (50, 50, 50)
    assert not upright.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_camera_data_does_not_lose_the_picture():
    garbage = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"
    data = encoded(Image.new("RGB", (8, 8), "white"), "JPEG", exif=garbage)
    assert decode_image(data).size == (8, 8)


def test_twelve_bit_grey_in_a_wider_file_is_not_black():
    deep = np.array([[0, 2048, 4095]], np.uint16)
    for kind in ("PNG", "TIFF"):
        assert np.asarray(decode_image(encoded(Image.fromarray(deep), kind)))[0, :, 0].tolist() == [
            0,
            128,
            255,
        ]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_is_exact(compression):
    pixels = noise(21, 17, 3)
    data = encoded(Image.fromarray(pixels), "TIFF", compression=compression)
    assert np.array_equal(np.asarray(decode_image(data)), pixels)


def test_other_dialects_of_tiff_are_refused():
    data = encoded(Image.new("1", (32, 32)), "TIFF", compression="group4")
    assert "save it with LZW or deflate" in refusal(data)
    assert "fractional numbers" in refusal(encoded(Image.new("F", (4, 4)), "TIFF"))


def test_avif_where_the_decoder_is_there():
    data = encoded(Image.new("RGB", (64, 48), (200, 30, 30)), "AVIF")
    assert np.abs(np.asarray(decode_image(data)).astype(int) - (200, 30, 30)).max() <= 4
    assert "pip install pillow-heif" in refusal(b"\0\0\0\x18ftypheic" + bytes(64)) or find_spec("pillow_heif")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_decoded_reduced(kind, monkeypatch):
    monkeypatch.setattr(images, "WHOLE_PIXELS", 100 * 100)
    image = Image.new("RGB", (160, 120), "black")
    image.paste("white", (80, 0, 160, 120))
    small = decode_image(encoded(image, kind))
    assert small.size == (80, 60)
    assert small.getpixel((10, 30)) < (40, 40, 40)
    assert small.getpixel((70, 30)) > (215, 215, 215)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_every_mode_is_reduced_in_strips_as_a_whole_picture_would_be(mode, monkeypatch):
    """Palettes, masks and deep grey too, which Pillow itself reduces not, or only with several copies."""
    deep = Image.fromarray(noise(50, 30, 1)[..., 0].astype(np.uint16) * 257)
    image = (
        deep if mode == "I;16" else Image.fromarray(noise(50, 30, 4), "RGBA").convert(mode.replace("1", "L"))
    )
    data = encoded(image.convert("1") if mode == "1" else image)
    whole = decode_image(data)
    monkeypatch.setattr(images, "WHOLE_PIXELS", 500)
    monkeypatch.setattr(images, "_STRIP", 100)
    assert np.array_equal(np.asarray(decode_image(data)), np.asarray(whole.reduce(2)))


def test_what_a_decoder_would_hold_is_bounded_before_it_begins():
    assert "more than can be decoded as PNG in 196 MB" in refusal(hollow_png(10000, 6000))
    data = encoded(Image.new("L", (9, 300)), "TIFF", compression="tiff_lzw")
    strip = next(
        data.index(struct.pack("<HHI", 278, kind, 1))
        for kind in (3, 4)
        if struct.pack("<HHI", 278, kind, 1) in data
    )
    assert check_image(data[: strip + 8] + bytes(4) + data[strip + 12 :]) == (9, 300)  # strips of no rows
    jpeg = encoded(Image.new("RGB", (8, 8)), "JPEG", progressive=True)
    frame = jpeg.index(b"\xff\xc2")
    for place in (11, 14, 17):  # no samples in any channel
        jpeg = jpeg[: frame + place] + b"\0" + jpeg[frame + place + 1 :]
    assert "damaged" in refusal(jpeg)


def tiled_tiff(side: int, tile: int) -> bytes:
    """A grey TIFF, uncompressed, in one tile of any size on paper."""
    fields = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 277: 1, 322: tile, 323: tile}
    fields |= {324: 14 + 12 * 10, 325: tile * tile}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + entries + bytes(4) + bytes(256)


def test_a_tile_counts_with_what_its_decoder_holds():
    """It may be larger than the picture: 100 x 100 pixels took 900 MB."""
    assert decode_image(tiled_tiff(9, 16)).size == (9, 9)
    assert "more than can be decoded as TIFF" in refusal(tiled_tiff(100, 30_000))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pieces_are_counted_before_any_is_read(kind):
    data, most = encoded(Image.new("RGB", (8, 8)), kind), images.MAX_PIECES
    start, piece = (33, chunk(b"tEXt", b"a\0")) if kind == "PNG" else (2, b"\xff\xe5\0\2")
    assert decode_image(data[:start] + (most // 2) * piece + data[start:]).size == (8, 8)
    assert "pieces" in refusal(data[:start] + most * piece + data[start:])


def test_webp_that_can_be_decoded_is_not_reduced_for_its_decoder(monkeypatch):
    """4032 x 3024, a phone's, came as 504 x 378: what the decoder gives back has room for the picture."""
    data = encoded(Image.new("RGB", (40, 30)), "WEBP")
    monkeypatch.setattr(images, "MAX_DECODED", 16 * 40 * 30)
    assert decode_image(data).size == (40, 30)
    monkeypatch.setattr(images, "MAX_DECODED", 16 * 40 * 30 - 1)
    assert "more than can be decoded as WEBP" in refusal(data)


def test_scans_are_counted_before_any_is_decoded(monkeypatch):
    data = encoded(Image.fromarray(noise(16, 16, 3)), "JPEG", progressive=True)
    assert decode_image(data).size == (16, 16)
    start = data.index(b"\xff\xda")  # from here on scans, then the end
    many = data[:start] + data[start:-2] * images.MAX_SCANS + data[-2:]
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("nothing is decoded"))
    assert "scans, the limit is" in refusal(many)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device without an end")
def test_no_more_of_a_file_is_read_than_a_picture_may_have(tmp_path, monkeypatch):
    """Of a device that has no end all memory was filled."""
    monkeypatch.setattr(images, "MAX_BYTES", 1_000_000)
    with pytest.raises(ImageError, match="'zero' has more than 1 MB: make it smaller"):
        read_photo(Path("/dev/zero"))
    (tmp_path / "large.png").write_bytes(encoded(Image.new("RGB", (8, 8)), "PNG") + bytes(1_000_000))
    with pytest.raises(ImageError, match="more than 1 MB"):
        read_photo(tmp_path / "large.png")
    with pytest.raises(ImageError, match="more than 1 MB"):
        FolderDataset(tmp_path)[0]


def test_empty():
    assert "is empty (0 bytes)" in refusal(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"MZ\x90\x00" + bytes(200),
        b"\x7fELF" + bytes(200),
        b"I am a text",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x00",
    ],
)
def test_renamed_files(data):
    assert "is not a picture we can read: save it as PNG" in refusal(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated(kind, share):
    data = encoded(Image.fromarray(noise(64, 64, 3)), kind)
    assert "damaged or incomplete" in refusal(data[: int(len(data) * share) + 6])


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF89a", b"BM"])
def test_random_bytes_behind_a_good_start(magic):
    for seed in range(40):
        body = np.random.default_rng(seed).bytes(300)
        with pytest.raises(ImageError):
            decode_image(magic + body)


def test_flipped_bytes_never_escape_as_other_errors():
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        good = encoded(Image.fromarray(noise(24, 24, 3)), kind)
        for seed in range(60):
            rng = np.random.default_rng(seed)
            bad = bytearray(good)
            for place in rng.integers(0, len(bad), 5):
                bad[place] = rng.integers(256)
            with contextlib.suppress(ImageError):
                assert decode_image(bytes(bad)).mode == "RGB"


@pytest.mark.parametrize(
    ("width", "height", "says"),
    [
        (25000, 20000, "25000 x 20000 pixels (500.0 megapixels), the limit is 60"),
        (10000, 10000, "(100.0 megapixels)"),
        (10001, 6000, "(60.0 megapixels)"),
        (2**31 - 1, 2**31 - 1, "the limit is 60"),
    ],
)
def test_huge_pictures_are_refused_before_decoding(width, height, says):
    data = hollow_png(width, height)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert says in refusal(data)
    assert time.process_time() - start < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize("side", [12_000, 16_383])
def test_huge_webp_is_refused_before_decoding(side):
    lossless = struct.pack("<I", (side - 1) | (side - 1) << 14)
    body = b"WEBPVP8L" + struct.pack("<I", 16) + b"\x2f" + lossless + bytes(11)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_huge_gif_and_bmp_are_refused():
    gif = encoded(Image.new("P", (4, 4)), "GIF")
    assert "megapixels" in refusal(gif[:6] + struct.pack("<HH", 60000, 60000) + gif[10:])
    bmp = encoded(Image.new("RGB", (4, 4)), "BMP")
    assert "megapixels" in refusal(bmp[:18] + struct.pack("<ii", 60000, 60000) + bmp[26:])


def test_needle_shaped_pictures_are_refused():
    assert "shape of more than 40 to 1" in refusal(encoded(Image.new("L", (20_000, 1))))


def test_the_largest_allowed_size_passes_the_check():
    assert check_image(encoded(Image.new("L", (10000, 6000)), "JPEG")) == (10000, 6000)
    assert MAX_PIXELS == 10000 * 6000


def test_names_are_shortened_and_escaped():
    text = refusal(b"x", "a\nb" * 100)
    assert len(text) < 200
    assert refusal(b"x", "").startswith("The picture is not")


def test_mask():
    index = np.array([[0, 1, 0], [3, 0, 255]], np.uint8)
    palette = Image.frombytes("P", (3, 2), index.tobytes())
    palette.putpalette([0, 0, 0] * 256)
    for image in (Image.fromarray(index), palette):
        assert decode_mask(encoded(image)).tolist() == [[False, True, False], [True, False, True]]
    with pytest.raises(ImageError, match="a mask has one channel"):
        decode_mask(encoded(Image.new("RGB", (2, 2))), "m.png")
