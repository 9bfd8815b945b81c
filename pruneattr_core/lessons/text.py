"""A lesson as a text file: Markdown with a small header for the lesson and one for each step.

A file looks like this; ASSETS/lessons/en holds whole ones::

    title: What a map can say
    minutes: 10
    know: What one will know afterwards, a sentence.

    ## Look at the picture
    page: explore
    view: model=scenes-net&picture=3
    question: Where does the map gather?
    choice: On the object :: The colour is densest there.
    right: Inside the outline :: Yes: ...

    The text shown before the question, in Markdown.

    reveal:
    The text shown after an answer, in Markdown.

Every choice ends with its reason after two colons; `right` is a choice that is right. A step without a
question has no choices; what follows `reveal:` may be left out where there is no question. After it a line
`notes:` begins what only the presenter's second window shows. Before both a line `file:` may begin what the
HTML file and the worksheet say instead of the step's text, where that speaks of buttons that they have not.
`table:` names figures that are shown with the reveal, `lab` or `clever-hans`. A view is free to be changed,
unless `locked: always` or, until an answer is given, `locked: answer` stands in the header; with
`locked: hidden` it is not even seen before, only its picture, as it would answer the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import InputError

FOLDER = ASSETS / "lessons"
#: Page of a step -> its address in the app.
PAGES = {
    "explore": "",
    "compare": "compare",
    "paths": "paths",
    "decoding": "decoding",
    "benchmarks": "benchmarks",
    "sanity": "sanity",
    "removal": "removal",
    "review": "review",
    "reproduction": "reproduction",
}
TABLES = ("lab", "clever-hans")
#: When a view stays as the step sets it.
LOCKS = ("always", "answer", "hidden")
#: Bytes of a lesson and steps in it, at most.
LONGEST, MOST_STEPS = 200_000, 40
_HEADER = re.compile(r"([a-z]+):[ \t]*(.*)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_LESSON_KEYS = ("title", "minutes", "know")
#: What lines begin, after the step's own text.
_PARTS = ("file", "reveal", "notes")
_STEP_KEYS = ("page", "view", "question", "choice", "right", "table", "locked")


@dataclass(frozen=True)
class Choice:
    """One answer that can be given.

    Attributes:
        text: the answer.
        reason: why it is right or not.
        right: whether it is.
    """

    text: str
    reason: str
    right: bool


@dataclass(frozen=True)
class Step:
    """One step of a lesson.

    Attributes:
        title: its heading.
        body: Markdown shown first.
        file: Markdown that stands in files instead; empty where they say the same.
        page: key of `PAGES`, empty for a step that shows no page.
        view: (name, value) pairs of that page's address.
        question: empty for a step that asks nothing.
        choices: answers, one right at least, where there is a question.
        reveal: Markdown shown after an answer.
        table: one of `TABLES` shown with the reveal, or empty.
        locked: one of `LOCKS`, empty for a view that is free and seen.
        notes: Markdown for whoever presents.
    """

    title: str
    body: str = ""
    page: str = ""
    view: tuple[tuple[str, str], ...] = ()
    question: str = ""
    choices: tuple[Choice, ...] = ()
    reveal: str = ""
    table: str = ""
    locked: str = ""
    notes: str = ""
    file: str = ""

    @property
    def printed(self) -> str:
        """Markdown that a file shows first."""
        return self.file or self.body

    def holds(self, answered: bool) -> bool:
        """Whether the view stays as it is set, for somebody who has answered or not."""
        return self.locked == "always" or (bool(self.locked) and not answered)


@dataclass(frozen=True)
class Lesson:
    """A sequence of steps.

    Attributes:
        name: of its file, without the ending.
        language: two letters.
        title: a few words.
        minutes: how long it takes.
        know: what one will know afterwards.
        steps: in their order.
    """

    name: str
    language: str
    title: str
    minutes: int
    know: str
    steps: tuple[Step, ...]


@dataclass
class _Draft:
    """A step, or the lesson's own header, while it is read."""

    line: int
    title: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    #: Part of the text -> its lines; the last one is being read.
    parts: dict[str, list[str]] = field(default_factory=lambda: {"body": []})

    def text(self, part: str) -> str:
        """Of a part, empty where there is none."""
        return "\n".join(self.parts.get(part, ())).strip()


