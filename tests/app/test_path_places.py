"""Channels and positions of every kind of activation call."""

from __future__ import annotations

import numpy as np
import pytest

from pruneattr_core.ui.paths.places import (
    channel_shares,
    enlarge,
    grid_of,
    positions,
    shown_places,
    shown_shares,
    token_names,
    token_shares,
)


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
        ((201, 8), 8, (14, 14), 5),  # DINOv2 with a class token and four registers
        ((200, 8), 8, (14, 14), 4),
        ((512, 8), 8, (0, 0), 511),  # latents on no grid
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


def test_shares_of_tokens_are_theirs():
    mask = np.zeros((21, 10), bool)
    mask[0, :5] = mask[2, :1] = mask[5 + 4 + 3, :8] = True
    beside, patches = token_shares(mask)
    assert beside.tolist() == [0.5, 0, 0.1, 0, 0]
    assert token_names(5) == ["class token", "register 1", "register 2", "register 3", "register 4"]
    said = tuple(f"register {i}" for i in range(1, 6))
    assert token_names(5, said) == said
    assert token_names(1, said) == ["class token"]  # of a part of the network that has others
    assert patches[1, 3] == patches.sum() == 0.8
    assert token_shares(np.ones((6, 4, 4), bool)) is None
    drawn = shown_shares(np.full((32, 32, 3), 100, np.uint8), patches, "#ff0000")
    assert drawn.shape == (448, 448, 3)
    assert drawn[112 + 56, 336 + 56, 0] > 200 > 100 > drawn[0, 0, 0]


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
