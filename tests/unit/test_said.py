"""Numbers as people are told them: counts of things, shares, probabilities, changes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pruneattr_core.assets import ASSETS
from pruneattr_core.share.words import chance, changed, counted, percent

SHARES = [-0.5, -0.0001, 0.0, 0.004, 0.0049, 0.1444, 0.2467, 0.5, 0.979, 0.9949, 0.996, 0.99999, 1.0]


@pytest.mark.parametrize(
    ("number", "things", "thing", "said"),
    [
        (0, "pictures", "", "0 pictures"),
        (1, "pictures", "", "1 picture"),
        (2, "pictures", "", "2 pictures"),
        (1, "passes", "pass", "1 pass"),
        (1, "maps are", "map is", "1 map is"),
        (1234, "maps are", "map is", "1,234 maps are"),
    ],
)
def test_one_thing_is_not_said_to_be_several(number: int, things: str, thing: str, said: str) -> None:
    assert counted(number, things, thing) == said


def test_python_says_a_number_as_the_browser_does() -> None:
    """The explorer's headline said 0.98 and its card 0.979."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    changes = [*SHARES, 3.21, 9.996, 10.0, 12.0]
    script = (ASSETS / "browser" / "numbers.js").read_text("utf-8")
    asked = f"[{json.dumps(SHARES)}.map(percent), {json.dumps(SHARES)}.map(chance), {changes}.map(changed)]"
    told = subprocess.run(
        [node, "-e", f"{script}\nconsole.log(JSON.stringify({asked}))"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    ours = [
        [percent(one) for one in SHARES],
        [chance(one) for one in SHARES],
        [changed(one) for one in changes],
    ]
    assert json.loads(told) == ours
    assert changed(float("inf")) == "infinite"


def test_pages_say_every_share_through_percent() -> None:
    """Beside sliders that say "49\u202f%", captions said "49%", and 100% of what was not the whole.

    What Plotly and tables of Streamlit form by themselves is theirs; folio.py copies the latter.
    """
    formed = re.compile(r"(?<![%{]){[^{}%]+:\.\d%}")
    ui = Path(ASSETS).parent / "pruneattr_core" / "ui"
    found = {str(file.relative_to(ui)) for file in ui.rglob("*.py") if formed.search(file.read_text("utf-8"))}
    assert found == {"folio.py"}


def test_what_is_rounded_to_zero_has_no_sign() -> None:
    assert [percent(one, 1) for one in (-0.0001, -0.0, -0.0006)] == [
        f"{one}\u202f%" for one in ("0.0", "0.0", "\N{MINUS SIGN}0.1")
    ]


def test_a_share_that_is_nearly_all_is_not_said_to_be_all() -> None:
    told = [percent(one, 1) for one in (0.0, 0.1, 0.4567, 0.9996, 1.0)]
    assert told == [f"{one}\u202f%" for one in ("0.0", "10.0", "45.7", ">99.9", "100.0")]
