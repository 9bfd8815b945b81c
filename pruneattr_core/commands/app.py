"""`app`: serve the app, from a checkout or an installed package."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from pruneattr_core.assets import APP
from pruneattr_core.commands.arguments import whole
from pruneattr_core.errors import PruneAttrError

#: What the app reads, see `models.declared` and `datasets.opening`, which would bring PyTorch with them.
MODELS, SETTINGS, PICTURES = "PRUNEATTR_MODELS", "PRUNEATTR_CONFIG", "PRUNEATTR_PICTURES"
#: Arguments that are not ours are Streamlit's.
PASSES_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.usage = (
        "%(prog)s [--port N] [--model FILE.py:FUNCTION] [--pictures FOLDER] [options of Streamlit, such as "
        "--server.address ADDRESS]"
    )
    parser.add_argument("--port", type=whole(1, 65535), metavar="N", help="where it listens (default 8501)")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="FILE.py:FUNCTION",
        help="a network of yours that visitors may choose: its code is run; may be repeated. Without it, "
        "pruneattr.toml in this folder is read",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="pictures of yours that visitors may choose: class folders are labels, a folder masks has masks",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; Streamlit prints the address.

    Raises:
        PruneAttrError: the app's packages are not installed, there is no such folder of pictures or file of
            code, or Streamlit would refuse an option.
    """
    if arguments.pictures is not None and not arguments.pictures.is_dir():
        raise PruneAttrError(f"There is no folder {str(arguments.pictures)!r}: check the path.")
    for name in arguments.model:
        file, colon, _ = name.rpartition(":")
        if not colon:
            raise PruneAttrError(f"--model names code as FILE.py:FUNCTION, got {name!r}.")
        if file.endswith(".py") and not Path(file).is_file():
            raise PruneAttrError(f"There is no file {file!r}: check the path.")
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        raise PruneAttrError("The app's packages are not installed: pip install 'pruneattr[app]'.")
    words = list(arguments.further)
    if arguments.port is not None:
        words.append(f"--server.port={arguments.port}")
    if words:  # loads Streamlit once more: half a second that a start without options does not pay
        from pruneattr_core.ui.serving import check_options

        check_options(words)
    # In the app's folder, where Streamlit looks for its settings.
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *words]
    # One heap from its first thread on, see `heap.one_heap`; another C library reads nothing of it.
    return _served(command, {"MALLOC_ARENA_MAX": "1", **os.environ, **_named(arguments)})


def _served(command: list[str], environment: dict[str, str]) -> int:
    """Run the server to its end. What asks us to stop asks it too: it would go on serving without us."""
    with subprocess.Popen(command, cwd=APP, env=environment) as server:
        before = signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
        try:
            return server.wait()
        except KeyboardInterrupt:  # its usual end, of which the server tells
            server.wait()
            return 128 + signal.SIGINT
        finally:
            signal.signal(signal.SIGTERM, before)


def _named(arguments: argparse.Namespace) -> dict[str, str]:
    """Variables that tell the app which code and pictures it may use, with paths that hold in its folder."""
    found = {}
    if arguments.pictures is not None:
        found[PICTURES] = str(arguments.pictures.absolute())
    if arguments.model:
        whole = [str(Path(name).absolute()) if ".py:" in name else name for name in arguments.model]
        found[MODELS] = "\n".join([*os.environ.get(MODELS, "").splitlines(), *whole])
    if Path("pruneattr.toml").is_file():
        found.setdefault(SETTINGS, os.environ.get(SETTINGS) or str(Path("pruneattr.toml").absolute()))
    return found
