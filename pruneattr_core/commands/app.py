"""`app`: serve the app, from a checkout or an installed package."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec

from pruneattr_core.assets import APP
from pruneattr_core.errors import PruneAttrError

#: Arguments that are not ours are Streamlit's.
PASSES_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.usage = "%(prog)s [options of Streamlit, such as --server.port 8600]"


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; Streamlit prints the address.

    Raises:
        PruneAttrError: the app's packages are not installed.
    """
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        raise PruneAttrError("The app's packages are not installed: pip install 'pruneattr[app]'.")
    # In the app's folder, where Streamlit looks for its settings.
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *arguments.further]
    return subprocess.call(command, cwd=APP)
