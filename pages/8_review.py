"""Compression review: does the small network still look at the right thing?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.review.page import draw

draw()
