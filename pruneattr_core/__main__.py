"""Entry point of `python -m pruneattr_core`."""

import sys

from pruneattr_core.cli import main

sys.exit(main())
