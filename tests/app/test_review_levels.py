"""At which level a reviewer judged: verdict, note, table, report and its pictures are of one."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pruneattr_core import PruneGrad
from pruneattr_core.compression.review_maps import LEVELS, START_LEVEL
from pruneattr_core.compression.review_verdicts import load_review, review_csv, reviews_folder, save_verdicts
from pruneattr_core.ui.review import exports as review_exports
from pruneattr_core.ui.review.lineup import Lineup
from pruneattr_core.ui.review.pictures import Scenes
from tests.app.reviewing import (
    STUDENTS,
    TEACHER,
    Start,
    contender,
    finished,
    header,
    network,
    opened,
    say,
    stand_in,
)

JUDGED_AT, LATER = LEVELS.index(0.5), LEVELS.index(0.97)


@pytest.fixture(autouse=True)
def desk_of_stand_ins(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


@pytest.fixture
def app(start: Start) -> AppTest:
    """A desk with a slider, at its usual place."""
    return opened(start, desk_method="prunegrad", review="r")


def report(level: int) -> str:
    lineup = Lineup(contender(TEACHER), tuple(map(contender, STUDENTS)), 0, True)
    return review_exports.report("r", lineup, Scenes(24, 128), {}, level).decode()


def pictures(text: str) -> list[str]:
    """The addresses of the maps in a report, without the picture's own."""
    return re.findall(r"<figure><img src='([^']*)' [^>]*alt='(?:teacher|student)", text)


def without_levels() -> None:
    """The review's file as it was before levels were recorded."""
    file = reviews_folder() / "r.json"
    content = json.loads(file.read_text("utf-8"))
    for one in content["verdicts"]:
        del one["scale"], one["level"]
    file.write_text(json.dumps(content), "utf-8")


def test_a_verdict_has_level_and_numbers_of_the_moment(app: AppTest) -> None:
    row = finished(app)["rows"][0]
    say(app, {row["key"]: ("broken", "")}, JUDGED_AT, slider=LATER)
    one = load_review("r")[row["key"]]
    assert (one.scale, one.level) == ("all", 0.5)
    assert one.cosine == row["cells"][1]["cosine"][JUDGED_AT] != row["cells"][1]["cosine"][LATER]
    assert app.session_state["desk_level"] == LATER
    (listed,) = csv.DictReader(io.StringIO(review_csv(load_review("r")).decode("utf-8-sig")))
    assert (listed["scale"], listed["level"]) == ("share of all neurons removed", "0.5")
    app.run()
    assert header(app)["rows"][0]["level"] == JUDGED_AT  # the desk knows it, for a note and for undo


def test_a_note_typed_later_leaves_the_verdict_as_it_was_given(app: AppTest) -> None:
    key = finished(app)["rows"][0]["key"]
    say(app, {key: ("broken", "")}, JUDGED_AT, slider=JUDGED_AT)
    first = replace(load_review("r")[key], at="2020-02-02T00:00:00Z")
    save_verdicts("r", {key: first})
    say(app, {key: ("broken", "typed later")}, JUDGED_AT, slider=LATER)
    noted = load_review("r")[key]
    assert noted.note == "typed later"
    assert (noted.level, noted.cosine, noted.l2, noted.at) == (0.5, first.cosine, first.l2, first.at)
    say(app, {key: ("broken", "typed later")}, LATER, slider=LATER)  # judged again, alike, at another level
    again = load_review("r")[key]
    assert again.level == 0.97
    assert again.cosine != first.cosine


def test_pictures_and_numbers_of_a_report_are_of_one_level(app: AppTest) -> None:
    key = finished(app)["rows"][0]["key"]
    drawn = {}
    for level in (JUDGED_AT, START_LEVEL, LATER):
        say(app, {key: ("broken", "")}, level)
        text = report(START_LEVEL)
        drawn[level] = pictures(text)
        assert f"; {100 * LEVELS[level]:g} % of all neurons removed;" in text
        assert f"cosine {load_review('r')[key].cosine:.3f}" in text
        assert report(JUDGED_AT) == text  # wherever the slider stands now
    assert len({tuple(two) for two in drawn.values()}) == 3
    assert all(len(two) == 2 for two in drawn.values())


def test_a_report_opens_again_at_the_level_on_screen(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(review_exports, "report", lambda *given: asked.update(given[3]) or b"")
    made = []
    monkeypatch.setattr(review_exports.st, "download_button", lambda label, data, *_, **__: made.append(data))
    finished(app)
    app.run()  # where all came with the first run, no later one has made the button
    made[-1]()
    assert asked["desk_level"] == str(START_LEVEL)


def test_old_files_are_read_and_say_that_no_level_was_recorded(app: AppTest) -> None:
    key = finished(app)["rows"][0]["key"]
    say(app, {key: ("broken", "")}, JUDGED_AT, slider=JUDGED_AT)
    first = load_review("r")[key]
    without_levels()
    old = load_review("r")[key]
    assert (old.scale, old.cosine) == ("", first.cosine)
    assert math.isnan(old.level)
    assert "not recorded" in review_csv(load_review("r")).decode("utf-8-sig")
    text = report(LATER)
    assert "level not recorded" in text
    assert "teacher, at 97 % of all neurons removed" in text
    app.run()
    assert header(app)["rows"][0]["level"] is None
    say(app, {key: ("broken", "a note")}, None, slider=LATER)
    noted = load_review("r")[key]
    assert (noted.note, noted.scale, noted.cosine, noted.at) == ("a note", "", first.cosine, first.at)


@pytest.mark.parametrize("told", [None, -1, len(LEVELS), "7", 2.5])
def test_a_level_that_nobody_can_have_seen_is_not_recorded(app: AppTest, told: object) -> None:
    key = finished(app)["rows"][0]["key"]
    say(app, {key: ("broken", "")}, told)  # type: ignore[arg-type]
    one = load_review("r")[key]
    assert one.scale == ""
    assert math.isnan(one.cosine)


def test_a_method_without_a_slider_has_no_level(start: Start) -> None:
    app = opened(start, review="r", desk_level="3")
    row = finished(app)["rows"][0]
    say(app, {row["key"]: ("ok", "")}, 0, slider=3)
    one = load_review("r")[row["key"]]
    assert one.scale == "none"
    assert one.cosine == row["cells"][1]["cosine"][0]
    assert "of all neurons" not in report(3)


def test_a_map_is_described_at_the_level_that_is_shown(app: AppTest) -> None:
    cells = [cell for row in finished(app)["rows"] for cell in row["cells"]]
    assert {len(cell["words"]) for cell in cells} == {len(LEVELS)}
    assert any(cell["words"][JUDGED_AT] != cell["words"][LATER] for cell in cells)


def test_a_level_that_moves_no_map_is_told_of(app: AppTest) -> None:
    page = finished(app)
    card = contender(TEACHER).card
    inputs = card.preprocess(Scenes(24, 128)[0].image)
    target = card.classes.index(page["rows"][0]["target"])
    told = {page["columns"][cell["column"]]["id"]: cell["plain"] for cell in page["rows"][0]["cells"]}
    for name, plain in told.items():
        maps = PruneGrad(network("", weights=name)).sweep(inputs, target, LEVELS).maps
        assert plain == [torch.equal(level, maps[0]) for level in maps]
    assert any(any(plain[1:]) and not all(plain) for plain in told.values())
