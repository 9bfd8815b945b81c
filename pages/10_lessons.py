"""Lessons: what a map can and cannot say, ten minutes each, on the real pages."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.lessons.page import draw

draw()
