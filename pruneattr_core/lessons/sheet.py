"""A lesson as one HTML file: to read without a server, and to print as a worksheet with an answer sheet."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from pruneattr_core.lessons.text import Lesson, Step, address, right_answers

_STYLE = """:root { color-scheme: light dark; }
body { font: 1.05rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 46rem; padding: 1rem; }
ol { padding-left: 1.4rem; } section { break-inside: avoid; } code { overflow-wrap: anywhere; }
.line { border-bottom: 1px solid; height: 1.8rem; } .line, .answers { display: none; }
@media print { details { display: none; } .line, .answers { display: block; }
.answers { break-before: page; } }
"""


def sheet(lesson: Lesson, word: Callable[[str], str]) -> str:
    """The file: texts and questions; solutions unfold on the screen, and are a page of their own on paper.

    Args:
        lesson: what is written.
        word: a text of the page by its key, in the language of the lesson.
    """
    steps = "\n".join(_step(number, step, word) for number, step in enumerate(lesson.steps, 1))
    answers = "\n".join(
        f"<li value='{number}'>{_inline(choice.text)}<br>{_inline(choice.reason)}</li>"
        for number, choice in right_answers(lesson)
    )
    return f"""<!doctype html>
<html lang="{escape(lesson.language)}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(lesson.title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(lesson.title)}</h1><p>{_inline(lesson.know)}</p>
{steps}
<section class="answers"><h2>{escape(word("answer_sheet"))}</h2><ol>{answers}</ol></section>
</body></html>
"""


def _step(number: int, step: Step, word: Callable[[str], str]) -> str:
    parts = [f"<section><h2>{number}. {escape(step.title)}</h2>", _blocks(step.body)]
    if step.page:
        parts.append(f"<p>{escape(word('view_at'))} <code>{escape(address(step))}</code></p>")
    if step.question:
        choices = "".join(f"<li>{_inline(choice.text)}</li>" for choice in step.choices)
        parts.append(
            f"<p><strong>{_inline(step.question)}</strong></p><ol>{choices}</ol><p class='line'></p>"
        )
        reasons = "".join(
            f"<li>{'✓' if choice.right else '✗'} {_inline(choice.text)}. {_inline(choice.reason)}</li>"
            for choice in step.choices
        )
        parts.append(f"<details><summary>{escape(word('solution'))}</summary><ol>{reasons}</ol>")
        parts.append(_blocks(step.reveal) + "</details>")
    return "\n".join([*parts, "</section>"])


def _blocks(text: str) -> str:
    """Paragraphs and lists of a lesson's Markdown; anything else stays as it is written."""
    drawn = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.split("\n")
        if all(line.startswith("- ") for line in lines):
            drawn.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        elif block:
            drawn.append(f"<p>{_inline(block)}</p>")
    return "\n".join(drawn)


def _inline(text: str) -> str:
    """Strong, emphasised and code; everything else escaped."""
    found = escape(text)
    for mark, name in ((r"\*\*(.+?)\*\*", "strong"), (r"\*(.+?)\*", "em"), (r"`(.+?)`", "code")):
        found = re.sub(mark, rf"<{name}>\1</{name}>", found, flags=re.DOTALL)
    return found
