"""The page Lessons without a browser: cards, steps with their views on the real pages, answers, links."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core.lessons import text
from pruneattr_core.results.sweeps import Question
from pruneattr_core.ui import browser_store
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.lessons import group, view
from pruneattr_core.ui.lessons import step as steps
from tests.app.compare_grids import finished
from tests.app.conftest import ROOT, healthy, until

Start = Callable[..., AppTest]
PAGE = "pages/10_lessons.py"

MINE = """title: Mine
minutes: 3
know: A little.

## Look
page: explore
view: model=scenes-net&picture=3&mode=freeze
question: What is it?
choice: A ring :: No.
right: A star :: Five points.

reveal:
It is a star.

## Remove
page: removal
view: model=scenes-net&source=scenes&picture=5&gone=0.2

Pull.

## Home

Bye.
"""


def results() -> set[Question]:
    """Names of the sweeps that are there."""
    return {name for name in engine().jobs.results.names() if isinstance(name, Question)}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One lesson of three steps, a text file, beside the page's own words."""
    words = text.FOLDER / "en" / "words.json"
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "words.json").write_text(words.read_text("utf-8"), "utf-8")
    (tmp_path / "en" / "mine.md").write_text(MINE, "utf-8")
    (tmp_path / "en" / "broken.md").write_text("## nothing", "utf-8")
    monkeypatch.setattr(text, "FOLDER", tmp_path)


def test_a_text_file_is_a_lesson_on_the_real_pages(start: Start, mine: None) -> None:
    app = start().switch_page(PAGE).run()
    assert not app.exception
    assert ["line 1" in error.value for error in app.error] == [True]  # the broken one; mine stands
    app.button(key="begin_mine").click().run()
    healthy(app)
    assert app.session_state["picture"] == 3
    assert app.session_state["mode"] == "freeze"
    assert app.query_params["lesson"] == "mine"
    assert not any("It is a star" in one.value for one in app.markdown)
    app.button(key="choice_0").click().run()
    healthy(app)
    assert [one.value for one in app.warning] == ["**Not quite.** No."]
    assert any("It is a star" in one.value for one in app.markdown)
    app.button(key="choice_1").click().run()
    assert [one.value for one in app.success] == ["**Right.** Five points."]
    app.button(key="lesson_next").click().run()
    healthy(app)
    assert app.session_state["gone"] == 0.2
    assert app.session_state["picture"] == 5
    assert any("Pixel removal" in one.value for one in app.markdown)
    app.session_state["picture"] = 9  # moved by hand; going on and back sets the view again
    app.button(key="lesson_next").click().run()
    app.button(key="lesson_back").click().run()
    assert app.session_state["picture"] == 5
    app.button(key="lesson_back").click().run()
    assert app.success  # the answer given is remembered


def test_an_upload_takes_the_place_of_the_picture_and_stays_with_its_teacher(
    start: Start, mine: None
) -> None:
    data = io.BytesIO()
    Image.new("RGB", (140, 130), (30, 160, 90)).save(data, "PNG")
    app = start().switch_page(PAGE).run()
    app.button(key="begin_mine").click().run()
    app.file_uploader(key="uploader").upload("mine.png", data.getvalue(), "image/png").run()
    healthy(app)
    key = app.session_state["upload"]
    assert any(one.subject.image == key for one in results())
    app.button(key="class_open").click().run()
    healthy(app)
    assert any("stays in this browser" in one.value for one in app.caption)
    pupil = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run().switch_page(PAGE)
    pupil.query_params["class"] = app.session_state["class"]
    pupil.run()
    healthy(pupil)
    assert (pupil.session_state["source"], pupil.session_state["picture"]) == ("", 3)
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:  # after a reload it is in this browser
        patch.setattr(browser_store, "ask_browser", lambda name: not asked.append(name))
        again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run().switch_page(PAGE)
        again.query_params.update({"lesson": "mine", "source": "upload", "upload": key})
        again.run()
    healthy(again)
    assert asked == [key]


def test_a_link_leads_to_its_step_and_what_it_says_of_the_view_stands(start: Start, mine: None) -> None:
    address = {"lesson": "mine", "lesson_step": "2", "picture": "7", "gone": "0.4", "presenter": "1"}
    app = start(**address).switch_page(PAGE)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    healthy(app)
    assert (app.session_state["picture"], app.session_state["gone"]) == (7, 0.4)
    assert app.toggle(key="presenter").value
    app = start(lesson="mine", lesson_step="99").switch_page(PAGE).run()
    assert not app.exception
    assert app.session_state["lesson_step"] == 1


