"""Path decoding: what the network, and each path through it, would like to see."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.paths.decoding_page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
