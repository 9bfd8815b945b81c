"""Sanity check, live: what do maps do while the network forgets?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.sanity.page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
