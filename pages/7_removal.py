"""Pixel removal, live: what is left of the answer while pixels go?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.removal_page import draw  # noqa: E402
from pruneattr_core.ui.shell import require_frame  # noqa: E402

draw(require_frame())
