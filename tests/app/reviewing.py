"""The review desk on stand-ins, for the tests of its page: tiny networks, and what a browser would send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from pruneattr_core.compression.family import Member
from pruneattr_core.compression.review_maps import START_LEVEL
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui import cache
from pruneattr_core.ui.review import choices as review_choices
from pruneattr_core.ui.review import state as review_state
from pruneattr_core.ui.review.lineup import Contender
from tests.app.conftest import drawn, healthy, until

Start = Callable[..., AppTest]


def member(name: str, kind: str, matching: str = "none", parameters: int = 1000) -> Member:
    return Member(name, name.title(), kind, matching, 0, parameters, 10**6, 4000, {}, {}, (), "tutor")


TEACHER = replace(member("tutor", "teacher"), teacher="")
STUDENTS = (
    member("small", "distil"),
    member("matched", "distil", "sswa"),
    member("large", "distil", parameters=5000),
    member("thinned", "unstructured"),
)


def contender(one: Member) -> Contender:
    return Contender(one.id, one.title, "scenes-net", one.id, one.id, one.kind)


def network(name: str, device: str = "cpu", weights: str | None = None, progress: Any = None) -> nn.Module:
    """One tiny network a name; "thinned" is the teacher with small weights set to 0."""
    torch.manual_seed({"small": 1, "matched": 2, "large": 3}.get(weights or "", 0))
    layers = [
        nn.Conv2d(3, 8, 5, 4, 2),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
    ]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))
    if weights == "thinned":
        for part in model.parameters():
            part.data[part.data.abs() < 0.03] = 0
    return model.eval().requires_grad_(False)


def stand_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviews lie in `home`; the zoo is one teacher with four students, none of them trained."""
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    monkeypatch.setattr(cache, "load_model", network)
    for module in (review_choices, review_state):
        monkeypatch.setattr(module, "zoo", lambda: {"tutor": (TEACHER, STUDENTS)})
    monkeypatch.setattr(review_choices, "of_zoo", contender)


def opened(start: Start, **query: str) -> AppTest:
    app = start(**{"students": "small,thinned", "desk_count": "24", **query})
    return app.switch_page("pages/8_review.py").run()


def header(app: AppTest) -> dict[str, Any]:
    (found,) = [header_of(part.proto.bytes) for part in drawn(app)]
    return found


def finished(
    app: AppTest, done: Callable[[dict[str, Any]], bool] = lambda found: found["complete"]
) -> dict[str, Any]:
    """The desk when nothing more comes."""
    until(app, lambda app: done(header(app)))
    healthy(app)
    return header(app)


def say(
    app: AppTest, said: Mapping[str, tuple[str, str]], level: int | None = 0, slider: int = START_LEVEL
) -> None:
    """Verdicts and notes as the desk sends them: given at a level, the slider by now at another."""
    given = {
        key: {"verdict": word, "note": note, "level": level, "n": k}
        for k, (key, (word, note)) in enumerate(said.items())
    }
    app.session_state["desk_grid"] = {"given": given, "level": slider}
    app.run()
