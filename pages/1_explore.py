"""Threshold explorer: drag the slider, watch a map move from local to global."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.explore.page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
