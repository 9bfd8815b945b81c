"""Lessons as text files: what a teacher writes, what is refused, and that those that come along are whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core import cli
from pruneattr_core.errors import InputError
from pruneattr_core.lessons import figures
from pruneattr_core.lessons.figures import Figure, Frame, figure_of
from pruneattr_core.lessons.sheet import sheet
from pruneattr_core.lessons.text import FOLDER, Step, address, languages, names, parse, read, right_answers
from pruneattr_core.lessons.worksheet import _panels, worksheet
from pruneattr_core.render.figure import Panel
from pruneattr_core.share.html import settings_in

ROOT = Path(__file__).resolve().parents[2]
#: Paper cannot be clicked, and a file has no more than its sliders.
ASKS_A_HAND = re.compile(
    r"\b(?:click|press|switch|pull|drag|move the|choose the|open the|try another|"
    r"klick|drück|schalte|zieh den|bewege den|wähle\b|öffne|nimm eine andere)",
    re.IGNORECASE,
)

WRITTEN = """title: Three steps
minutes: 3
know: That one text file is a lesson.

## Look
page: explore
view: model=scenes-net&source=scenes&picture=3

What do you see? A line
with: a colon in it is text.

## Ask
page: sanity
view: sane_step=2
question: What changes?
choice: Nothing :: Look again.
right: The map :: It has to: the network forgot.

```
## no step, but code
```

reveal:
Because it must.

## Take home