@pytest.mark.parametrize("language", text.languages())
def test_every_view_of_the_lessons_that_come_along_exists(language: str) -> None:
    for name in text.names(language):
        for step in text.read(name, language).steps:
            assert view.complaint(step) == "", (name, step.title)
    wrong = text.Step("x", page="explore", view=(("mode", "sideways"),))
    assert "mode" in view.complaint(wrong)
    assert "no setting 'sane_step'" in view.complaint(
        text.Step("x", page="explore", view=(("sane_step", "1"),))
    )


def test_a_locked_view_is_set_back_until_the_answer_is_given(
    start: Start, mine: None, tmp_path: Path
) -> None:
    (tmp_path / "en" / "mine.md").write_text(MINE.replace("view:", "locked: answer\nview:", 1), "utf-8")
    app = start().switch_page(PAGE).run()
    app.button(key="begin_mine").click().run()
    app.session_state["mode"] = "zero"
    app.run()
    assert app.session_state["mode"] == "freeze"
    assert any("once you have answered" in one.value for one in app.caption)
    app.button(key="choice_0").click().run()
    app.session_state["mode"] = "zero"
    app.run()
    healthy(app)
    assert app.session_state["mode"] == "zero"


def test_a_hidden_view_shows_its_picture_alone_until_the_answer_is_given(
    start: Start, mine: None, tmp_path: Path
) -> None:
    (tmp_path / "en" / "mine.md").write_text(MINE.replace("view:", "locked: hidden\nview:", 1), "utf-8")
    app = start().switch_page(PAGE).run()
    app.button(key="begin_mine").click().run()
    healthy(app)
    assert not app.metric
    assert any("once you have answered" in one.value for one in app.caption)
    app.button(key="choice_0").click().run()
    healthy(app)
    assert app.session_state["mode"] == "freeze"
    assert app.metric


def test_the_next_view_is_computed_while_this_one_stands(start: Start, mine: None, tmp_path: Path) -> None:
    file, asked = tmp_path / "en" / "mine.md", {"picture": "4", "target": "2", "mode": "zero"}
    view = "&".join(f"{name}={value}" for name, value in asked.items())
    step = f"## Next\npage: explore\nview: model=scenes-net&source=scenes&{view}\n\n## Remove"
    file.write_text(MINE.replace("## Remove", step), "utf-8")

    def there() -> set[Question]:
        return {one for one in results() if (one.subject.target, one.mode) == (2, "zero")}

    app = start().switch_page(PAGE).run()
    assert not there()
    app.button(key="begin_mine").click().run()
    healthy(app)  # though the next view has another mode than the one shown
    until(app, lambda _: len(there()) == 1)
    app.button(key="lesson_next").click().run()
    healthy(app)
    assert engine().jobs.jobs.keys().isdisjoint(there())
    assert len(there()) == 1  # it was the one that the page asks for
    assert app.metric


def test_a_class_follows_its_teacher_and_its_answers_are_counted(
    start: Start, mine: None, tmp_path: Path
) -> None:
    noted = MINE.replace("It is a star.", "It is a star.\n\nnotes:\nWait for them.")
    (tmp_path / "en" / "mine.md").write_text(noted, "utf-8")
    teacher = start(picture="8").switch_page(PAGE)  # a link's own picture
    for name, value in {"lesson": "mine", "picture": "8"}.items():
        teacher.query_params[name] = value
    teacher.run()
    teacher.button(key="class_open").click().run()
    healthy(teacher)
    code = teacher.session_state["class"]
    pupil = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run().switch_page(PAGE)
    pupil.query_params.update({"class": code, "picture": "1", "model": "resnet8-cifar10"})  # kept out
    pupil.run()
    healthy(pupil)
    assert (pupil.session_state["picture"], pupil.session_state["model"]) == (8, "scenes-net")
    window = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run().switch_page(PAGE)
    window.query_params.update({"class": code, "notes": "1"})
    window.run()
    healthy(window)
    assert {"Wait for them.", "✓ **A star** Five points."} <= {one.value for one in window.markdown}
    assert not any("Wait for them." in one.value for one in (*teacher.markdown, *pupil.markdown))
    assert not [one for one in pupil.button if one.key == "lesson_next"]
    asked = next(one.value for one in pupil.caption if one.value.startswith("Choose an answer"))
    assert "N for the next" not in asked  # which is the teacher's
    assert any("N for the next" in one.value for one in teacher.caption)
    pupil.button(key="choice_1").click().run()
    teacher.run()
    assert any(one.value == "Answers of the class: 1" for one in teacher.caption)
    teacher.button(key="lesson_next").click().run()
    pupil.run()
    healthy(pupil)
    assert pupil.session_state["lesson_step"] == 2
    assert pupil.session_state["gone"] == 0.2


