"""A sweep in rounds: coarse first, then every other level, and in the end what one sweep would have given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.levels import first_levels, nearest, spaced
from pruneattr_core.results.sweeps import Question, explain_levels, merged, rounds, score
from pruneattr_core.share.panels import strip_levels
from tests.app.conftest import small_network


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_rounds_end_where_one_sweep_ends(mode: str) -> None:
    network = small_network().double()
    inputs = torch.randn(1, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    question = Question(Subject("net", "", "picture", 4, "cpu"), mode, "taylor", 0.83)
    scored = score(network, inputs, question.scores)
    levels = spaced(scored.quiet, question.calibrated)
    found = explain_levels(
        network, inputs, question, scored, first_levels(levels, scored.quiet), lambda *_: None
    )
    assert {0.0, levels[-1]} < set(found.requested)
    for part in rounds(levels, found.requested):
        found = merged(found, explain_levels(network, inputs, question, scored, part, lambda *_: None))
    assert found.requested == levels
    whole = PruneGrad(network).sweep(inputs, 4, levels, mode)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.maps, whole.maps[:, 0].numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.sparsity, whole.sparsity[:, 0].numpy())
    strip = found.contributing[strip_levels(found)]
    np.testing.assert_allclose(strip, (0, 0.5, 0.8, 0.9, 0.95, 0.99), atol=0.01)
    quiet = replace(found, quiet=0.7, sparsity=0.7 + 0.3 * found.sparsity)  # as on SqueezeNet
    assert (quiet.contributing[strip_levels(quiet)[1:]] > 0.4).all()


@pytest.mark.parametrize("quiet", [0.0, 0.5, 0.71, 0.9])
def test_the_first_look_holds_the_default_and_the_place_where_silence_ends(quiet: float) -> None:
    levels = spaced(quiet)
    first = first_levels(levels, quiet)
    assert len(first) <= 4
    assert (
        first[nearest(first, quiet + 0.8 * (1 - quiet))] == levels[nearest(levels, quiet + 0.8 * (1 - quiet))]
    )
    if quiet:
        assert first[1] == pytest.approx(quiet, abs=1e-6)
