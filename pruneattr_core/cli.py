"""`pruneattr COMMAND`, or `python -m pruneattr_core COMMAND`: subcommands, each a file under `commands/`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pruneattr_core import __version__
from pruneattr_core.errors import ModelError, PruneAttrError, StoreError
from pruneattr_core.leaving import left

#: name -> (module, one line of help). A module is imported only when its command is called.
COMMANDS = {
    "app": ("pruneattr_core.commands.app", "serve the app"),
    "accuracy": ("pruneattr_core.commands.accuracy", "how often a network names pictures rightly"),
    "explain": ("pruneattr_core.commands.explain", "one photograph at every place of the dial, as a file"),
    "sweep": ("pruneattr_core.commands.sweep", "one photograph at places of the dial, a line each"),
    "compare": ("pruneattr_core.commands.compare", "several methods on the same photographs, by numbers"),
    "calibrate": ("pruneattr_core.commands.calibrate", "find sparsities by how much the answers change"),
    "bench": ("pruneattr_core.commands.bench", "compute a benchmark of the papers and keep it as a run"),
    "compress": ("pruneattr_core.commands.compress", "smaller networks that keep looking at the same things"),
    "reproduce": (
        "pruneattr_core.commands.reproduce",
        "the papers' figures beside ours, with a verdict each",
    ),
    "gallery": ("pruneattr_core.commands.gallery", "a folder of explained pictures for any static host"),
    "lesson": ("pruneattr_core.commands.lesson", "check a lesson's text; make its HTML file and worksheet"),
    "models": ("pruneattr_core.commands.models", "the networks that can be named, and which are here"),
    "data": ("pruneattr_core.commands.data", "the sets of pictures that can be named here"),
    "doctor": ("pruneattr_core.commands.doctor", "device, versions, and what is missing"),
    "runs": ("pruneattr_core.commands.runs", "list stored runs, or bring older ones here"),
    "paths": (
        "pruneattr_core.commands.paths",
        "compare ways to choose a path: dead neurons, overlap, layers",
    ),
    "circuit": ("pruneattr_core.commands.circuit", "what a path carries when the rest is replaced"),
    "linearity": ("pruneattr_core.commands.linearity", "how far a picture's frozen path stays affine"),
    "nesting": ("pruneattr_core.commands.nesting", "do sparse paths lie in denser ones, overlap of classes"),
    "shapley": ("pruneattr_core.commands.shapley", "Shapley values of a layer beside cheaper scores"),
    "train": ("pruneattr_core.commands.train", "train a bundled network from a seed"),
}

#: Commands that may also be called as `paths NAME`.
OF_PATHS = ("circuit", "linearity", "nesting", "shapley")

#: Package -> the extra that installs it, for a library that was installed without.
EXTRAS = {
    **dict.fromkeys(("sklearn", "torch_pruning"), "bench"),
    **dict.fromkeys(("streamlit", "plotly", "cachetools", "fpdf"), "app"),
    **dict.fromkeys(("timm", "transformers"), "hubs"),
    "anywidget": "notebook", "onnx": "gallery", "ray": "ray", "quantus": "quantus",
}  # fmt: skip


_STATUS = (
    "Exit status: 0 done; 1 an error, said in a sentence; 2 words that a command does not take; 130 stopped "
    "by Ctrl-C, 143 by kill, 129 with its terminal; 141 nobody reads the output any more."
)

#: Options that name what is written.
WRITTEN = ("out", "graph", "save")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None takes those of the process.

    Returns:
        Exit status, see `_STATUS`; 2 leaves by SystemExit, as argparse does.
    """
    with _stoppable(), contextlib.redirect_stdout(_Output(sys.stdout)):
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
    if argv[:1] == ["paths"] and argv[1:2] and argv[1] in OF_PATHS:
        del argv[0]
    module, arguments = None, None
    try:
        parser, module = _parser(argv)
        arguments, arguments.further = parser.parse_known_args(argv)
        _refuse_overwriting(arguments)
        missing = _missing_folders(arguments)
        with contextlib.ExitStack() as aside:
            if getattr(arguments, "json", False):
                # What a network of one's own prints is no part of the result.
                arguments.result = sys.stdout
                aside.enter_context(contextlib.redirect_stdout(sys.stderr))
            try:
                status = int(module.run(arguments))
            except SystemExit as error:  # no command's own way to end
                raise ModelError(left(error)) from error
        for folder in missing:
            if folder.is_dir():
                print(f"Made the folder {folder}, which was not there.", file=sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:  # "| head": nothing is wrong, and nobody is there to be told
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 141
    except PruneAttrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {place}{error.strerror or error}.", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        print(
            f"error: This command needs {package}: pip install 'pruneattr[{EXTRAS[package]}]'.",
            file=sys.stderr,
        )
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        print(
            "error: The memory is full, or the system ended a process for it. Ask for fewer at once "
            "(--workers, --chunk or --n, as the command has them) or for another --device. "
            f"{_kept(module, arguments)}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt as stop:  # also while a command is being loaded, which takes seconds
        print(f"\nstopped. {_kept(module, arguments)}", file=sys.stderr)
        return 128 + (stop.number if isinstance(stop, _AskedToEnd) else signal.SIGINT)
    return status


class _AskedToEnd(KeyboardInterrupt):
    """A signal that ends a process: it is answered as Ctrl-C is."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """`kill`, a scheduler's or a container's end, and a terminal that is closed say what is kept, too."""

    def answer(number: int, frame: Any) -> None:
        raise _AskedToEnd(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    mine = threading.current_thread() is threading.main_thread()  # no other may set what signals do
    numbers = [number for name in names if mine and (number := getattr(signal, name))]
    before = {number: signal.getsignal(number) for number in numbers}
    free = [number for number in numbers if before[number] is signal.SIG_DFL]  # nohup has SIGHUP ignored
    for number in free:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)


class _Output:
    """The standard output, whose errors say where they come from, as those of files do."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """See TextIOBase."""
        return int(self._named(self._stream.write, text))

    def flush(self) -> None:
        """See TextIOBase."""
        self._named(self._stream.flush)

    @staticmethod
    def _named(call: Callable[..., Any], *words: str) -> Any:
        try:
            return call(*words)
        except OSError as error:
            error.filename = "the standard output"
            raise


class _Parser(argparse.ArgumentParser):
    """A parser that says with its own usage what it does not know; argparse leaves that to the first one."""

    passes_on = False

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """(arguments, what is left of them for another program)."""
        found, further = super().parse_known_args(*given, **named)
        if further and not self.passes_on:
            self.error(f"unrecognized arguments: {' '.join(further)}")
        return found, further

    def _print_message(self, message: str, file: Any = None) -> None:
        """Nothing is swallowed: a help that could not be written is an error."""
        print(message, end="", file=file or sys.stderr, flush=True)


def _refuse_overwriting(arguments: argparse.Namespace) -> None:
    """Raise where a result would take the place of a file that the command reads: a photograph, say."""
    given = {name: value if isinstance(value, list) else [value] for name, value in vars(arguments).items()}
    read = [
        place
        for name, places in given.items()
        for place in places
        if name not in WRITTEN and isinstance(place, Path) and place.is_file()
    ]
    for place in (place for name in WRITTEN for place in given.get(name, ())):
        if isinstance(place, Path) and place.exists() and any(place.samefile(one) for one in read):
            raise StoreError(f"{place} is what the command reads, and would be lost: name another file.")


def _missing_folders(arguments: argparse.Namespace) -> list[Path]:
    """Folders above what is to be written that are not there yet, each once."""
    written = [place for name in WRITTEN for place in _places(getattr(arguments, name, None))]
    return list(dict.fromkeys(place.parent for place in written if not place.parent.exists()))


def _places(value: Any) -> list[Path]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Path)]


def _kept(module: Any, arguments: argparse.Namespace | None) -> str:
    """What is there after a command that did not end."""
    if arguments is None:
        return "It had not begun: what an earlier run has left is as it was."
    kept = getattr(module, "kept", None)
    there = "" if kept is None else kept(arguments)
    return f"{there} The same command goes on there." if there else "Nothing of it is kept."


def _out_of_memory(error: Exception) -> bool:
    """By name: neither torch nor process pools are loaded for a command that needs none."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError", "BrokenProcessPool"}) or (
        "not enough memory" in str(error)
    )


def _parser(argv: Sequence[str]) -> tuple[_Parser, Any]:
    """The parser, and the module of the command that is called: no other is loaded."""
    called = "pruneattr" if Path(sys.argv[0]).stem == "pruneattr" else "python -m pruneattr_core"
    parser = _Parser(called, description="PruneAttr on the command line.", epilog=_STATUS)
    parser.add_argument("--version", action="version", version=f"pruneattr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    module = None
    for name, (path, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        if argv[:1] == [name]:
            module = importlib.import_module(path)
            module.add_arguments(command)
            parser.passes_on = command.passes_on = getattr(module, "PASSES_ON", False)
    return parser, module
