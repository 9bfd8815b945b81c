"""Reviews on disk: saved whole, resumed, never lost to a damaged file; the report holds everything."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pruneattr_core.compression.review_verdicts import (
    NOTE_LIMIT,
    Verdict,
    checked_name,
    load_review,
    new_name,
    review_csv,
    review_names,
    reviews_folder,
    save_verdicts,
)
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.share import review_report
from pruneattr_core.share.html import settings_in
from pruneattr_core.share.review_report import html_report


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def verdict(picture: int = 0, said: str = "ok", **changes: object) -> Verdict:
    base = Verdict("t", "s", "scenes", picture, f"picture {picture}", "circle", "gradcam", said)
    return replace(base, **{"cosine": 0.5, "l2": 1.0, **changes})  # type: ignore[arg-type]


def test_a_review_is_resumed_as_it_was_left(home: Path) -> None:
    one, two = verdict(0, point=math.nan), verdict(1, "broken", note="the corner, “not” the object")
    save_verdicts("first", {one.key: one})
    save_verdicts("first", {two.key: two})
    found = load_review("first")
    assert list(found) == [one.key, two.key]
    assert found[two.key] == replace(two, point=found[two.key].point, mass=found[two.key].mass)
    assert math.isnan(found[one.key].point)
    assert review_names() == ["first"]
    assert [file.name for file in reviews_folder().iterdir()] == ["first.json"]
    assert str(reviews_folder()).startswith(str(home))


def test_a_later_verdict_replaces_and_none_removes() -> None:
    one = verdict()
    save_verdicts("r", {one.key: one})
    save_verdicts("r", {one.key: replace(one, verdict="suspicious")})
    assert [kept.verdict for kept in load_review("r").values()] == ["suspicious"]
    assert save_verdicts("r", {one.key: None}) == {} == load_review("r")


def test_two_windows_on_one_review_lose_nothing() -> None:
    def judge(start: int) -> None:
        for k in range(start, start + 20):
            save_verdicts("shared", {verdict(k).key: verdict(k)})

    threads = [threading.Thread(target=judge, args=(start,)) for start in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.picture for one in load_review("shared").values()) == list(range(60))


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": "other", "verdicts": []}', '{"format": "pruneattr-review-1"}']
)
def test_a_damaged_file_is_named_and_left_alone(damage: str) -> None:
    save_verdicts("r", {verdict().key: verdict()})
    file = reviews_folder() / "r.json"
    file.write_text(damage, "utf-8")
    with pytest.raises(StoreError, match=r"r\.json cannot be read"):
        load_review("r")
    with pytest.raises(StoreError, match="left as it is"):
        save_verdicts("r", {verdict(1).key: verdict(1)})
    assert file.read_text("utf-8") == damage


def test_a_foreign_value_in_a_verdict_is_refused() -> None:
    save_verdicts("r", {verdict().key: verdict()})
    file = reviews_folder() / "r.json"
    content = json.loads(file.read_text("utf-8"))
    for field, value in (("picture", "0"), ("note", None), ("cosine", True), ("verdict", "fine")):
        broken = {**content, "verdicts": [{**content["verdicts"][0], field: value}]}
        file.write_text(json.dumps(broken), "utf-8")
        with pytest.raises(StoreError):
            load_review("r")


@pytest.mark.parametrize("name", ["", " ", "../up", "a/b", ".hidden", "x" * 61, "naïve", "a\nb:c"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="A review's name"):
        load_review(name)


def test_names_are_tidied() -> None:
    assert checked_name("  my   review ") == "my review"
    assert checked_name(new_name()) != checked_name(new_name())


def test_what_nobody_can_say_is_refused() -> None:
    with pytest.raises(InputError, match="Expected a verdict"):
        verdict(0, "perfect")
    with pytest.raises(InputError, match="at most"):
        verdict(0, "ok", note="n" * (NOTE_LIMIT + 1))


def test_csv_opens_in_a_spreadsheet_without_running_anything() -> None:
    one = verdict(3, "broken", note='=HYPERLINK("x"), and more', name="-1 star")
    rows = list(csv.DictReader(io.StringIO(review_csv({one.key: one}).decode("utf-8-sig"))))
    assert rows[0]["note"].startswith("'=")
    assert rows[0]["name"].startswith("'-")
    assert (rows[0]["picture"], rows[0]["verdict"], rows[0]["mass"]) == ("3", "broken", "")


def draw(one: Verdict) -> Sequence[tuple[str, NDArray[np.uint8]]]:
    if one.picture == 2:
        raise InputError("gone <away>")
    return [
        ("teacher", np.full((8, 8, 3), one.picture, np.uint8)),
        ("student", np.zeros((8, 8, 3), np.uint8)),
    ]


def test_the_report_needs_nothing_else_and_escapes_what_was_typed() -> None:
    listed = [
        verdict(0, "ok", cosine=0.99),
        verdict(1, "broken", note="<script>alert(1)</script>"),
        verdict(2, "suspicious"),
    ]
    text = html_report("mine", {one.key: one for one in listed}, draw, {"page": "review"}).decode()
    assert text.index("Broken: picture 1") < text.index("Suspicious: picture 2") < text.index("OK: picture 0")
    assert text.count("<script") == 1  # the settings, which are no code
    assert settings_in(text) == {"page": "review"}
    assert "&lt;script&gt;" in text
    assert "gone &lt;away&gt;" in text
    assert text.count("data:image/png;base64,") == 4
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert "<td>1</td><td>1</td><td>1</td>" in text


def test_the_report_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_report, "PICTURES", 3)
    listed = [verdict(k + 3) for k in range(10)]
    text = html_report("mine", {one.key: one for one in listed}, draw, {}).decode()
    assert text.count("data:image/png") == 6
    assert text.count("<article") == 10
    assert "first verdicts only" in text
