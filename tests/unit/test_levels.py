"""Where the explorer's slider may stand: levels, their places on the track, presets, the film strip."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneattr_core.results.levels import (
    FIXED,
    OF_CONTRIBUTING,
    QUIET_TRACK,
    START,
    TOP,
    first_levels,
    positions,
    presets,
    silent_level,
    spaced,
    strip,
)
from pruneattr_core.results.nearest import first_beyond, level_at, nearest, shortest
from pruneattr_core.ui.explore.page import FIELDS

QUIET = (0.0, 0.015, 0.3, 0.71, 0.96, 0.9975, 0.99996, 1.0)


def top_of(start: float) -> float:
    """99 % of the neurons that contribute can go, however few these are."""
    return max(TOP, start + 0.99 * (1 - start))


def asked_beyond(start: float, calibrated: float | None) -> list[float]:
    asked = [*FIXED, *(start + share * (1 - start) for share in OF_CONTRIBUTING)]
    asked += [] if calibrated is None else [calibrated]
    return [share for share in asked if start < share < top_of(start)]


@pytest.mark.parametrize("quiet", QUIET)
@pytest.mark.parametrize("calibrated", [None, 0.835])
def test_levels_are_presets_and_equal_steps_of_what_is_kept(quiet: float, calibrated: float | None) -> None:
    start = quiet if quiet < 1 else 0.99
    asked, top, digits = asked_beyond(start, calibrated), top_of(start), 6 if start < 0.99 else 10
    cut = 1.1 * 10.0**-digits
    kept = np.geomspace(1 - start, 1 - top, 24)
    step = math.log(kept[0] / kept[1])
    free = [k for k in kept[1:-1] if all(abs(math.log(k / (1 - one))) > step / 5 for one in asked)]
    wanted = sorted({0.0, start, top, *asked, *(1 - k for k in free)})
    found = spaced(quiet, calibrated)
    assert len(found) <= 36
    assert found == tuple(sorted(set(found)))
    assert found == tuple(round(one, digits) for one in found)
    assert all(one == 0 or one > start - cut for one in found)  # nothing where no map changes
    for one in wanted:
        assert min(abs(one - other) for other in found) <= cut, one
    for one in found:
        assert -1e-9 <= min((other - one for other in wanted), key=abs) <= cut  # cut, never above


def test_the_track_is_linear_where_nothing_happens_and_logarithmic_beyond() -> None:
    found = positions([0.0, 0.25, 0.5, 0.75, 0.875, 0.999], 0.5)
    span = math.log(0.5 / 0.001)
    beyond = [QUIET_TRACK + (1 - QUIET_TRACK) * math.log(k) / span for k in (2, 4)]
    assert found == pytest.approx([0, QUIET_TRACK / 2, QUIET_TRACK, *beyond, 1])
    assert positions([0.0, 0.5, 0.75], 0.0) == pytest.approx([0, 0.5, 1])
    assert positions([0.0, 0.02, 0.75], 0.02)[1] == 0  # too few to be shown
    assert positions([0.0, 1.0], 1.0) == pytest.approx([0, 1])
    assert max(positions([0.0, 0.3, 1.0 - 1e-12], 0.3)) <= 1
    assert positions([0.0, 0.5], -0.1) == pytest.approx([0, 1])


def test_near_is_near_in_what_is_kept() -> None:
    assert nearest([0.0, 0.9, 0.98, 0.99], 0.984) == 2
    assert nearest([0.0, 0.9, 0.98, 0.99], 0.9865) == 3
    assert nearest([0.0, 0.5, 1.0], 0.9999) == 1
    assert nearest([0.0, 0.5, 1.0], 1.0) == 2


def test_a_first_look_has_what_a_slider_needs() -> None:
    levels = (0.0, 0.4, 0.7, 0.88, 0.95, 0.999)
    assert first_levels(levels, 0.4) == (0.0, 0.4, 0.88, 0.999)  # 0.8 of the 0.6 that contribute
    assert first_levels(levels, 0.02) == (0.0, 0.7, 0.999)
    assert START == 0.8


def test_an_allowed_change_is_the_first_level_beyond_it() -> None:
    assert [first_beyond([0.0, 0.1, 0.4], allowed) for allowed in (0.0, 0.1, 0.3, 0.4)] == [1, 2, 2, 2]
    assert first_beyond([0.0, math.nan, 0.4], 0.3) == 2


def places(quiet: float, calibrated: float | None, change: list[float] | None = None) -> dict[str, object]:
    levels = spaced(quiet, calibrated)
    found = presets(levels, quiet, change or [0.0] * len(levels), calibrated, [True] * len(levels))
    return {f"{one.label} {'/'.join(one.dials)}": levels[one.level] for one in found}


@given(st.floats(0, 0.95), st.floats(0, 0.999), st.integers(1_000, 8_000_000))
def test_the_text_of_a_level_leads_back_to_it_and_is_no_longer_than_it_takes(
    quiet: float, calibrated: float, neurons: int
) -> None:
    at = next(field for field in FIELDS if field.name == "at")
    levels = sorted({round(share * neurons) / neurons for share in spaced(quiet, calibrated)})
    for level, share in enumerate(levels):
        text = at.text(shortest(share, lambda one, level=level: nearest(levels, one) == level))
        assert nearest(levels, at.parse(text)) == level
        assert text == f"{share:.4g}" or nearest(levels, float(f"{share:.4g}")) != level


def test_presets_stand_where_they_say() -> None:
    found = places(0.5, 0.9)
    every = "contributing/all/change"
    assert found[f"0 {every}"] == 0
    assert found[f"silent only {every}"] == 0.5
    assert found[f"15 % mean change {every}"] == 0.9
    for share in OF_CONTRIBUTING:
        assert found[f"{100 * share:.0f} % contributing/change"] == pytest.approx(0.5 + 0.5 * share, abs=2e-6)
    for share in FIXED:
        assert found[f"{100 * share:.0f} % all"] == pytest.approx(share, abs=2e-6)
    assert len(found) == 3 + len(OF_CONTRIBUTING) + len(FIXED)
    told = presets([0.0, 0.5, 0.9], 0.5, [0.0, 0.0, 0.26], 0.9, [True] * 3)[2]
    assert "15 % on average" in told.title  # of many pictures, and of this one what is its own
    assert "this picture's by 26 %" in told.title


def test_where_only_silent_neurons_go_the_map_is_called_what_it_is() -> None:
    for plain, words in ((True, "still the plain gradient"), (False, "the map moves")):
        one = presets([0.0, 0.5, 0.9], 0.5, [0.0, 0.4, 0.5], 0.9, [True, plain, False])[1]
        assert one.label == "silent only"
        assert words in one.title


def test_presets_that_would_lie_in_the_silence_are_left_out() -> None:
    found = places(0.8, 0.75)
    assert not [name for name in found if name.startswith("15 %")]
    assert [name for name in found if name.endswith(" all")] == ["90 % all", "95 % all", "99 % all"]
    assert not [name for name in places(0.02, 0.5) if name.startswith("silent only")]
    coarse = presets([0.0, 0.5, 0.999], 0.5, [0.0, 0.0, 0.4], 0.9, [True] * 3)
    assert [(one.label, one.level) for one in coarse] == [("0", 0), ("silent only", 1)]


def test_without_a_calibration_the_pictures_own_change_counts_beyond_the_silence() -> None:
    levels = spaced(0.5)
    own = levels.index(next(one for one in levels if one > 0.9))
    change = [0.0, 0.3, *(0.15 if k < own else 0.2 for k in range(2, len(levels)))]
    found = places(0.5, None, change)
    assert found["15 % here contributing/all/change"] == levels[own]
    assert "15 % here contributing/all/change" not in places(0.5, None)


def test_the_level_of_the_silent_is_one_at_which_they_and_no_others_went() -> None:
    assert silent_level([0.0, 0.5, 0.9], 0.5) == 1
    assert silent_level([0.0, 0.500002, 0.9], 0.5) is None  # some that contribute went, too
    assert silent_level([0.0, 0.1, 0.9], 0.5) is None
    assert silent_level([0.0, 0.9], 0.03) is None  # nothing went


def test_the_strip_shows_nothing_removed_then_eight_equal_steps() -> None:
    levels = spaced(0.3)
    shown = [levels[k] for k in strip(levels, 0.3)]
    assert shown[0] == 0
    assert shown[1] == 0.3
    assert shown[-1] == TOP
    steps = [math.log((1 - one) / (1 - other)) for one, other in itertools.pairwise(shown[1:])]
    whole = math.log(0.7 / (1 - TOP)) / 8
    assert len(steps) == 8
    assert all(0.6 * whole < step < 1.4 * whole for step in steps)


def test_a_few_levels_are_called_only_what_they_are() -> None:
    labels = [preset.label for preset in presets([0.9], 0.5, [0.4], None, [False])]
    assert labels == ["80 %", "90 %"]
    assert [preset.label for preset in presets([0.5, 0.9], 0.5, [0.0, 0.4], None, [False] * 2)][:2] == [
        "silent only",
        "15 % here",
    ]
    assert "silent only" not in [
        preset.label for preset in presets([0.0, 0.9], 0.5, [0.0, 0.4], None, [False] * 2)
    ]


@pytest.mark.parametrize(("quiet", "said"), [(0.47, "47 %"), (0.9995, "99.9 %"), (1.0, "100 %")])
def test_nearly_all_is_not_said_to_be_all(quiet: float, said: str) -> None:
    levels = [0.0, quiet, 1.0]
    texts = [one.title for one in presets(levels, quiet, [0.0] * 3, None, [True] * 3)]
    assert any(f"Only the {said} of neurons that contribute nothing" in text for text in texts)


def test_the_dial_means_a_level() -> None:
    shares, change = [0.0, 0.5, 0.9], [0.0, 0.4, 0.2]
    assert level_at("contributing", 0.6, shares, change) == nearest(shares, 0.6) == 1
    assert level_at("change", 0.3, shares, change) == first_beyond(change, 0.3) == 1
    assert level_at("change", 0.5, shares, change) == 2
