"""Sanity check, live: what do maps do while the network forgets?"""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.bench_sanity import draw  # noqa: E402
from pruneattr_core.ui.shell import require_frame  # noqa: E402

draw(require_frame())
