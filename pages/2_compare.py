"""Compare: every method side by side."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.compare.page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
