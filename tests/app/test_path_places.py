"""Channels and positions of every kind of activation call."""

from __future__ import annotations

import numpy as np
import pytest

from pruneattr_core.ui.paths.places import channel_shares, enlarge, grid_of, positions, shown_places


@pytest.mark.parametrize(
    ("shape", "channels", "size", "extra"),
    [
        ((6, 4, 5), 6, (4, 5), 0),
        ((4, 4, 6), 6, (4, 4), 0),
        ((4, 4, 4), 4, (4, 4), 0),
        ((17, 8), 8, (4, 4), 1),
        ((16, 8), 8, (4, 4), 0),
        ((9,), 9, (0, 0), 0),
        ((7, 3), 3, (0, 0), 6),
    ],
)
def test_grid(shape, channels, size, extra):
    grid = grid_of(shape)
    assert (grid.channels, grid.size, grid.extra) == (channels, size, extra)
    assert channel_shares(np.ones(shape, bool)).tolist() == [1.0] * channels


@pytest.mark.parametrize(
    ("shape", "at"), [((6, 4, 5), (2, 1, 3)), ((4, 4, 6), (1, 3, 2)), ((17, 6), (1 + 4 + 3, 2))]
)
def test_a_neuron_is_found_at_its_place(shape, at):
    mask = np.zeros(shape, bool)
    mask[at] = True
    place = positions(mask, 2)
    assert place.sum() == 1
    assert place[1, 3]
    assert channel_shares(mask).argmax() == 2
    assert not positions(mask, 1).any()


def test_single_neurons_have_no_place():
    assert positions(np.ones(9, bool), 3) is None


def test_enlarged_neurons_are_blocks():
    assert np.array_equal(
        enlarge(np.eye(2, dtype=bool), 4, 6), np.kron(np.eye(2), np.ones((2, 3))).astype(bool)
    )


def test_picture_shows_kept_places_in_colour_and_the_rest_in_grey():
    photo = np.full((32, 32, 3), 100, np.uint8)
    kept = np.array([[True, False], [False, False]])
    drawn = shown_places(photo, kept, np.array([[True, True], [False, False]]), "#ff0000")
    assert drawn.shape == (448, 448, 3)
    assert drawn[0, 0, 0] > 180 > drawn[0, 0, 1]
    assert len(set(drawn[0, -1].tolist())) == 1
    assert drawn[0, -1, 0] > drawn[-1, -1, 0]
