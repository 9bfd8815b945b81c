"""Benchmarks: what the papers measure, measured here, beside their figures."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.benchmarks.page import draw

draw()
