"""Reproduction: every figure and table of the papers beside ours."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.reproduction.page import draw

draw()