def test_who_reloads_the_page_leads_on_and_who_ends_a_class_ends_it_for_all(
    start: Start, mine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, str] = {}  # of the teacher's tab
    monkeypatch.setattr(group, "keep_key", lambda code, key: kept.setdefault(code, key))

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run().switch_page(PAGE)
        app.query_params.update(query)
        return app.run()

    teacher = opened(lesson="mine", lesson_step="3")
    teacher.button(key="class_open").click().run()
    code = teacher.session_state["class"]
    again = opened(**{"class": code})
    healthy(again)
    again.button(key="lesson_back").click().run()  # who follows has no such button
    kept[code] = "somebody else's"
    pupil = opened(**{"class": code})
    assert pupil.session_state["lesson_step"] == 2
    assert not [one for one in pupil.button if one.key == "lesson_next"]
    again.button(key="class_leave").click().run()
    for _ in range(3):  # the page goes on by itself, and would wipe it
        pupil.run()
        assert ["over" in one.value for one in pupil.warning] == [True]
    assert [one for one in pupil.button if one.key == "lesson_next"]


def test_what_is_downloaded_is_made_outside_any_run(
    start: Start, mine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit calls what makes a file when it is asked for, on a thread that knows no session."""
    offered: dict[str, Any] = {}

    def download(label: str, data: Any, *_: object, **__: object) -> bool:
        offered[label] = data
        return False

    monkeypatch.setattr(st, "download_button", download)
    app = start(lesson="mine", methods="edges,saliency")
    until(app, lambda app: "PNG" in offered)
    finished(app.switch_page("pages/2_compare.py").run())
    healthy(app.switch_page(PAGE).run())
    made = {label: data for label, data in offered.items() if callable(data)}
    some = {"PNG", "One file (HTML)", "All arrays (NPZ)", "Lesson as one file (HTML)", "Worksheet (PDF)"}
    assert some <= set(made)
    with ThreadPoolExecutor(1) as pool:
        sizes = {label: len(pool.submit(data).result()) for label, data in made.items()}
    assert min(sizes.values()) > 500, sizes


def test_answers_outlive_a_reload_and_nobodys_are_believed_that_are_none(
    start: Start, mine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab: dict[str, Any] = {}
    monkeypatch.setattr(steps, "keep_answers", lambda given, place: tab.update(given))
    monkeypatch.setattr(steps, "kept_answers", tab.copy)

    def opened() -> AppTest:
        app = start().switch_page(PAGE)
        app.query_params["lesson"] = "mine"
        return app.run()

    opened().button(key="choice_1").click().run()
    assert tab == {"mine 1": 1}
    again = opened()
    healthy(again)
    assert [one.value for one in again.success] == ["**Right.** Five points."]
    for wrong in (7, -1, 0.5, "1", None, [1]):
        tab["mine 1"] = wrong
        none = opened()
        healthy(none)
        assert not none.success
        assert not none.warning


def test_the_review_of_a_lesson_goes_on_from_step_to_step_and_ends_with_it(start: Start) -> None:
    app = start().switch_page(PAGE).run()
    app.button(key="begin_5-small-networks").click().run()
    until(app, lambda app: bool(app.session_state["review"]))
    first, judged = app.session_state["review"], app.session_state["judged"]
    for _ in range(4):
        app.button(key="lesson_next").click().run()
        healthy(app)
    assert app.session_state["desk_order"] == "cosine"
    assert (app.session_state["review"], app.session_state["judged"]) == (first, judged)
    app.button(key="lesson_leave").click().run()
    app.button(key="begin_5-small-networks").click().run()
    assert app.session_state["review"] != first
