"""Benchmarks: what the papers measure, measured here, beside their figures."""

from pruneattr_core.ui.menu import in_frame

in_frame()

from pruneattr_core.ui.bench_page import draw  # noqa: E402
from pruneattr_core.ui.shell import require_frame  # noqa: E402

draw(require_frame())
