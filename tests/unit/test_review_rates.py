"""AP fig. 3 on the review's tables: every point is its card's; nothing measured, nothing drawn."""

from __future__ import annotations

from pruneattr_core.compression.table import RUNS, read_study
from pruneattr_core.ui.review.tables import PANELS, pruned, rates


def test_every_point_is_the_round_it_was_measured_in() -> None:
    study = read_study(RUNS / "scenes-long")
    lines = pruned(study["members"])
    assert list(lines) == ["plain", "EWA", "SWA", "SSWA"]
    for measure in PANELS:
        drawn = rates(lines, measure).data
        assert [trace.name for trace in drawn] == list(lines)
        for trace in drawn:
            assert list(trace.y) == [one[measure] for one in lines[trace.name]]
            assert list(trace.x) == [1 - one["removed"] for one in lines[trace.name]]
            assert sorted(trace.x, reverse=True) == list(trace.x)


def test_rounds_without_measures_are_not_drawn() -> None:
    assert not pruned(read_study(RUNS / "scenes")["members"])
