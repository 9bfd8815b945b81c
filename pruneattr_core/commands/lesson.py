"""`lesson`: check a lesson's text file, and make its HTML file and its worksheet."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from pruneattr_core.commands.arguments import add_json, add_threads, show, use_threads
from pruneattr_core.errors import InputError
from pruneattr_core.lessons.text import Lesson, languages, load, names, read
from pruneattr_core.store import refuse_unwritable, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("lesson", help="a text file, or the name of one that comes along: 4-clever-hans, say")
    parser.add_argument("--language", default="en", metavar="LANGUAGE", help="two letters (default en)")
    parser.add_argument("--out", type=Path, default=None, help="folder for both files; else only checked")
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check it, and write what was asked for."""
    lesson = _found(arguments.lesson, arguments.language)
    if arguments.out is not None:
        refuse_unwritable(arguments.out / f"{lesson.name}.html")
    use_threads(arguments)
    from pruneattr_core.ui.serving import be_quiet

    be_quiet()
    from pruneattr_core.ui.lessons import files, view

    wrong = [
        f"step {number}: {said}"
        for number, step in enumerate(lesson.steps, 1)
        if (said := view.complaint(step))
    ]
    if wrong:
        raise InputError(f"Lesson {lesson.name}, {' '.join(wrong)}")
    written = {}
    if arguments.out is not None:
        for kind, made in (("html", files.html), ("pdf", files.pdf)):
            file = arguments.out / f"{lesson.name}-{lesson.language}.{kind}"
            write_atomically(file, made(lesson))
            written[str(file)] = file.stat().st_size
    asked = sum(bool(step.question) for step in lesson.steps)
    steps = f"{len(lesson.steps)} steps, {asked} of them with a question"
    text = f"{lesson.title}: {steps}, {lesson.minutes} minutes"
    lines = [text, *(f"{file}: {size / 1e6:.2f} MB" for file, size in written.items())]
    record = {"title": lesson.title, "steps": len(lesson.steps), "questions": asked, "files": written}
    show(arguments, "\n".join(lines), record)
    return 0


def _found(asked: str, language: str) -> Lesson:
    """The lesson of a file, or the one that comes along.

    Raises:
        InputError: it is neither, or no lesson.
    """
    if not re.fullmatch("[a-z]{2}", language):
        raise InputError(f"Expected a language of two small letters, de say, got {language[:20]!r}.")
    file = Path(asked)
    if file.is_file():
        return load(file, language)
    if asked in names(language):
        return read(asked, language)
    known = ", ".join(names(language)) or f"none in {language!r}; there are {', '.join(languages())}"
    raise InputError(f"There is no file {asked[:200]!r} and no lesson of that name; lessons: {known}.")
