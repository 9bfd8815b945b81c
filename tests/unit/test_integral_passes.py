"""How many passes an integral over neurons is said to take, against those that are counted."""

from __future__ import annotations

import pytest

from pruneattr_core import contributions
from pruneattr_core.attribution.watch import _Count
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import load_model, model_card
from pruneattr_core.scoring.intgrad import INTEGRALS, integral_passes


@pytest.mark.parametrize("contribution", INTEGRALS)
def test_what_an_integral_is_said_to_take_is_about_what_it_takes(contribution: str) -> None:
    """It was said to take 60 passes, and took up to 1,600: nobody was asked before a minute of computing."""
    net, picture = load_model("scenes-net"), load_dataset("scenes")[2].image
    inputs = model_card("scenes-net").preprocess(picture)
    with _Count(lambda _: None, 1) as one:
        net(inputs)
    with _Count(lambda _: None, 1) as all_of_them:
        contributions(net, inputs, method=contribution)
    assert 0.4 < all_of_them.seen / one.seen / integral_passes(contribution, one.seen) < 2.5


def test_what_is_no_integral_takes_none() -> None:
    assert integral_passes("taylor") == 0
