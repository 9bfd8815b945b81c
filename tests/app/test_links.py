"""Links that name something unknown: one sentence on every page, a corrected address, nothing else."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import streamlit as st
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from pruneattr_core.benchmarks.run import write_run
from pruneattr_core.ui import shell, state
from pruneattr_core.ui.benchmarks import page as benchmarks
from pruneattr_core.ui.benchmarks import runs as bench_runs
from pruneattr_core.ui.compare import state as compare
from pruneattr_core.ui.explore import page as explore
from pruneattr_core.ui.paths import decoding_page as decoding
from pruneattr_core.ui.paths import state as paths
from pruneattr_core.ui.removal import page as removal
from pruneattr_core.ui.sanity import page as sanity
from tests.app.conftest import ROOT, Start, healthy
from tests.app.test_benchmarks import a_run

MISSING = "not available here"
#: Page, what its address says, and of each sentence: the field's title, what is repeated, what is used.
LINKS = (
    ("1_explore", {"model": "nobody"}, [("the model", "nobody", "the default is used")]),
    (
        "1_explore",
        {"picture": "4000", "target": "77", "colours": "viridis"},
        [("picture number", "4000", "`0` is used"), ("target class", "77", "the predicted class"),
         ("the colour map", "viridis", "fits the values")],
    ),
    (
        "2_compare",
        {"methods": "saliency,magic", "layer": "attic", "more": "1,4000,5000"},
        [("the methods", "magic", "what else it names"), ("the layer", "attic", "the default is used"),
         ("more pictures", "4000,5000", "are not available here; what this data set does not hold")],
    ),
    (
        "3_paths",
        {"show": "where", "paths": "taylor", "a": "greedy", "call": "99", "channel": "999"},
        [("path A", "greedy", "`taylor` is used"), ("the activation call", "99", "the first of 3"),
         ("the channel", "999", "the fullest of")],
    ),
    (
        "3_paths",
        {"show": "published", "paths": "taylor,magic", "run": "lost", "run_at": "0.85"},
        [("the methods", "magic", "what else it names is used"),
         ("the run", "lost", "the default is used"),
         ("the sparsity of the run", "0.85", "`0.9` is used")],
    ),
    (
        "4_decoding",
        {"paths": "magic", "steps": "3"},
        [("the methods", "magic", "`taylor,"), ("the number of steps", "3", "`128` is used")],
    ),
    (  # an entry is repeated as links have it
        "2_compare",
        {"methods": "prunegrad~sparsity=2"},
        [("the methods", "prunegrad~sparsity=2", "the default is used")],
    ),
    ("5_benchmarks", {"bench_run": "one,lost"}, [("the run", "lost", "what else it names is used")]),
    ("5_benchmarks", {"bench": "sanity", "bench_run": "one"}, [("the run", "one", "the default is used")]),
    (
        "6_sanity",
        {"sane_methods": "edges,magic", "sane_step": "9"},
        [("the methods", "magic", "what else it names is used"), ("the step", "9", "the trained network")],
    ),
    ("7_removal", {"gone_methods": "edges"}, [("the methods", "edges", "`prunegrad,saliency` is used")]),
)  # fmt: skip
#: Nothing that a page could take for a number, a name or a list of names.
HOSTILE = {
    "long": "x" * 5000,
    "html": "<img src=x onerror=alert(1)>",
    "encoded": quote("<b>"),
    "a list": "1,2;3",
    "nan": "NaN",
    "negative": "-1e9",
    "a link": "https://example.org",
    "markdown": "`](https://example.org) :red[**x**]",
    "reversed": "\u202egnp",
    "nothing": "\x00",
}
PAGES = {
    "1_explore": explore.FIELDS,
    "2_compare": compare.FIELDS,
    "3_paths": paths.FIELDS,
    "4_decoding": decoding.FIELDS,
    "5_benchmarks": benchmarks.FIELDS,
    "6_sanity": sanity.FIELDS,
    "7_removal": removal.FIELDS,
}


@pytest.fixture(autouse=True)
def one_run(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_run(a_run(), tmp_path / "one")
    monkeypatch.setattr(bench_runs, "FOLDER", tmp_path)


def opened(page: str, query: dict[str, str] | dict[str, list[str]]) -> AppTest:
    """The page at once; `start` would compute the first page's maps before it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    app.query_params.update(query)
    app.switch_page(f"pages/{page}.py").run()
    healthy(app)
    return app


def address(app: AppTest, name: str) -> str:
    found = app.query_params.get(name, "")
    return found if isinstance(found, str) else found[-1]


def complaints(app: AppTest) -> list[str]:
    return [warning.value for warning in app.warning if "The link" in warning.value]


@pytest.mark.parametrize(("page", "query", "wanted"), LINKS)
def test_what_is_unknown_is_said_and_the_address_corrected(
    page: str, query: dict[str, str], wanted: list[tuple[str, str, str]]
) -> None:
    app = opened(page, query)
    said = complaints(app)
    assert len(said) == len(wanted), said
    for title, asked, instead in wanted:
        (sentence,) = [one for one in said if one.startswith(f"The link asks for {title} `{asked}`")]
        assert MISSING in sentence
        assert instead in sentence
        assert not [name for name in query if {*asked.split(",")} & {*address(app, name).split(",")}]


