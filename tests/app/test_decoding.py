"""The path-decoding page without a browser: choices, streaming, cancelling, bad addresses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.paths import decoding as decoding_tasks
from pruneattr_core.ui.paths import decoding_page as decoding_page
from pruneattr_core.ui.paths.decoding_page import COLOURS, MOVE_TITLES, PARAMETRISATIONS, STEPS
from tests.app.conftest import Start, healthy, until


@pytest.fixture
def decoding(lone_page: Callable[..., Start]) -> Start:
    """Opens the page."""
    return lone_page(decoding_page.draw, "Path decoding")


def alts(app: AppTest) -> list[str]:
    return [image.proto.alt or image.proto.imgs[0].alt for image in app.get("imgs")]


def texts(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def keys(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


def test_opens_with_the_first_picture_growing_by_itself(decoding: Start) -> None:
    app = decoding(steps="32", paths="taylor,random")
    healthy(app)
    until(app, lambda app: "Step 32 of 32" in texts(app))
    headings = [text.value for text in app.markdown]
    assert {"**Original network**", "**Active subnet**", "**NeuronMCT**", "**Random**"} <= set(headings)
    assert "Not decoded yet" in texts(app)
    assert "Top neuron and its place: features." in texts(app)


def test_all_pictures_are_decoded_side_by_side(decoding: Start) -> None:
    app = decoding(steps="32", paths="taylor,random")
    app.button(key="decode").click().run()
    # The last step is on the page before its job is gone, so both are waited for.
    until(
        app,
        lambda app: texts(app).count("Step 32 of 32") == 4 and not {"decode", "cancel_decoding"} & keys(app),
    )
    healthy(app)
    chart = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert {line["name"] for line in chart["data"]} == {
        "Original network",
        "Active subnet",
        "NeuronMCT",
        "Random",
    }


def test_same_seed_gives_the_same_picture(decoding: Start) -> None:
    responses = []
    for _ in range(2):
        app = decoding(steps="32", paths="taylor", decode_seed="7")
        until(app, lambda app: "Step 32 of 32" in texts(app) and "cancel_decoding" not in keys(app))
        responses.append(next(line for line in texts(app).splitlines() if "Step 32" in line))
        engine().jobs.results.clear()
    assert responses[0] == responses[1]


def test_running_decodings_can_be_cancelled(decoding: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = decoding_tasks.decode

    def slow(*arguments, **options):
        for frame in real(*arguments, **options):
            time.sleep(0.2)
            yield frame

    monkeypatch.setattr(decoding_tasks, "decode", slow)
    app = decoding(steps="512", paths="taylor")
    app.button(key="decode").click().run() if "decode" in keys(app) else None
    tasks = list(engine().jobs.jobs.values())
    assert tasks
    app.button(key="cancel_decoding").click().run()
    assert all(task.cancelled.is_set() for task in tasks)
    for task in tasks:
        assert task.started is None or task.finished.wait(600)
    until(app, lambda app: "decode" in keys(app))
    healthy(app)


def test_a_press_counts_where_the_next_choice_ends_its_run(
    decoding: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit says once what was pressed: Decode did nothing, and Cancel let the work go on."""
    app = decoding(steps="512", paths="taylor,random")
    find, ended = decoding_page.find_ground, list[bool]()

    def superseded(*arguments):
        if not ended:
            ended.append(True)
            st.rerun()
        return find(*arguments)

    def press(key: str) -> None:
        ended.clear()
        app.button(key=key).click().run()
        assert ended

    monkeypatch.setattr(decoding_page, "find_ground", superseded)
    press("decode")
    tasks = list(engine().jobs.jobs.values())
    assert len(tasks) > 1  # one may have started by itself
    press("cancel_decoding")
    assert all(task.cancelled.is_set() for task in tasks)
    for task in tasks:
        assert task.started is None or task.finished.wait(600)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_parametrisation(decoding: Start, name: str, colour: str) -> None:
    app = decoding(steps="32", paths="taylor", drawn_in=name, colour_space=colour)
    until(app, lambda app: "Step 32 of 32" in texts(app))
    healthy(app)


@pytest.mark.parametrize("moves", MOVE_TITLES)
def test_every_transformation(decoding: Start, moves: str) -> None:
    app = decoding(steps="32", paths="taylor", moves=moves)
    until(app, lambda app: "Step 32 of 32" in texts(app))
    healthy(app)


def test_a_path_without_neurons_is_no_error(decoding: Start) -> None:
    app = decoding(steps="32", paths="taylor", kappa="1")
    healthy(app)
    assert "keeps no neuron" in texts(app)


def test_nonsense_in_the_address_gives_sentences(decoding: Start) -> None:
    app = decoding(
        steps="31",
        drawn_in="oil",
        colour_space="cmyk",
        moves="dance",
        decode_seed="1e9",
        paths="?",
        kappa="2",
    )
    healthy(app)
    said = " ".join(warning.value for warning in app.warning)
    for title in ("steps", "parametrisation", "colours", "transformations", "seed", "methods", "sparsity"):
        assert title in said
    assert app.session_state["steps"] in STEPS