Done.
"""


def test_a_lesson_of_three_steps_from_one_text_file(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "9-mine.md").write_text(WRITTEN.replace("\n", "\r\n"), "utf-8")
    assert names("en", tmp_path) == ("9-mine",)
    lesson = read("9-mine", "en", tmp_path)
    assert (lesson.title, lesson.minutes, len(lesson.steps)) == ("Three steps", 3, 3)
    look, ask, home = lesson.steps
    assert look.body == "What do you see? A line\nwith: a colon in it is text."
    assert address(look) == "/?model=scenes-net&source=scenes&picture=3"
    assert (ask.page, ask.reveal, address(ask)) == ("sanity", "Because it must.", "/sanity?sane_step=2")
    assert "## no step, but code" in ask.body
    assert [(choice.text, choice.reason, choice.right) for choice in ask.choices] == [
        ("Nothing", "Look again.", False),
        ("The map", "It has to: the network forgot.", True),
    ]
    assert (home.question, home.page, address(home)) == ("", "", "")
    assert [(place, choice.text) for place, choice in right_answers(lesson)] == [(2, "The map")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minutes: 3", "minutes: soon", "line 1: expected minutes from 1 to 999"),
        ("minutes: 3", "minutes: ³", "line 1: expected minutes"),
        ("know: That one text file is a lesson.", "", "line 1: expected 'know: ...'"),
        ("title: Three", "titel: Three", "line 1: expected one of title, minutes, know"),
        ("page: sanity", "page: sanitary", "line 12: expected page to be one of explore"),
        ("page: sanity\n", "", "line 12: a step with a view, or a locked one, needs a page"),
        ("view: sane_step=2", "view: sane_step", "line 12: expected view to be name=value pairs"),
        ("choice: Nothing :: Look again.", "choice: Nothing", "line 16: expected 'answer :: reason'"),
        ("right: The", "choice: The", "line 12: a question needs two choices"),
        ("question: What changes?\n", "", "line 12: a question needs choices"),
        ("reveal:\n", "", "line 12: a question needs a text under 'reveal:'"),
        ("Because it must.", "Because.\nreveal:\nAgain.", "line 25: 'reveal:' cannot follow 'reveal:'"),
        ("Because it must.", "Because.\nnotes:\nA\nreveal:", "line 27: 'reveal:' cannot follow"),
        ("Because it must.", "Because.\nfile:\nA", "line 25: 'file:' cannot follow 'reveal:'"),
        ("page: sanity", "page: sanity\nlocked: yes", "line 12: expected locked to be always, or answer"),
        ("page: explore", "page: explore\nlocked: answer", "line 5: expected locked to be always"),
        ("What do you see?", "page: explore", "line 9: 'page:' belongs to the lines right under"),
        ("page: explore", "page: explore\npage: sanity", "line 7: 'page' stands here for the second time"),
        ("## Look", "Look", "expected 'key: value' or a first step"),
        ("## Take home", "## ", "line 26: expected a title after '##'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, said: str) -> None:
    assert WRITTEN.count(old) >= 1
    with pytest.raises(InputError) as raised:
        parse(WRITTEN.replace(old, new, 1), "mine")
    text = str(raised.value)
    assert said in text
    assert text.startswith("Lesson mine, line")
    assert text.count("\n") == 0


def test_the_command_tells_every_wrong_view_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.md"
    file.write_text(WRITTEN, "utf-8")
    assert cli.main(["lesson", str(file)]) == 0
    assert "Three steps: 3 steps, 1 of them with a question" in capsys.readouterr().out
    file.write_text(WRITTEN.replace("sane_step=2", "sane_stp=2").replace("picture=3", "mode=x"), "utf-8")
    assert cli.main(["lesson", str(file)]) == 1
    said = capsys.readouterr().err
    assert "step 1: The setting mode of the page explore cannot be 'x'." in said
    assert "step 2: The page sanity has no setting 'sane_stp'." in said
    assert cli.main(["lesson", "none", "--language", "de"]) == 1
    assert "lessons: 1-local-or-global" in capsys.readouterr().err


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "bytes.md").write_bytes(b"title: \xff\xfe")
    (tmp_path / "en" / "huge.md").write_bytes(b"x" * 300_000)
    (tmp_path / "secret.md").write_text(WRITTEN, "utf-8")
    for name in ("bytes", "huge", "../secret", "none", ""):
        with pytest.raises(InputError):
            read(name, "en", tmp_path)
    with pytest.raises(InputError, match="1 to 40 steps"):
        parse(WRITTEN + "\n## More\n" * 60)


def test_notes_and_locks_of_a_step() -> None:
    written = WRITTEN.replace("page: sanity", "page: sanity\nlocked: answer")
    look, ask, _ = parse(written.replace("Because it must.", "Yes.\n\nnotes:\nWait.")).steps
    assert (ask.reveal, ask.notes, look.notes) == ("Yes.", "Wait.", "")
    assert [ask.holds(answered) for answered in (False, True)] == [True, False]
    assert not look.holds(answered=False)
    hidden = parse(WRITTEN.replace("page: sanity", "page: sanity\nlocked: hidden"))
    assert [hidden.steps[1].holds(answered) for answered in (False, True)] == [True, False]
    for lesson, before in ((hidden, False), (parse(WRITTEN), True)):  # what a file shows before it answers
        page = sheet(lesson, lambda key: key, {}, explorers={2: b"a sweep"})
        assert (page.index('id="live-2"') < page.index("<details>")) == before


@pytest.mark.parametrize("language", languages())
def test_lessons_that_come_along(language: str) -> None:
    for name in names(language):
        lesson = read(name, language)
        assert 5 <= len(lesson.steps) <= 7
        assert any(step.notes for step in lesson.steps)
        assert sum(bool(step.question) for step in lesson.steps) >= len(lesson.steps) - 1
        english = read(name)
        assert [step.view for step in lesson.steps] == [step.view for step in english.steps]
        assert [[c.right for c in s.choices] for s in lesson.steps] == [
            [c.right for c in s.choices] for s in english.steps
        ]
        assert [step.locked for step in lesson.steps] == [step.locked for step in english.steps]
    assert len(names(language)) == 5


def test_one_file_holds_every_answer_and_nothing_of_a_text_becomes_markup() -> None:
    lesson = parse(WRITTEN.replace("Done.", "**Done** <script>x</script>\n\n- one\n- two"), "mine")
    pixels = np.full((4, 4, 3), 7, np.uint8)
    frames = tuple(Frame(f"at {k} <b>", (Panel("Map", pixels + k), Panel("", pixels))) for k in range(3))
    page = sheet(lesson, lambda key: key, {"page": "lessons"}, {2: Figure(frames, 1, "A <b>network")})
    assert page.count("<script>") == 1  # ours, which moves the slider
    assert settings_in(page) == {"page": "lessons"}
    assert "<b>" not in page
    assert "<strong>Done</strong> &lt;script&gt;" in page
    assert "<ul><li>one</li><li>two</li></ul>" in page
    assert "default-src 'none'" in page
    assert page.count("url(data:image/png") == 3  # equal pictures are held once
    assert page.count('class="frame panels"') == 3
    assert "✗ Nothing. Look again." in page
    assert "<script>" not in sheet(lesson, lambda key: key, {})


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_explorers_of_a_german_file_speak_german(language: str) -> None:
    lesson = parse(WRITTEN, "mine", language)
    page = sheet(lesson, lambda key: key, {}, explorers={1: b"a sweep"})
    german = "speakGerman(live.shadowRoot)"
    assert (german in page) == (language == "de")
    assert german not in sheet(lesson, lambda key: key, {})
    if language == "de":  # after the views are mounted
        assert page.index(german) > page.index("attachShadow")


def test_a_worksheet_asks_first_and_answers_on_its_last_page() -> None:
    lesson = parse(WRITTEN, "mine")
    figure = Figure(
        (Frame("", (Panel("Map", np.zeros((8, 8, 3), np.uint8), ("p = 0.5",)),)),), 0, "A network"
    )
    data = worksheet(lesson, lambda key: key, {2: figure})
    assert data == worksheet(lesson, lambda key: key, {2: figure})
    assert data.startswith(b"%PDF")
    assert data.count(b"/Subtype /Image") == 1
    assert data.count(b"/Type /Page\n") == 2
    assert len(data) < 200_000


@pytest.mark.parametrize("name", ["3-removing-pixels", "4-clever-hans"])
def test_figures_are_those_of_the_view_that_a_step_sets(name: str) -> None:
    step = read(name).steps[3]
    figure = figure_of(step, _english)
    assert figure is not None
    if name == "3-removing-pixels":  # ordered by magnitude, least first: the answer stays
        whole, *_, most = figure.frames
        assert whole.panels[0].notes == whole.panels[1].notes
        assert (figure.at, figure.frames[3].title) == (3, "30\N{NO-BREAK SPACE}% gone (least relevant first)")
        assert (most.panels[0].pixels != whole.panels[0].pixels).any(2).mean() == pytest.approx(0.7, abs=0.05)
        both = figure_of(read(name).steps[2], _english)
        assert both is not None
        grey, blurred = both.frames[1].panels[::2]  # of PruneGrad
        assert (grey.title, blurred.title) == ("PruneGrad, mean colour", "PruneGrad, blurred")
        assert 0.05 < (grey.pixels != blurred.pixels).any(2).mean() < 0.15  # where a tenth was removed
        (usual,) = [panel.notes for panel in _sane("spearman_abs").frames[1].panels if panel.notes]
        (signed,) = [panel.notes for panel in _sane("spearman").frames[1].panels if panel.notes]
        assert signed == (*usual, "with signs 1.00")  # an edge detector's likeness to itself
    else:  # network A's path lies on the mark, in the lower left corner
        for panel, least, most in zip(figure.frames[0].panels[1:], (0.6, 0.0), (1.0, 0.2), strict=True):
            drawn = panel.pixels.astype(int)
            kept = (drawn != drawn[0, 0]).any(2)  # a hundredth of the neurons
            assert least <= kept[100:, :40].sum() / kept.sum() <= most, panel.title
    assert figure_of(replace(step, page="reproduction"), _english) is None


def test_every_step_with_a_page_has_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves and tables are read from the shipped runs; what a page computes is drawn in the test above."""
    monkeypatch.setattr(figures, "_PAGES", dict.fromkeys(figures._PAGES, lambda scene: scene))
    for name in names("en"):
        for step in read(name).steps:
            assert (figure_of(step, _english) is not None) == bool(step.page), (name, step.title)
    chart = figure_of(read("5-small-networks").steps[1], _english)
    assert isinstance(chart, Figure)
    assert chart.frames[0].panels[0].pixels.std() > 5


