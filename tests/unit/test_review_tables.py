"""Our tables and the paper's side by side: every published figure stands in its own row and column."""

from __future__ import annotations

from typing import Any

import pytest

from pruneattr_core.compression.review_tables import with_published
from pruneattr_core.compression.table import ABLATIONS, RUNS, published, read_study, tables
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.review import tables as tables_page


def card(
    kind: str, matching: str = "none", seed: int = 0, divisor: int = 8, shift: float = 0.0
) -> dict[str, Any]:
    share = {"mean": 0.5 + shift, "sd": 0.1, "n": 9}
    maps = {
        method: dict.fromkeys(("roc_auc", "point_accuracy", "cosine", "l2"), share)
        for method in ("gradcam", "excitation_backprop", "lrp_alpha1_beta0", "rap", "prunegrad")
    }
    quality = dict.fromkeys(("mAP", "F1", "mAP_released", "F1_released", "latency_ms"), 0.75)
    return {
        "kind": kind, "matching": matching, "seed": seed, "recipe": {"divisor": divisor}, "flops": 2e6,
        "parameters": 1_000_000, "parameters_not_0": 30_000, "measured": {**quality, "maps": maps},
    }  # fmt: skip


FAMILY = [
    card("teacher"),
    card("distil"),
    card("distil", "sswa"),
    card("distil", "sswa", seed=1, shift=0.02),
    card("distil", "ewa", divisor=2),
    card("unstructured", "swa"),
    card("structured"),
]


def rows(name: str) -> dict[str, dict[str, Any]]:
    return {row["network"]: row for row in with_published(name, tables(FAMILY)[name], published())}


def test_published_figures_stand_in_their_rows() -> None:
    found = rows("Table 2")
    assert found["/8 plain"]["mAP, AP"] == 76.91
    assert found["/8 SSWA"]["point, AP"] == 79.12
    assert found["/2 EWA"]["AUC, AP"] == 85.05
    assert found["teacher"]["F1, AP"] == 78.44
    assert rows("Table 3")["/8 SSWA"]["cos, AP"] == 0.842
    assert rows("Table 4")["unstructured SWA"]["AUC, AP"] == 88.22
    assert rows("Table 7")["structured plain"]["l2, AP"] == 30.04
    assert rows("Table 8")["/8 SSWA"]["EBP point, AP"] == 71.24
    assert rows("Table 8")["teacher"]["GradCAM AUC, AP"] == 88.79
    assert rows("Table 1")["Knowledge distillation, SSWA"]["M parameters, AP"] == 0.29


def test_ours_are_in_percent_and_millions_with_their_spread() -> None:
    found = rows("Table 2")["/8 SSWA"]
    assert found["seeds"] == 2
    assert found["AUC, ours"] == pytest.approx(51)
    assert found["AUC ±"] == pytest.approx(100 * 0.02 / 2**0.5)
    assert found["mAP, ours"] == 75
    first = rows("Table 1")["teacher"]
    assert (first["M parameters, ours"], first["MFLOP, ours"]) == (1.0, 2.0)
    assert first["M not zero, ours"] == pytest.approx(0.03)


def test_what_the_paper_does_not_have_stands_alone() -> None:
    found = rows("Table 8")["teacher"]
    assert "PruneGrad AUC, ours" in found
    assert "PruneGrad AUC, AP" not in found
    assert "mAP as released, AP" not in rows("Table 2")["/8 plain"]


def test_students_with_another_recipe_stand_by_themselves() -> None:
    """They were counted as seeds of AP's own."""
    usual = {"layers": ["last"], "beta": 50.0, "drop": 0.3, "divisor": 8}
    changes = ({"drop": 0.5}, {"beta": 5.0}, {"layers": ["first"]}, {"drop": 0.1, "masks": "bernoulli"})
    family = [
        card("teacher"),
        card("distil") | {"recipe": usual | {"beta": 0.0}},
        *(card("distil", "sswa", seed=seed) | {"recipe": usual} for seed in range(2)),
        *(card("distil", "sswa", shift=0.1) | {"recipe": usual | change} for change in changes),
    ]
    found = tables(family)
    assert [row["title"] for row in found["Table 2"]] == ["teacher", "/8 plain", "/8 SSWA"]
    assert found["Table 2"][-1]["seeds"] == [0, 1]
    assert found["Table 2"][-1]["gradcam.roc_auc"] == pytest.approx(0.5)
    assert {row["title"]: len(row["seeds"]) for row in found[ABLATIONS]} == {
        "/8 plain": 1, "/8 SSWA": 2, "/8 SSWA, beta 5": 1, "/8 SSWA, drop 0.1, bernoulli masks": 1,
        "/8 SSWA, drop 0.5": 1, "/8 SSWA, first": 1,
    }  # fmt: skip
    shown = with_published(ABLATIONS, found[ABLATIONS], published())
    assert not any(key.endswith(", AP") for row in shown for key in row)
    assert ABLATIONS not in tables(FAMILY)


def test_counts_that_are_one_have_no_spread_and_measured_ones_have() -> None:
    row = {"M parameters, ours": 0.049, "M parameters ±": 0.0, "mAP, ours": 99.0, "mAP ±": 0.0}
    said = tables_page._said({**row, "M not zero, ours": 0.02, "M not zero ±": 0.001})
    assert said == {
        "M parameters, ours": "0.049",
        "mAP, ours": "99.00 ± 0.00",
        "M not zero, ours": "0.020 ± 0.001",
    }


def test_no_two_shipped_runs_bear_one_title() -> None:
    titles = [tables_page._title(read_study(file.parent)) for file in sorted(RUNS.glob(f"*/{HEADER}"))]
    assert len(set(titles)) == len(titles) > 1, titles