def parse(text: str, name: str = "lesson", language: str = "en") -> Lesson:
    """Read a lesson.

    Args:
        text: of the file, see the module.
        name: how the lesson is called in addresses and in messages.
        language: two letters.

    Raises:
        InputError: the text is no lesson; the sentence names the line.
    """
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise InputError(f"The lesson {name} is longer than {LONGEST:,} bytes: make it shorter.")
    # A number keeps its sign on its line, on the page as on paper.
    head, *drafts = _sections(re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text), name)
    for key in _LESSON_KEYS:
        if not head.keys.get(key):
            raise _wrong(name, 1, f"expected '{key}: ...' above the first step")
    minutes = head.keys["minutes"]
    if not minutes.isdecimal() or not minutes.isascii() or not 1 <= len(minutes) <= 3 or int(minutes) < 1:
        raise _wrong(name, 1, f"expected minutes from 1 to 999, got {minutes[:20]!r}")
    if not 1 <= len(drafts) <= MOST_STEPS:
        raise _wrong(
            name,
            head.line,
            f"expected 1 to {MOST_STEPS} steps, each under a line '## Title', got {len(drafts)}",
        )
    steps = tuple(_step(draft, name) for draft in drafts)
    return Lesson(name, language, head.keys["title"], int(minutes), head.keys["know"], steps)


def read(name: str, language: str = "en", folder: Path | None = None) -> Lesson:
    """The lesson of a file `folder/language/name.md`.

    Raises:
        InputError: there is no such file, it is not UTF-8, or it is no lesson.
    """
    file = (folder or FOLDER) / language / f"{name}.md"
    if not _NAME.fullmatch(name) or not _LANGUAGE.fullmatch(language) or not file.is_file():
        raise InputError(f"There is no lesson {name[:64]!r} in the language {language[:2]!r}.")
    return load(file, language)


