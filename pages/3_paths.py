"""Critical paths: which neurons carry this answer, and do methods agree?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.paths.page import draw
from pruneattr_core.ui.shell import require_frame

draw(require_frame())
