"""The review page without a browser: the desk, verdicts on the disk, triage, links, paths and tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pruneattr_core.compression.review_maps import LEVELS, START_LEVEL
from pruneattr_core.compression.review_verdicts import load_review, reviews_folder, secret_name
from pruneattr_core.compression.table import published, write_study
from pruneattr_core.errors import InputError
from pruneattr_core.share.html import settings_in
from pruneattr_core.share.words import counted
from pruneattr_core.ui import cache, results
from pruneattr_core.ui.review import choices as review_choices
from pruneattr_core.ui.review import desk
from pruneattr_core.ui.review import exports as review_exports
from pruneattr_core.ui.review.lineup import Lineup, first_students
from pruneattr_core.ui.review.pictures import Scenes
from tests.app.conftest import until
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


@pytest.fixture(autouse=True)
def desk_of_stand_ins(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def test_teacher_and_students_stand_side_by_side(start: Start) -> None:
    app = opened(start)
    found = finished(app)
    assert [column["title"] for column in found["columns"]] == ["Tutor", "Small", "Thinned"]
    assert [column["focus"] for column in found["columns"]] == [False, True, False]
    assert len(found["rows"]) == 6
    assert len(found["levels"]) == 1
    for row in found["rows"]:
        assert row["masked"]
        teacher, *students = row["cells"]
        assert teacher["cosine"] is None
        assert len(teacher["point"]) == len(teacher["mass"]) == len(teacher["peak"]) == 1
        for cell in students:
            assert cell["cosine"][0] is None or -1 <= cell["cosine"][0] <= 1
            assert cell["says"].startswith("says")


def test_the_slider_has_levels_for_all_columns_and_the_link_keeps_its_place(start: Start) -> None:
    app = opened(start, desk_method="prunegrad", desk_level="3")
    found = finished(app)
    assert len(found["levels"]) == len(LEVELS)
    assert found["start_level"] == 3
    cells = [cell for row in found["rows"] for cell in row["cells"]]
    assert {cell["levels"] for cell in cells} == {len(LEVELS)}
    assert [cell["block"] for cell in cells] == [k * len(LEVELS) for k in range(len(cells))]
    app.session_state["desk_grid"] = {"given": {}, "level": 5}
    before = found["id"]
    app.run()
    assert app.session_state["desk_level"] == 5
    assert header(app)["id"] == before  # the live level is not in the payload


def test_verdicts_are_on_the_disk_at_once_and_resumed(start: Start) -> None:
    app = opened(start, review="first look")
    keys = [row["key"] for row in finished(app)["rows"]]
    say(app, {keys[0]: ("broken", "looks at the corner"), keys[1]: ("", "only a note")})
    saved = load_review("first look")
    assert [(one.verdict, one.note) for one in saved.values()] == [
        ("broken", "looks at the corner"),
        ("", "only a note"),
    ]
    first = saved[keys[0]]
    assert (first.student, first.teacher, first.method, first.picture) == ("small", "tutor", "gradcam", 0)
    assert first.at.endswith("Z")
    app.run()
    assert header(app)["rows"][0]["verdict"] == "broken"  # also for who left the page and comes back
    again = finished(opened(start, review="first look"))
    assert [row["verdict"] for row in again["rows"][:2]] == ["broken", ""]
    assert again["rows"][1]["note"] == "only a note"
    assert any("1 of 24" in text.value for text in opened(start, review="first look").markdown)


def test_who_judges_what_another_window_has_judged_is_told(start: Start) -> None:
    app, other = opened(start, review="ours"), opened(start, review="ours")
    keys = [row["key"] for row in finished(app)["rows"]]
    finished(other)
    say(other, {keys[0]: ("broken", "a corner"), keys[1]: ("ok", "")})
    say(app, {keys[0]: ("ok", ""), keys[1]: ("ok", "")})  # of the second, both say the same
    assert ["Broken, “a corner”. What you say counts now: OK." in one.value for one in app.toast] == [True]
    assert load_review("ours")[keys[0]].verdict == "ok"
    say(app, {keys[0]: ("suspicious", ""), keys[1]: ("ok", "")})  # of its own, nobody is told
    assert not app.toast


def test_every_session_begins_a_review_of_its_own(start: Start) -> None:
    app, other = opened(start), opened(start)
    names = [one.session_state["review"] for one in (app, other)]
    assert names[0] != names[1]
    say(app, {finished(app)["rows"][0]["key"]: ("ok", "")})
    assert len(load_review(names[0])) == 1
    assert load_review(names[1]) == {}
    assert app.query_params["review"] in (names[0], [names[0]])  # a reload and a link keep it
    assert finished(opened(start, review=names[0]))["rows"][0]["verdict"] == "ok"
    chosen = opened(start).selectbox(key="review")
    assert names[0] in chosen.options
    again = chosen.set_value(names[0]).run()
    assert finished(again)["rows"][0]["verdict"] == "ok"


def test_verdicts_of_the_former_common_name_stay_within_reach(start: Start) -> None:
    app = opened(start, review="my review")
    say(app, {finished(app)["rows"][0]["key"]: ("broken", "")})
    assert "my review" in opened(start).selectbox(key="review").options
    assert finished(opened(start, review="my review"))["rows"][0]["verdict"] == "broken"


def test_filters_out_of_sight_are_counted(start: Start) -> None:
    app = opened(start, desk_todo="open", desk_page="2")
    labels = [block.proto.popover.label for block in app.get("popover")]
    assert "Students (2)" in labels
    assert "Order and filters (2)" in labels  # the number of pictures is another than at first, too


def test_a_verdict_taken_back_is_removed(start: Start) -> None:
    app = opened(start, review="r")
    key = finished(app)["rows"][0]["key"]
    say(app, {key: ("ok", "")})
    say(app, {key: ("", "")})
    assert load_review("r") == {}


def test_a_full_disk_is_said_and_nothing_is_lost(start: Start, tmp_path: Path) -> None:
    app = opened(start, review="r")
    key = finished(app)["rows"][0]["key"]
    (tmp_path / "pruneattr").write_text("in the way")
    say(app, {key: ("ok", "")})
    assert any("Not saved" in error.value for error in app.error)
    (tmp_path / "pruneattr").unlink()
    app.run()
    assert not app.error
    assert load_review("r")[key].verdict == "ok"


def test_a_damaged_review_is_named_and_left(start: Start) -> None:
    reviews_folder().mkdir(parents=True)
    (reviews_folder() / "r.json").write_text("{")
    app = opened(start, review="r")
    assert "cannot be read" in app.error[0].value
    assert (reviews_folder() / "r.json").read_text() == "{"


def test_the_most_deformed_come_first(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    usual = desk.triage_key
    monkeypatch.setattr(desk, "triage_key", lambda *of: asked.append(usual(*of)) or asked[-1])
    app = opened(start, desk_order="cosine", judged="thinned")
    until(app, lambda app: any("are right in both networks" in text.value for text in app.caption))
    numbers = cache.engine().jobs.results.get(asked[-1])
    assert len(numbers) == 24
    wanted = numbers.order("cosine")[:6]
    rows = finished(app)["rows"]
    assert [int(row["title"].split()[0]) for row in rows] == wanted
    assert numbers.nbytes < 5000  # numbers, no maps
    app.selectbox(key="desk_show").set_value("left").run()
    expected = len(numbers.order("cosine", "left"))
    assert any(counted(expected, "pictures") in text.value for text in app.markdown) or expected == 0


def test_open_pictures_alone_and_pages(start: Start) -> None:
    app = opened(start, review="r", desk_todo="open")
    first = finished(app)["rows"]
    say(app, {row["key"]: ("ok", "") for row in first})
    assert [row["key"] for row in header(app)["rows"]] == [row["key"] for row in first]  # nothing jumps away
    app.button(key="desk_forth").click().run()
    found = finished(app, lambda now: now["complete"] and now["rows"][0]["key"] != first[0]["key"])
    assert [int(row["title"].split()[0]) for row in found["rows"]] == list(range(6, 12))


def test_a_row_judged_away_from_its_filter_stays_until_the_page_is_left(start: Start) -> None:
    app = opened(start, review="r")
    say(app, {row["key"]: ("ok", "") for row in finished(app)["rows"]})
    app.session_state["desk_todo"] = "ok"
    keys = [row["key"] for row in finished(app.run())["rows"]]
    say(app, dict.fromkeys(keys, ("broken", "")))  # none of them passes now
    assert [row["key"] for row in header(app)["rows"]] == keys
    say(app, {keys[0]: ("ok", "again")})  # an undo arrives
    app.session_state["desk_todo"] = "broken"
    assert [row["key"] for row in finished(app.run())["rows"]] == keys[1:]


def test_a_turn_of_the_page_is_done_once(start: Start) -> None:
    app = opened(start)
    finished(app)
    app.session_state["desk_grid"] = {"given": {}, "level": 0, "turn": {"step": 1, "page": 1, "id": 12.5}}
    app.run()
    assert app.session_state["desk_page"] == 2
    app.session_state["desk_page"] = 1
    app.run()
    assert app.session_state["desk_page"] == 1  # the same turn is not done again


def test_a_link_that_asks_for_nonsense_is_told(start: Start) -> None:
    app = opened(start, desk_method="magic", desk_count="7", review="../x", students="nobody")
    assert len(app.warning) == 4
    found = finished(app)
    assert [column["id"] for column in found["columns"]] == ["tutor", *first_students(STUDENTS)]
    assert first_students(STUDENTS) == ("small", "matched", "thinned")


def test_of_the_students_that_a_link_names_those_that_are_there_are_shown(start: Start) -> None:
    app = opened(start, students="matched,nobody")
    assert len(app.warning) == 1
    assert [column["id"] for column in finished(app)["columns"]] == ["tutor", "matched"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"teacher": "nobody"}, "the teacher `nobody`"),
        ({"students": "small,nobody"}, "the students `nobody`"),
        ({"students": "small," * 9 + "nobody"}, "the students `nobody`"),
        ({"judged": "large"}, "the student under review `large`"),
        ({"desk_class": "99"}, "the class `99`"),
        ({"desk_page": "40"}, "the page `40`"),
        ({"desk_page": "2.5"}, "the page `2.5`"),
        ({"desk_level": "70"}, "the sparsity level `70`"),
        ({"desk_source": "own", "own_teacher": "attic"}, "the teacher's architecture `attic`"),
        ({"own_folder": "../secrets"}, "the folder of pictures `../secrets`"),
        ({"desk_order": "<b>"}, "the order `?b?`"),
    ],
)
def test_what_a_link_names_in_vain_is_said_until_it_is_read(
    start: Start, query: dict[str, str], said: str
) -> None:
    app = opened(start, **query)
    for _ in range(2):  # the desk starts itself again while it computes
        sentences = [warning.value for warning in app.warning]
        assert any(said in one and "not available here" in one for one in sentences), sentences
        app.run()
    (name, *_) = [name for name in query if name != "desk_source"]
    assert app.query_params.get(name) not in (query[name], [query[name]])


def test_without_students_the_page_says_what_to_do(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_choices, "zoo", dict)
    app = opened(start)
    assert "bring your own pair" in app.info[0].value
    assert "compress" in app.code[0].value


def test_a_method_that_fails_fails_in_its_cell(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise InputError("This does not fit.")

    monkeypatch.setattr(results, "explain", fails)
    cells = [cell for row in finished(opened(start))["rows"] for cell in row["cells"]]
    assert {(cell["state"], cell["text"]) for cell in cells} == {("failed", "This does not fit.")}


def test_paths_overlap_where_layers_correspond(start: Start) -> None:
    app = opened(start, desk="paths")
    chart = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert [line["name"] for line in chart["data"]] == ["Small", "Thinned"]
    assert not app.exception


def test_a_network_larger_than_the_room_for_networks_is_kept_alone() -> None:
    models = cache.Engine().models
    small, large = network("scenes-net"), nn.Linear(1, 1, bias=False)
    large.weight = nn.Parameter(torch.empty(cache.MODEL_BYTES, dtype=torch.float32, device="meta"))
    models.put("small", (small, "hash"))
    models.put("large", (large, "hash"))
    assert models.names() == ["large"]


def test_the_report_draws_what_was_judged(start: Start) -> None:
    app = opened(start, review="r")
    rows = finished(app)["rows"]
    say(app, {rows[0]["key"]: ("broken", "why"), rows[1]["key"]: ("ok", "")})
    lineup = Lineup(contender(TEACHER), tuple(map(contender, STUDENTS)), 0, True)
    text = review_exports.report("r", lineup, Scenes(24, 128), {"review": "r"}, START_LEVEL).decode()
    assert settings_in(text)["view"] == {"review": "r"}
    assert text.count("data:image/png;base64") == 6
    assert "why" in text
    fewer = Lineup(lineup.teacher, lineup.students[1:], 0, True)
    other = review_exports.report("r", fewer, Scenes(24, 128), {}, START_LEVEL)
    assert b"not open on the page" in other


def test_tables_stand_beside_the_papers(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pruneattr_core.ui.review import tables as review_tables

    monkeypatch.setattr(review_tables, "RUNS", tmp_path)
    app = opened(start, desk="tables")
    assert "No compression run" in app.info[0].value
    rows = [{"title": "/8 SSWA", "seeds": [0], "gradcam.cosine": 0.5, "gradcam.l2": 0.9}]
    rows[0]["gradcam.cosine.sd"] = 0.02
    content = {"about": "A small study", "config": {}, "members": [], "tables": {"Table 3": rows}}
    content |= {"published": published(), "provenance": {"torch": "2"}}
    for name in ("small", "changed"):
        write_study(tmp_path / name, content, {})
    changed = tmp_path / "changed" / "points.csv"
    changed.write_text(changed.read_text().replace("0.5", "0.9"))
    app.run()
    (table,) = app.dataframe
    assert table.value.to_dict("records") == [
        {
            "network": "/8 SSWA",
            "seeds": "1",
            "cos, ours": "0.500 ± 0.020",
            "cos, AP": "0.842",
            "l2, ours": "0.900",
            "l2, AP": "19.49",
        }
    ]
    assert not app.exception


def test_for_a_group_a_review_is_opened_by_its_link_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(start, review="shared by name")
    assert app.session_state["review"] == "shared by name"
    monkeypatch.setenv("PRUNEATTR_GROUP", "1")
    other = opened(start, review="shared by name")
    secret = other.session_state["review"]
    assert re.fullmatch(r"shared by name [0-9a-f]{24}", secret)
    assert secret_name(secret) == secret
    assert other.selectbox(key="review").options == [secret]  # nobody's else
    again = opened(start, review=secret)
    assert again.session_state["review"] == secret
    assert opened(start).session_state["review"] != secret