def load(file: Path, language: str) -> Lesson:
    """The lesson of any file, called as it is.

    Raises:
        InputError: it is longer than `LONGEST`, not UTF-8, or no lesson.
    """
    seen = file.stat()
    if seen.st_size > LONGEST:
        raise InputError(f"The lesson {file.stem} is longer than {LONGEST:,} bytes: make it shorter.")
    return _read(file, file.stem, language, (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=64)  # a page reads its lesson at every run
def _read(file: Path, name: str, language: str, edition: tuple[int, int]) -> Lesson:
    """The lesson of a file in its edition: when it was written last, and how long it is."""
    try:
        return parse(file.read_text("utf-8-sig"), name, language)
    except UnicodeDecodeError as error:
        raise InputError(
            f"The lesson {name} is not UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from None


def languages(folder: Path | None = None) -> tuple[str, ...]:
    """Languages that have lessons, English first."""
    found = {
        file.parent.name
        for file in (folder or FOLDER).glob("*/*.md")
        if _LANGUAGE.fullmatch(file.parent.name)
    }
    return tuple(sorted(found, key=lambda one: (one != "en", one)))


def names(language: str, folder: Path | None = None) -> tuple[str, ...]:
    """Lessons in a language, in the order of their file names, which may begin with a number."""
    if not _LANGUAGE.fullmatch(language):
        return ()
    files = sorted(((folder or FOLDER) / language).glob("*.md"))
    return tuple(file.stem for file in files if _NAME.fullmatch(file.stem))


def address(step: Step) -> str:
    """Address of the step's page with its view, relative to the app; empty for a step without a page."""
    if not step.page:
        return ""
    query = urlencode(step.view)
    return f"/{PAGES[step.page]}" + (f"?{query}" if query else "")


def _sections(text: str, name: str) -> list[_Draft]:
    drafts, fenced = [_Draft(1)], False
    headed = True  # header lines end with the first line that is none
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        now = drafts[-1]
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and line.startswith("## "):
            drafts.append(_Draft(number, line[3:].strip()))
            headed = True
        elif not fenced and len(drafts) > 1 and line.strip() in {f"{part}:" for part in _PARTS}:
            _begin(now, line.strip()[:-1], name, number)
            headed = False
        elif headed and (found := _HEADER.fullmatch(line.strip())):
            _take(now, found[1], found[2].strip(), len(drafts) == 1, name, number)
        elif headed and not line.strip():
            headed = not (now.keys or now.choices)  # an empty line ends a header that has begun
        else:
            if len(drafts) == 1 and line.strip():
                raise _wrong(name, number, "expected 'key: value' or a first step '## Title'")
            headed = False
            if (late := _HEADER.match(line)) and late[1] in _STEP_KEYS and not fenced:
                raise _wrong(name, number, f"'{late[1]}:' belongs to the lines right under the step's title")
            now.parts[next(reversed(now.parts))].append(line)
    return drafts


def _begin(draft: _Draft, part: str, name: str, number: int) -> None:
    for there in draft.parts:
        if there in _PARTS[_PARTS.index(part) :]:
            order = "'file:', 'reveal:' and 'notes:' stand in this order, each once at most"
            raise _wrong(name, number, f"'{part}:' cannot follow '{there}:' in a step: {order}")
    draft.parts[part] = []


def _take(draft: _Draft, key: str, value: str, of_lesson: bool, name: str, number: int) -> None:
    known = _LESSON_KEYS if of_lesson else _STEP_KEYS
    if key not in known:
        raise _wrong(name, number, f"expected one of {', '.join(known)} before the colon, got {key[:40]!r}")
    if key in ("choice", "right"):
        text, colons, reason = (part.strip() for part in value.partition("::"))
        if not (text and colons and reason):
            raise _wrong(name, number, "expected 'answer :: reason'; every answer has a reason")
        draft.choices.append(Choice(text, reason, key == "right"))
    elif key in draft.keys:
        raise _wrong(name, number, f"{key!r} stands here for the second time")
    elif not value:
        raise _wrong(name, number, f"expected something after '{key}:'")
    else:
        draft.keys[key] = value


def _step(draft: _Draft, name: str) -> Step:
    page, question = draft.keys.get("page", ""), draft.keys.get("question", "")
    table, view = draft.keys.get("table", ""), draft.keys.get("view", "")
    locked = draft.keys.get("locked", "")
    if not draft.title:
        raise _wrong(name, draft.line, "expected a title after '##'")
    if page and page not in PAGES:
        raise _wrong(name, draft.line, f"expected page to be one of {', '.join(PAGES)}, got {page[:40]!r}")
    if (view or locked) and not page:
        raise _wrong(name, draft.line, "a step with a view, or a locked one, needs a page")
    if table and table not in TABLES:
        raise _wrong(name, draft.line, f"expected table to be one of {', '.join(TABLES)}, got {table[:40]!r}")
    if locked and locked not in (LOCKS if question else LOCKS[:1]):
        raise _wrong(
            name,
            draft.line,
            f"expected locked to be always, or answer or hidden with a question, got {locked[:40]!r}",
        )
    try:
        pairs = parse_qsl(view.removeprefix("?"), keep_blank_values=True, strict_parsing=bool(view))
    except ValueError:
        raise _wrong(name, draft.line, "expected view to be name=value pairs joined by '&'") from None
    if bool(question) != bool(draft.choices):
        raise _wrong(name, draft.line, "a question needs choices, and choices need a question")
    if question and (len(draft.choices) < 2 or not any(choice.right for choice in draft.choices)):
        raise _wrong(name, draft.line, "a question needs two choices or more, and a 'right' one among them")
    reveal = draft.text("reveal")
    if question and not reveal:
        raise _wrong(name, draft.line, "a question needs a text under 'reveal:'")
    step = Step(draft.title, draft.text("body"), page, tuple(pairs), question)
    step = replace(step, choices=tuple(draft.choices), reveal=reveal, table=table, locked=locked)
    return replace(step, notes=draft.text("notes"), file=draft.text("file"))


def _wrong(name: str, line: int, what: str) -> InputError:
    return InputError(f"Lesson {name}, line {line}: {what}.")


def right_answers(lesson: Lesson) -> Sequence[tuple[int, Choice]]:
    """(step number from 1, right choice) of a lesson, for answer sheets."""
    return [
        (place, choice)
        for place, step in enumerate(lesson.steps, 1)
        for choice in step.choices
        if choice.right
    ]
