"""Pictures inside the page itself.

The server forgets the files of a run as soon as the next one has ended; a browser that comes for one a moment
later finds nothing there. Small pictures that are soon replaced are therefore sent with the page.
"""

from __future__ import annotations

import base64
import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image


def inline(picture: Image.Image | NDArray[Any]) -> str:
    """A picture, or uint8 values (H, W, 3) or (H, W), as the address of a PNG that holds itself."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")
