"""Maps that the grid's slider moves, as the browser gets them; methods that stand several times."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from pruneattr_core import models
from pruneattr_core.attribution import explain
from pruneattr_core.results.cells import SHARES
from pruneattr_core.results.keys import Mapped, PaceKey
from pruneattr_core.results.sweeps import score
from pruneattr_core.share.entries import follows, options_of, parse_entries
from pruneattr_core.share.framing import coded, decoded, header_of
from pruneattr_core.share.grid import grid_payload
from pruneattr_core.ui import results
from pruneattr_core.ui.compare import assembly as compare_assembly
from pruneattr_core.ui.compare.plan import standing
from pruneattr_core.ui.jobs import Cache
from tests.app.compare_grids import computed, names, opened, plan_of
from tests.app.conftest import Start

pytestmark = pytest.mark.usefixtures("start")  # its small network


def test_the_levels_the_browser_gets_are_the_maps_of_each_share() -> None:
    place = (("sparsity", 0.9), ("of", "contributing"))
    options = {
        "prunegrad": place,
        "prunegrad~mode=freeze": (*place, ("mode", "freeze")),
        "prunegrad_mid": place,
    }
    plan = replace(plan_of(("saliency",)), options={**options, "saliency": ()}, dial=("contributing", 0.9))
    shelf = computed(plan)
    grid, _ = compare_assembly.assemble(plan, shelf, None, True)
    payload = grid_payload(grid, plan.look)
    header = header_of(payload)
    assert header["rest"] == {"dial": "contributing", "share": 0.9}
    body = payload[4 + int.from_bytes(payload[:4], "little") :]
    network, x = models.load_model("scenes-net"), plan.card.preprocess(plan.pictures[0].image)
    for cell in header["cells"]:
        entry = header["methods"][cell["method"]]["name"]
        if entry == "saliency":
            assert "track" not in cell  # stays where it is
            continue
        track = cell["track"]
        block = body[track["block"]["start"] :][: track["block"]["length"]]
        deltas = np.frombuffer(zlib.decompress(block), np.uint8).reshape(len(SHARES), *x.shape[2:])
        codes = np.cumsum(deltas, 0, dtype=np.uint8)
        assert [level["share"] for level in track["levels"]] == list(SHARES)
        for k in (0, 1, 4, 9):
            method = entry.split("~")[0]
            wanted = {"sparsity": SHARES[k], "of": "contributing", **options_of(entry)}
            found = explain(network, x, None, method, **wanted).values[0].numpy()
            shown = found[np.abs(found).argmax(0), *np.indices(found.shape[1:])]
            back = decoded(track["levels"][k]["peak"])[codes[k]]
            assert np.abs(back - shown).max() <= 0.009 * max(np.abs(shown).max(), 1e-9), (entry, k)
        assert np.array_equal(codes[9], coded(grid.cells[cell["method"]].shown)[0])  # rests at 0.9


def test_a_map_that_is_still_the_plain_gradient_says_so() -> None:
    silent = (("sparsity", 0.01), ("of", "all"))
    plan = replace(plan_of(("saliency",)), options={"prunegrad": silent}, dial=("all", 0.01))
    for sparsity, plain in ((0.0, True), (0.95, False)):
        at = (("sparsity", sparsity), ("of", "all"))
        grid, _ = compare_assembly.assemble(replace(plan, options={"prunegrad": at}), computed(
            replace(plan, options={"prunegrad": at})), None, True)  # fmt: skip
        assert [cell.plain for cell in grid.cells] == [plain]


def test_a_method_stands_several_times(start: Start) -> None:
    entries = "prunegrad,prunegrad~sparsity=0.5,prunegrad~mode=freeze,saliency"
    app = opened(start, methods=entries)
    assert not app.exception
    assert app.query_params["methods"] == entries
    assert app.session_state["methods"] == tuple(entries.split(","))
    app.button(key="away_prunegrad~sparsity=0.5").click().run()
    assert app.session_state["methods"] == ("prunegrad", "prunegrad~mode=freeze", "saliency")
    app.selectbox(key="copy_of").select("all").run()
    app.number_input(key="copy_sparsity").set_value(0.7).run()
    app.button(key="copy_add").click().run()
    assert "prunegrad~sparsity=0.7~of=all" in app.session_state["methods"]
    assert not app.exception


def test_entries_are_read_strictly() -> None:
    assert parse_entries("saliency,prunegrad~mode=freeze~sparsity=0.50,prunegrad") == (
        "prunegrad~sparsity=0.5~mode=freeze",
        "prunegrad",
        "saliency",
    )
    assert [follows(entry) for entry in ("prunegrad", "prunegrad~sparsity=0", "prunepgd", "saliency")] == [
        True,
        False,
        True,
        False,
    ]
    for text in (
        "prunegrad~sparsity=2",
        "prunegrad~colour=red",
        "prunegrad~mode=warm",
        "saliency~sparsity=0.5",
        "prunegrad~output_change=1e999",
        "prunegrad~sparsity=nan",
        "integrated_gradients~steps=1e999",
        "integrated_gradients~baseline=nan",
        "integrated_gradients~baseline=1e308",
        f"integrated_gradients~steps={'9' * 400}",
    ):
        with pytest.raises(ValueError):  # noqa: PT011  (the text is the user's)
            parse_entries(text)


def test_entries_of_one_method_have_results_of_their_own() -> None:
    options = {"prunegrad~sparsity=0": (("sparsity", 0.0),), "prunegrad~sparsity=0.95": (("sparsity", 0.95),)}
    plan = replace(plan_of(("saliency",)), options=options)
    shelf = computed(plan)
    first, second = (shelf.get(plan.map_key(plan.pictures[0], entry)) for entry in options)
    assert isinstance(first, Mapped)
    assert isinstance(second, Mapped)
    assert not np.array_equal(first.attribution, second.attribution)
    assert names(
        header_of(grid_payload(compare_assembly.assemble(plan, shelf, None, True)[0], plan.look))
    ) == list(options)


@pytest.mark.parametrize("method", ["prunegrad", "neuron_intgrad", "prunegrad_mid"])
def test_levels_come_wherever_their_map_is_and_maps_of_a_class_share_one_integral(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were left out as expensive and counted as missing: a grid that Continue never ended."""
    integrals: list[int] = []
    monkeypatch.setattr(results, "score", lambda *given: (integrals.append(1), score(*given))[1])
    entry = method if method == "neuron_intgrad" else f"{method}~contribution=intgrad"
    place = (("sparsity", 0.9), ("of", "contributing"), ("contribution", "intgrad"))
    plan = replace(plan_of((method,)), options={entry: place}, dial=("contributing", 0.9))
    first = computed(plan)
    key = plan.map_key(plan.pictures[0], entry)
    found = first.get(key)
    assert isinstance(found, Mapped)
    assert len(integrals) == 1  # the map's, and its levels'
    network, x = models.load_model("scenes-net"), plan.card.preprocess(plan.pictures[0].image)
    wanted = explain(network, x, None, method, **dict(place)).values[0].numpy()
    np.testing.assert_allclose(found.attribution, wanted, atol=1e-5 * np.abs(wanted).max())
    named = replace(plan, target=found.target)
    alone = Cache(1 << 30, lambda value: int(value.nbytes))
    alone.put(key, found)  # as where its work was stopped just then
    for asked, shelf, more in ((named, first, 0), (plan, alone, 1)):
        shelf.put(PaceKey(plan.card.id, plan.device), np.asarray(100.0))
        integrals.clear()
        assert standing(asked, shelf, dear=False).open
        computed(asked, shelf, dear=False)
        assert not standing(asked, shelf, dear=False).open
        assert len(integrals) == more
