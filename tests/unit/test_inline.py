"""Pictures inside the page: exact, and the only ones the app draws."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from pruneattr_core.ui.inline import inline

ROOT = Path(__file__).resolve().parents[2]


def test_a_picture_in_the_page_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for picture in (pixels, Image.fromarray(pixels)):
        kind, data = inline(picture).split(",")
        assert kind == "data:image/png;base64"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


def test_no_picture_is_a_file_that_the_next_run_forgets() -> None:
    # Changing pages while a page was being drawn: the browser asked for a file that was gone, with 404.
    calls = [
        (path.name, call)
        for path in (ROOT / "pruneattr_core" / "ui").rglob("*.py")
        for call in re.findall(r"\.image\(\s*(\w+)", path.read_text("utf-8"))
    ]
    assert len(calls) >= 10
    # The folio is given an address, and adds it to the page and its file; two are made once for all.
    given = {("folio.py", "address"), ("where.py", "address"), ("crop.py", "address")}
    assert [call for call in calls if call[1] != "inline" and call not in given] == []