def test_a_table_that_a_step_names_is_in_both_files() -> None:
    plain, named = (
        parse(WRITTEN.replace("page: sanity", f"page: sanity{more}"), "mine")
        for more in ("", "\ntable: clever-hans")
    )
    page = sheet(named, lambda key: key, settings={})
    assert page.count("<td>method_guided_backprop</td>") == 1
    assert len(worksheet(named, lambda key: key, {})) > len(worksheet(plain, lambda key: key, {})) + 1000


def test_a_file_says_what_it_can_show_and_not_what_a_hand_does_on_the_page() -> None:
    said = WRITTEN.replace("reveal:", "file:\nOn paper.\n\nreveal:")
    step = parse(said).steps[1]
    assert (step.file, step.printed, step.reveal) == ("On paper.", "On paper.", "Because it must.")
    assert parse(WRITTEN).steps[0].printed.startswith("What do you see?")
    page = sheet(parse(said), lambda key: key, {})
    assert page.count("<p>On paper.</p>") == 1
    assert "no step, but code" not in page
    for language in languages():
        for name in names(language):
            for number, step in enumerate(read(name, language).steps, 1):
                texts = (step.question, step.printed, step.reveal)
                texts += tuple(part for one in step.choices for part in (one.text, one.reason))
                assert [text for text in texts if ASKS_A_HAND.search(text)] == [], (language, name, number)


