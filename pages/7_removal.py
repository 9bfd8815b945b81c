"""Pixel removal, live: what is left of the answer while pixels go?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.removal.page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