@pytest.mark.parametrize(
    ("page", "name", "asked", "kept"),
    [
        (
            "2_compare",
            "methods",
            "saliency,magic,prunegrad~sparsity=0.5,tricks",
            ("prunegrad~sparsity=0.5", "saliency"),
        ),
        ("2_compare", "methods", "prunegrad~sparsity=2,saliency", ("saliency",)),
        ("2_compare", "more", "1,abc,-1,2", (1, 2)),
        ("2_compare", "more", "12345678,3", (3,)),
        ("2_compare", "uploads", f"zz,{'a' * 64}", ("a" * 64,)),
        ("3_paths", "paths", "random,magic,taylor,tricks", "taylor,random"),
        ("6_sanity", "sane_methods", "magic,edges", "edges"),
        ("7_removal", "gone_methods", "magic,saliency,more", "saliency"),
        ("5_benchmarks", "bench_run", "lost,one", "one"),
    ],
)
def test_what_a_list_names_beside_something_unknown_is_kept(
    page: str, name: str, asked: str, kept: object
) -> None:
    """One method that had another name since made a link show none of those that it had."""
    app = opened(page, {name: asked})
    (said,) = complaints(app)
    assert app.session_state[name] == kept
    named = said.split("`")[1].split(",")
    assert named == [part for part in asked.split(",") if part not in str(kept)]
    assert f"`, which {'are' if len(named) > 1 else 'is'} not" in said


def test_a_name_in_the_address_means_one_thing_on_a_page() -> None:
    """Two fields of one name would set each other, and a link could restore only one of them."""
    for page, fields in PAGES.items():
        names = [field.name for field in (*shell.FIELDS, *fields)]
        assert len(set(names)) == len(names), (page, sorted(names))


@pytest.mark.parametrize("page", PAGES)
def test_hostile_values_become_short_harmless_sentences(page: str) -> None:
    # One of every kind; a path of our own or a layer may have any name, so they are asked for elsewhere.
    fields = [field for field in PAGES[page] if field.name not in ("layer", "show")]
    app = opened(page, {field.name: text for field, text in zip(fields, cycle(HOSTILE.values()))})
    said = complaints(app)
    assert len(said) == len(fields)
    for sentence in said:
        assert len(sentence) < 200
        assert sentence.count("`") in (2, 4)
        assert not {"<", "[", "\u202e", "\x00"} & set(sentence)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_field_takes_a_hostile_value(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "session_state", {"bench": "pixels", "paths": "taylor"})
        for field in (field for fields in PAGES.values() for field in fields if field.name != "layer"):
            with pytest.raises((ValueError, KeyError)):
                field.parse(text)


def test_a_value_named_twice_counts_once() -> None:
    app = opened("1_explore", {"at": ["0.5", "0.9"]})
    assert complaints(app) == ["The link names the sparsity 2 times; only the last counts."]
    assert app.session_state["at"] == pytest.approx(0.9, abs=0.01)
    assert float(address(app, "at")) == pytest.approx(0.9, abs=0.01)


def test_sentences_outlive_reruns_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("1_explore", {"mode": "one"})
    assert len(complaints(app.run())) == 1
    monkeypatch.setattr(state, "STANDS", 0.0)
    assert complaints(app.run()) == []


def test_a_readers_own_choice_is_no_link() -> None:
    app = opened("6_sanity", {"sane_methods": "edges", "sane_step": "2"})
    app.session_state["sane_step"] = 40
    app.run()
    healthy(app)
    assert complaints(app) == []


def two_parts() -> None:
    import streamlit as st

    from pruneattr_core.ui.state import Field, adopt, follow, publish

    frame, page = [Field("model", "", str, "the model")], [Field("at", "", str, "the place")]
    if not st.session_state.get("part"):  # the whole page, not a part of it that the clock draws again
        follow("page")
        adopt(frame)
        publish(frame)
    publish(page)


def test_an_address_older_than_the_last_one_brings_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may leave the browser before what the last run wrote into the address comes there."""
    sent: list[dict[str, list[str]]] = []
    send = QueryParams._send_query_param_msg

    def heard(self: QueryParams) -> None:
        send(self)
        sent.append(dict(self._query_params))

    monkeypatch.setattr(QueryParams, "_send_query_param_msg", heard)
    app = AppTest.from_function(two_parts, default_timeout=600)
    first, third = {"model": "a", "at": "1"}, {"model": "b", "at": "1"}
    for model, at, carried, part in (
        ("a", "1", {}, False),
        ("b", "1", first, False),
        ("b", "2", first, True),  # not the former model with the new place
        ("b", "1", third, True),  # the browser has come to place 2 meanwhile
    ):
        app.query_params = carried
        for name, value in {"model": model, "at": at, "part": part}.items():
            app.session_state[name] = value
        app.run()
        healthy(app)
        assert sent[-1] == {"model": [model], "at": [at]}
    before = len(sent)
    app.run()
    assert len(sent) == before  # nothing new, nothing said
    # After a step back the address of a run before it may still be on its way to the browser.
    app.query_params, app.session_state["part"] = third, False
    with monkeypatch.context() as stepping:
        stepping.setattr(state, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=True))
        app.run()
    healthy(app)
    assert len(sent) > before
    assert sent[-1] == {"model": ["b"], "at": ["1"]}
    before = len(sent)
    app.run()
    assert len(sent) == before