def test_a_step_names_the_run_whose_figures_it_tells() -> None:
    """The page's own choice is the newest run, which changes."""
    asked = {"tables": "study", "roar": "bench_run"}
    for language in languages():
        for name in names(language):
            for step in read(name, language).steps:
                view = dict(step.view)
                for shown in {view.get("desk"), view.get("bench")} & set(asked):
                    assert asked[str(shown)] in view, (name, step.title)


def test_paper_has_the_places_that_a_slider_has_passed() -> None:
    def pixels(value: int) -> Panel:
        return Panel("" if value == 7 else "Map", np.full((4, 4, 3), value, np.uint8))

    frames = tuple(Frame(f"at {k}", (pixels(7), pixels(k), pixels(10)), f"{k} %") for k in range(4))
    panels, across, _ = _panels(Figure(frames, 2, "A network"))
    rows = [panels[start : start + across] for start in range(0, len(panels), across)]
    assert [[int(one.pixels[0, 0, 0]) for one in row] for row in rows] == [
        [7, 0, 1, 2, 255, 255],
        [255, 10, 10, 10, 255, 255],
    ]
    assert [one.title for one in rows[0]] == ["", "Map, 0 %", "1 %", "2 %", "", ""]
    assert len(_panels(Figure(frames, 0, "A network"))[0]) == 3


def test_a_text_after_a_step_that_asks_nothing_is_in_the_file_and_unfolded() -> None:
    page = sheet(parse(WRITTEN.replace("Done.", "Done.\n\nreveal:\nUnasked."), "mine"), lambda key: key, {})
    assert page.index("</details>") < page.index("<p>Unasked.</p>")


def _sane(measure: str) -> Figure:
    view = {"model": "scenes-net", "source": "scenes", "sane_methods": "edges", "sane_measure": measure}
    found = figure_of(Step("", page="sanity", view=tuple(view.items())), _english)
    assert found is not None
    return found


def _english(key: str, **values: object) -> str:
    text: str = json.loads((FOLDER / "en" / "words.json").read_text("utf-8"))[key]
    return text.format(**values)
